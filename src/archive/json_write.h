/* The writing half of json_text.h: appends to a text. */
#ifndef ARCHIVE_JSON_WRITE_H
#define ARCHIVE_JSON_WRITE_H

#include "base/bytes.h"

/* A path: a string where the bytes are valid UTF-8, else {"bytes": "<hex>"}. */
MUST_CHECK enum b10_reason json_write_path(struct bytes *out, const char *path,
                                           struct b10_error *error);

/* Bytes as a string of lower-case hexadecimal digits. */
MUST_CHECK enum b10_reason json_write_hex(struct bytes *out, const void *data, size_t size,
                                          struct b10_error *error);

#endif
