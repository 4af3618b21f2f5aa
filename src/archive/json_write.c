#include "archive/json_write.h"

#include <string.h>

#include "base/digest.h"
#include "base/utf8.h"

enum { ESCAPE_MAX = 6 /* \u001f */ };

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
    if (!utf8_is_valid(path)) {
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
