/* The seek table of zstd's seekable format (magic 0x8F92EAB1, descriptor 0: no checksums), as the
 * last frame of the file.
 *
 *     skippable header (8) | rows of 8: compressed size, content size | rows (4) | descriptor (1) | magic (4)
 *
 * One row for every frame before it, skippable ones included (whole size, content 0); all integers
 * little-endian.
 */
#ifndef ARCHIVE_SEEK_TABLE_H
#define ARCHIVE_SEEK_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum { SEEK_TABLE_ROW_SIZE = 8, SEEK_TABLE_FOOTER_SIZE = 9 };

struct seek_row {
    uint32_t compressed_size;
    uint32_t content_size;
};

/* Appends header, rows and footer. */
MUST_CHECK enum b10_reason seek_table_encode(const struct seek_row *rows, size_t count,
                                             struct bytes *out, struct b10_error *error);

/* Size of the whole skippable frame for `count` rows. */
uint64_t seek_table_size(size_t count);

/* Number of rows from the last SEEK_TABLE_FOOTER_SIZE bytes of a file; CORRUPT unless magic and
 * descriptor are right and the count is within FRAME_COUNT_LIMIT + 3. */
MUST_CHECK enum b10_reason seek_table_count(const unsigned char footer[SEEK_TABLE_FOOTER_SIZE],
                                            size_t *count, const char *name,
                                            struct b10_error *error);

/* Decodes `table` (the whole skippable frame of `count` rows) into rows, an array of `count`.
 * CORRUPT unless the header matches and the rows and the table sum up (in 64 bits) to file_size
 * exactly. */
MUST_CHECK enum b10_reason seek_table_decode(const unsigned char *table, size_t count,
                                             uint64_t file_size, struct seek_row *rows,
                                             const char *name, struct b10_error *error);

/* Little-endian 32 bits, and the 8-byte header of a skippable frame; used by writer and reader. */
void le32_put(unsigned char *out, uint32_t value);
uint32_t le32_get(const unsigned char *in);
void skippable_header(unsigned char out[8], uint32_t magic, uint32_t payload_size);

#endif
