#include "cli/text.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

enum { LINE_WIDTH = 80 };

static int is_continuation(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Length of the UTF-8 sequence at `at`: 1 to 4, or 0 if the bytes there are none (the shortest
 * form only, no surrogates, nothing beyond U+10FFFF: RFC 3629). */
static size_t utf8_length(const unsigned char *at)
{
    if (at[0] < 0x80)
        return 1;
    if (at[0] >= 0xc2 && at[0] <= 0xdf)
        return is_continuation(at[1]) ? 2 : 0;
    if (at[0] >= 0xe0 && at[0] <= 0xef) {
        int too_long = at[0] == 0xe0 && at[1] < 0xa0;
        int surrogate = at[0] == 0xed && at[1] > 0x9f;
        return !too_long && !surrogate && is_continuation(at[1]) && is_continuation(at[2]) ? 3 : 0;
    }
    if (at[0] >= 0xf0 && at[0] <= 0xf4) {
        int too_long = at[0] == 0xf0 && at[1] < 0x90;
        int too_large = at[0] == 0xf4 && at[1] > 0x8f;
        return !too_long && !too_large && is_continuation(at[1]) && is_continuation(at[2]) &&
                       is_continuation(at[3])
                   ? 4
                   : 0;
    }
    return 0;
}

/* C0, DEL, C1, and the marks that reorder or break lines (U+2028 to U+202E, U+2066 to U+2069). */
static int is_control(const unsigned char *at, size_t length)
{
    if (length == 1)
        return at[0] < 0x20 || at[0] == 0x7f;
    if (length == 2)
        return at[0] == 0xc2 && at[1] < 0xa0;
    return length == 3 && at[0] == 0xe2 &&
           ((at[1] == 0x80 && at[2] >= 0xa8 && at[2] <= 0xae) ||
            (at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9));
}

static size_t escape_bytes(const unsigned char *at, size_t length, char unit[TEXT_UNIT_SIZE])
{
    static const char short_names[] = "\tt\nn\rr";
    for (const char *pair = short_names; *pair != '\0'; pair += 2) {
        if (at[0] == (unsigned char)*pair) {
            unit[0] = '\\';
            unit[1] = pair[1];
            return 2;
        }
    }
    for (size_t i = 0; i < length; i++)
        snprintf(unit + 4 * i, 5, "\\x%02x", at[i]);
    return 4 * length;
}

size_t text_unit(const char **at, enum text_rule rule, char unit[TEXT_UNIT_SIZE])
{
    const unsigned char *bytes = (const unsigned char *)*at;
    if (bytes[0] == '\0')
        return 0;
    size_t length = utf8_length(bytes);
    if (length == 0) {
        *at += 1;
        return escape_bytes(bytes, 1, unit);
    }
    *at += length;
    if (bytes[0] == '\\') {
        unit[0] = unit[1] = '\\';
        return 2;
    }
    if (rule == TEXT_TERMINAL && is_control(bytes, length))
        return escape_bytes(bytes, length, unit);
    memcpy(unit, bytes, length);
    return length;
}

void text_put(FILE *stream, const char *text)
{
    char unit[TEXT_UNIT_SIZE];
    size_t length;
    while ((length = text_unit(&text, TEXT_TERMINAL, unit)) > 0)
        fwrite(unit, 1, length, stream);
}

const char *text_line(const char **cursor, size_t *length)
{
    const char *line = *cursor;
    if (*line == '\0')
        return NULL;
    *length = strcspn(line, "\n");
    *cursor = line + *length + (line[*length] == '\n');
    return line;
}

void text_wrap(FILE *stream, size_t indent, const char *text)
{
    size_t column = 0;
    while (*text != '\0') {
        size_t length = strcspn(text, " ");
        if (column == 0) {
            fprintf(stream, "%*s", (int)indent, "");
            column = indent;
        } else if (column + 1 + length > LINE_WIDTH) {
            fprintf(stream, "\n%*s", (int)indent, "");
            column = indent;
        } else {
            fputc(' ', stream);
            column++;
        }
        fwrite(text, 1, length, stream);
        column += length;
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', stream);
}

const char *text_size(uint64_t bytes, char out[TEXT_SIZE])
{
    snprintf(out, TEXT_SIZE, "%.1f MiB", (double)bytes / (1024.0 * 1024.0));
    return out;
}

const char *text_time(int64_t time, char out[TEXT_SIZE])
{
    time_t seconds = (time_t)time;
    struct tm parts;
    if (time == 0 || gmtime_r(&seconds, &parts) == NULL ||
        strftime(out, TEXT_SIZE, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0)
        snprintf(out, TEXT_SIZE, "unknown");
    return out;
}

const char *text_count(uint64_t count, const char *thing, const char *things, char out[TEXT_SIZE])
{
    snprintf(out, TEXT_SIZE, "%" PRIu64 " %s", count, count == 1 ? thing : things);
    return out;
}
