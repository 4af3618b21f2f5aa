/* A growable byte buffer with a cap: what hostile input can make it hold is bounded by whoever
 * creates it.
 *
 *     struct bytes b = BYTES_CAPPED(1 << 20);  …append…  bytes_release(&b);
 *
 * Appending beyond the cap is TOO_LARGE, a failed allocation NO_MEMORY; the content stays as it
 * was.
 * Threads: one at a time.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stddef.h>

#include "base/error.h"
#include "base/guard.h"

struct bytes {
    unsigned char *data; /* owned; NULL while capacity is 0 */
    size_t size;
    size_t capacity;
    size_t cap; /* most bytes it may hold; 0 means no cap */
};

#define BYTES_EMPTY                                                                                \
    {                                                                                              \
        0                                                                                          \
    }
#define BYTES_CAPPED(limit)                                                                        \
    {                                                                                              \
        .cap = (limit)                                                                             \
    }

/* Makes room for `more` bytes after size; does not change size. */
MUST_CHECK enum b10_reason bytes_reserve(struct bytes *bytes, size_t more, struct b10_error *error);
MUST_CHECK enum b10_reason bytes_append(struct bytes *bytes, const void *data, size_t size,
                                        struct b10_error *error);
MUST_CHECK enum b10_reason bytes_append_zeros(struct bytes *bytes, size_t size,
                                              struct b10_error *error);
MUST_CHECK enum b10_reason bytes_append_text(struct bytes *bytes, const char *text,
                                             struct b10_error *error);
MUST_CHECK enum b10_reason bytes_format(struct bytes *bytes, struct b10_error *error,
                                        const char *format, ...) PRINTF_LIKE(3, 4);

/* NUL after the content, not counted in size; then data is a C string. */
MUST_CHECK enum b10_reason bytes_terminate(struct bytes *bytes, struct b10_error *error);

/* Forgets the content, keeps the memory. */
void bytes_clear(struct bytes *bytes);

/* Frees the memory; the buffer is empty and usable again. */
void bytes_release(struct bytes *bytes);
void bytes_guard(struct bytes *bytes);

#endif
