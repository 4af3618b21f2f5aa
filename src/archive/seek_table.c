#include "archive/seek_table.h"

#include <string.h>

#include "archive/frame.h"

enum {
    ROW_COUNT_LIMIT = FRAME_COUNT_LIMIT + 3, /* and index, manifest, signature */
    DESCRIPTOR = 0,                          /* no checksums, reserved bits zero */
};
static const uint32_t FOOTER_MAGIC = UINT32_C(0x8F92EAB1);

void le32_put(unsigned char *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (unsigned char)(value >> (8 * i));
}

uint32_t le32_get(const unsigned char *in)
{
    return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

void skippable_header(unsigned char out[8], uint32_t magic, uint32_t payload_size)
{
    le32_put(out, magic);
    le32_put(out + 4, payload_size);
}

static uint32_t payload_size(size_t count)
{
    return (uint32_t)(count * SEEK_TABLE_ROW_SIZE + SEEK_TABLE_FOOTER_SIZE);
}

uint64_t seek_table_size(size_t count)
{
    return (uint64_t)SKIPPABLE_HEADER_SIZE + (uint64_t)count * SEEK_TABLE_ROW_SIZE +
           SEEK_TABLE_FOOTER_SIZE;
}

static void footer_put(unsigned char footer[SEEK_TABLE_FOOTER_SIZE], size_t count)
{
    le32_put(footer, (uint32_t)count);
    footer[4] = DESCRIPTOR;
    le32_put(footer + 5, FOOTER_MAGIC);
}

enum b10_reason seek_table_encode(const struct seek_row *rows, size_t count, struct bytes *out,
                                  struct b10_error *error)
{
    if (count > ROW_COUNT_LIMIT)
        return error_set(error, B10_REASON_TOO_LARGE, "an archive cannot have %zu frames", count);
    TRY(bytes_reserve(out, (size_t)seek_table_size(count), error));
    unsigned char *at = out->data + out->size;
    skippable_header(at, SKIPPABLE_SEEK_TABLE, payload_size(count));
    at += SKIPPABLE_HEADER_SIZE;
    for (size_t i = 0; i < count; i++, at += SEEK_TABLE_ROW_SIZE) {
        le32_put(at, rows[i].compressed_size);
        le32_put(at + 4, rows[i].content_size);
    }
    footer_put(at, count);
    out->size += (size_t)seek_table_size(count);
    return B10_REASON_OK;
}

enum b10_reason seek_table_count(const unsigned char footer[SEEK_TABLE_FOOTER_SIZE], size_t *count,
                                 const char *name, struct b10_error *error)
{
    if (le32_get(footer + 5) != FOOTER_MAGIC)
        return error_set(error, B10_REASON_CORRUPT, "'%s' does not end with a seek table", name);
    if (footer[4] != DESCRIPTOR)
        return error_set(error, B10_REASON_CORRUPT, "'%s': seek table of unknown kind 0x%02x", name,
                         footer[4]);
    *count = le32_get(footer);
    if (*count > ROW_COUNT_LIMIT)
        return error_set(error, B10_REASON_CORRUPT, "'%s': seek table of %zu rows", name, *count);
    return B10_REASON_OK;
}

enum b10_reason seek_table_decode(const unsigned char *table, size_t count, uint64_t file_size,
                                  struct seek_row *rows, const char *name, struct b10_error *error)
{
    unsigned char header[SKIPPABLE_HEADER_SIZE];
    unsigned char footer[SEEK_TABLE_FOOTER_SIZE];
    skippable_header(header, SKIPPABLE_SEEK_TABLE, payload_size(count));
    footer_put(footer, count);
    const unsigned char *first = table + SKIPPABLE_HEADER_SIZE;
    const unsigned char *end = first + count * SEEK_TABLE_ROW_SIZE;
    if (memcmp(table, header, sizeof header) != 0 || memcmp(end, footer, sizeof footer) != 0)
        return error_set(error, B10_REASON_CORRUPT, "'%s': damaged seek table", name);

    uint64_t total = seek_table_size(count);
    for (size_t i = 0; i < count; i++) {
        rows[i].compressed_size = le32_get(first + i * SEEK_TABLE_ROW_SIZE);
        rows[i].content_size = le32_get(first + i * SEEK_TABLE_ROW_SIZE + 4);
        total += rows[i].compressed_size;
    }
    if (total != file_size)
        return error_set(error, B10_REASON_CORRUPT,
                         "'%s': the frames add up to %llu bytes, the file has %llu", name,
                         (unsigned long long)total, (unsigned long long)file_size);
    return B10_REASON_OK;
}
