#include "archive/json_write.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/digest.h"

enum { ESCAPE_MAX = 6 /* \u001f */ };

/* Bytes of the character at `text`, 0 if it is not valid UTF-8 (RFC 3629: shortest form, no
 * surrogates, up to U+10FFFF). */
static size_t character(const unsigned char *text)
{
    static const struct {
        unsigned char first, last; /* of the first byte */
        unsigned char second_first, second_last;
        size_t length;
    } forms[] = {{0x01, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2},
                 {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
                 {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
                 {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
                 {0xf4, 0xf4, 0x80, 0x8f, 4}};
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
        if (text[0] < forms[i].first || text[0] > forms[i].last)
            continue;
        if (forms[i].length > 1 &&
            (text[1] < forms[i].second_first || text[1] > forms[i].second_last))
            return 0;
        for (size_t k = 2; k < forms[i].length; k++)
            if (text[k] < 0x80 || text[k] > 0xbf)
                return 0;
        return forms[i].length;
    }
    return 0;
}

static bool is_utf8(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    while (*at) {
        size_t length = character(at);
        if (length == 0)
            return false;
        at += length;
    }
    return true;
}

static size_t put_character(unsigned char *to, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    if (c == '"' || c == '\\') {
        to[0] = '\\';
        to[1] = c;
        return 2;
    }
    if (c < 0x20) {
        memcpy(to, "\\u00", 4);
        to[4] = (unsigned char)digits[c >> 4];
        to[5] = (unsigned char)digits[c & 15];
        return ESCAPE_MAX;
    }
    to[0] = c;
    return 1;
}

enum b10_reason json_write_path(struct bytes *out, const char *path, struct b10_error *error)
{
    size_t size = strlen(path);
    if (!is_utf8(path)) {
        TRY(bytes_append_text(out, "{\"bytes\":", error));
        TRY(json_write_hex(out, path, size, error));
        return bytes_append_text(out, "}", error);
    }
    TRY(bytes_reserve(out, size * ESCAPE_MAX + 2, error));
    out->data[out->size++] = '"';
    for (size_t i = 0; i < size; i++)
        out->size += put_character(out->data + out->size, (unsigned char)path[i]);
    out->data[out->size++] = '"';
    return B10_REASON_OK;
}

enum b10_reason json_write_hex(struct bytes *out, const void *data, size_t size,
                               struct b10_error *error)
{
    TRY(bytes_reserve(out, 2 * size + 3, error));
    out->data[out->size++] = '"';
    hex_encode((char *)out->data + out->size, data, size);
    out->size += 2 * size;
    out->data[out->size++] = '"';
    return B10_REASON_OK;
}
