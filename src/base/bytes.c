#include "base/bytes.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALLEST = 64 };

static size_t limit_of(const struct bytes *bytes)
{
    return bytes->cap != 0 ? bytes->cap : SIZE_MAX / 2;
}

/* Capacity for `wanted` bytes, doubling so that appending stays linear; `most` bounds the
 * doubling. */
static enum b10_reason grow(struct bytes *bytes, size_t wanted, size_t most,
                            struct b10_error *error)
{
    if (wanted <= bytes->capacity)
        return B10_REASON_OK;
    size_t capacity = bytes->capacity > most / 2 ? most : bytes->capacity * 2;
    if (capacity < SMALLEST)
        capacity = SMALLEST < most ? SMALLEST : most;
    if (capacity < wanted)
        capacity = wanted;
    unsigned char *data = realloc(bytes->data, capacity);
    if (data == NULL)
        return error_no_memory(error);
    bytes->data = data;
    bytes->capacity = capacity;
    return B10_REASON_OK;
}

enum b10_reason bytes_reserve(struct bytes *bytes, size_t more, struct b10_error *error)
{
    size_t limit = limit_of(bytes);
    if (bytes->size > limit || more > limit - bytes->size)
        return error_set(error, B10_REASON_TOO_LARGE, "more than the %zu bytes allowed here",
                         limit);
    return grow(bytes, bytes->size + more, limit, error);
}

enum b10_reason bytes_append(struct bytes *bytes, const void *data, size_t size,
                             struct b10_error *error)
{
    TRY(bytes_reserve(bytes, size, error));
    if (size > 0)
        memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
    return B10_REASON_OK;
}

enum b10_reason bytes_append_zeros(struct bytes *bytes, size_t size, struct b10_error *error)
{
    TRY(bytes_reserve(bytes, size, error));
    if (size > 0)
        memset(bytes->data + bytes->size, 0, size);
    bytes->size += size;
    return B10_REASON_OK;
}

enum b10_reason bytes_append_text(struct bytes *bytes, const char *text, struct b10_error *error)
{
    return bytes_append(bytes, text, strlen(text), error);
}

enum b10_reason bytes_format(struct bytes *bytes, struct b10_error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0)
        return error_set(error, B10_REASON_INTERNAL, "cannot format a text");

    /* vsnprintf writes a NUL behind the text; it is not part of the content, nor of the cap. */
    size_t size = (size_t)length;
    TRY(bytes_reserve(bytes, size, error));
    TRY(grow(bytes, bytes->size + size + 1, limit_of(bytes) + 1, error));
    va_start(arguments, format);
    vsnprintf((char *)bytes->data + bytes->size, size + 1, format, arguments);
    va_end(arguments);
    bytes->size += size;
    return B10_REASON_OK;
}

enum b10_reason bytes_terminate(struct bytes *bytes, struct b10_error *error)
{
    TRY(grow(bytes, bytes->size + 1, limit_of(bytes) + 1, error));
    bytes->data[bytes->size] = '\0';
    return B10_REASON_OK;
}

void bytes_clear(struct bytes *bytes)
{
    bytes->size = 0;
}

void bytes_release(struct bytes *bytes)
{
    free(bytes->data);
    bytes->data = NULL;
    bytes->size = 0;
    bytes->capacity = 0;
}

void bytes_guard(struct bytes *bytes)
{
    bytes_release(bytes);
}
