#include "server/response.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

/* Bytes of a chunk's first line: a size, and extensions that nobody sends. */
enum { CHUNK_LINE_LIMIT = 64 };

struct part {
    const char *at;
    size_t size;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The next line of *rest without its end, *rest moves behind it. False: it has no end yet. */
static bool next_line(struct part *rest, struct part *line)
{
    const char *end = memchr(rest->at, '\n', rest->size);
    if (end == NULL)
        return false;
    line->at = rest->at;
    line->size = (size_t)(end - rest->at);
    rest->at = end + 1;
    rest->size -= line->size + 1;
    if (line->size > 0 && line->at[line->size - 1] == '\r')
        line->size--;
    return true;
}

/* "HTTP/1.1 200 OK"; as far as it goes, where the line is not whole. */
static bool is_status_line(const struct part *line)
{
    static const char form[] = "HTTP/1.# ###";
    for (size_t i = 0; i < line->size && form[i] != '\0'; i++) {
        if (form[i] == '#' ? !is_digit(line->at[i]) : line->at[i] != form[i])
            return false;
    }
    return line->size < sizeof(form) || line->at[sizeof(form) - 1] == ' ' ||
           line->at[sizeof(form) - 1] == '\r';
}

static bool parse_status(int *status, const struct part *line)
{
    const char *digits = line->at + 9;
    if (line->size < 12 || !is_status_line(line))
        return false;
    *status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + digits[2] - '0';
    return *status >= 100;
}

/* ---- the body ---- */

struct body {
    bool chunked;
    bool sized;
    bool broken; /* its size makes no sense */
    size_t size;
};

/* Beyond what is ever read every size is the same. */
static bool parse_number(const struct part *text, unsigned base, size_t *number)
{
    static const char digits[] = "0123456789abcdef";
    *number = 0;
    for (size_t i = 0; i < text->size; i++) {
        const char c =
            (char)(text->at[i] >= 'A' && text->at[i] <= 'F' ? text->at[i] + 32 : text->at[i]);
        const char *digit = c == '\0' ? NULL : memchr(digits, c, base);
        if (digit == NULL)
            return false;
        *number = *number >= SIZE_MAX / 32 ? *number : *number * base + (size_t)(digit - digits);
    }
    return text->size > 0;
}

/* The value of header `name`, spaces around it cut off. */
static bool is_header(const struct part *line, const char *name, struct part *value)
{
    const size_t length = strlen(name);
    if (line->size <= length || strncasecmp(line->at, name, length) != 0 || line->at[length] != ':')
        return false;
    value->at = line->at + length + 1;
    value->size = line->size - length - 1;
    while (value->size > 0 && (*value->at == ' ' || *value->at == '\t')) {
        value->at++;
        value->size--;
    }
    while (value->size > 0 && strchr(" \t", value->at[value->size - 1]) != NULL)
        value->size--;
    return true;
}

static void take_header(struct body *body, const struct part *line)
{
    struct part value;
    if (is_header(line, "content-length", &value)) {
        body->sized = true;
        body->broken |= !parse_number(&value, 10, &body->size);
    } else if (is_header(line, "transfer-encoding", &value)) {
        body->chunked =
            value.size >= 7 && strncasecmp(value.at + value.size - 7, "chunked", 7) == 0;
    }
}

static enum response_state look_at_chunks(struct part rest)
{
    for (;;) {
        struct part line;
        size_t size;
        const bool is_whole = next_line(&rest, &line);
        if ((is_whole ? (size_t)(rest.at - line.at) - 1 : rest.size) > CHUNK_LINE_LIMIT)
            return RESPONSE_BROKEN;
        if (!is_whole)
            return RESPONSE_MORE;
        const char *extension = memchr(line.at, ';', line.size);
        if (extension != NULL)
            line.size = (size_t)(extension - line.at);
        if (!parse_number(&line, 16, &size))
            return RESPONSE_BROKEN;
        if (size == 0)
            return RESPONSE_WHOLE;
        if (rest.size < size || rest.size - size < 2)
            return RESPONSE_MORE;
        rest.at += size;
        rest.size -= size;
        if (!next_line(&rest, &line) || line.size != 0)
            return RESPONSE_BROKEN;
    }
}

static enum response_state look_at_body(const struct body *body, const struct part *rest,
                                        bool ended)
{
    if (body->broken)
        return RESPONSE_BROKEN;
    if (body->chunked)
        return look_at_chunks(*rest);
    if (body->sized)
        return rest->size >= body->size ? RESPONSE_WHOLE : RESPONSE_MORE;
    return ended ? RESPONSE_WHOLE : RESPONSE_MORE; /* whatever comes until the end */
}

/* ---- the whole ---- */

static enum response_state look(struct response *response, struct part rest, bool ended)
{
    for (;;) {
        struct body body = {.size = 0};
        struct part line;
        response->status = 0;
        if (!next_line(&rest, &line))
            return is_status_line(&rest) ? RESPONSE_MORE : RESPONSE_BROKEN;
        if (!parse_status(&response->status, &line))
            return RESPONSE_BROKEN;
        if (response->status >= 200 && response->status != 200)
            return RESPONSE_WHOLE;
        do {
            if (!next_line(&rest, &line))
                return RESPONSE_MORE;
            take_header(&body, &line);
        } while (line.size > 0);
        response->head_is_whole = response->status == 200;
        if (response->head_is_whole)
            return look_at_body(&body, &rest, ended);
    }
}

enum response_state response_look(struct response *response, const char *bytes, size_t size,
                                  bool ended)
{
    *response = (struct response){.status = 0};
    const enum response_state state = look(response, (struct part){bytes, size}, ended);
    return state == RESPONSE_MORE && ended ? RESPONSE_BROKEN : state;
}
