#include "archive/json_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"

static void skip_space(struct json_cursor *cursor)
{
    while (cursor->at < cursor->size && cursor->text[cursor->at] &&
           strchr(" \t\r\n", cursor->text[cursor->at]))
        cursor->at++;
}

bool json_take(struct json_cursor *cursor, char mark)
{
    skip_space(cursor);
    if (cursor->at == cursor->size || cursor->text[cursor->at] != mark)
        return false;
    cursor->at++;
    return true;
}

bool json_at_end(struct json_cursor *cursor)
{
    skip_space(cursor);
    return cursor->at == cursor->size;
}

/* NULL and 0 bytes if there is none; errno is ENOMEM if memory was seen to be out. */
static json_t *parse(const struct json_cursor *cursor, size_t *size)
{
    size_t left = cursor->size - cursor->at;
    json_error_t read;
    errno = 0;
    json_t *value =
        json_loadb(cursor->text + cursor->at, left < JSON_VALUE_LIMIT ? left : JSON_VALUE_LIMIT,
                   JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, &read);
    *size = value ? (size_t)read.position : 0;
    return value;
}

void json_guard(json_t **value)
{
    json_decref(*value);
}

/* When jansson has no memory for a longer token it drops a character and goes on, and the next
 * number resets errno. So what it read or refused counts only if it does the same again. */
enum b10_reason json_value(struct json_cursor *cursor, json_t **value)
{
    SCOPED(json) json_t *again = NULL;
    size_t size, size_again;
    *value = parse(cursor, &size);
    if (errno == ENOMEM)
        return B10_REASON_NO_MEMORY;
    again = parse(cursor, &size_again);
    if (errno == ENOMEM || size != size_again || (again && !json_equal(*value, again)))
        return B10_REASON_NO_MEMORY;
    if (!*value)
        return B10_REASON_CORRUPT;
    cursor->at += size;
    return B10_REASON_OK;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool json_hex_to(const json_t *value, unsigned char *data, size_t size)
{
    const char *text = json_string_value(value);
    if (!text || json_string_length(value) != 2 * size)
        return false;
    for (size_t i = 0; i < size; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        data[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

bool json_u64_to(const json_t *value, uint64_t most, uint64_t *number)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *number = (uint64_t)json_integer_value(value);
    return *number <= most;
}

static enum b10_reason bytes_to(const json_t *digits, char **text)
{
    size_t size = json_string_length(digits) / 2;
    char *copy = calloc(size + 1, 1);
    if (!copy)
        return B10_REASON_NO_MEMORY;
    if (!json_hex_to(digits, (unsigned char *)copy, size) || memchr(copy, '\0', size)) {
        free(copy);
        return B10_REASON_CORRUPT;
    }
    *text = copy;
    return B10_REASON_OK;
}

enum b10_reason json_text_to(const json_t *value, char **text)
{
    if (json_is_object(value) && json_object_size(value) == 1)
        return bytes_to(json_object_get(value, "bytes"), text);
    const char *string = json_string_value(value);
    if (!string || strlen(string) != json_string_length(value))
        return B10_REASON_CORRUPT;
    *text = strdup(string);
    return *text ? B10_REASON_OK : B10_REASON_NO_MEMORY;
}
