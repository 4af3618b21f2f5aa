/* The end of a file from anywhere: what is accepted as a seek table is exactly what encoding its
 * rows gives. */
#include <string.h>

#include "archive/seek_table.h"
#include "base/guard.h"
#include "fuzz.h"

static void read_table(const uint8_t *table, size_t size, size_t count)
{
    SCOPED(bytes) struct bytes again = BYTES_EMPTY;
    SCOPED(heap) struct seek_row *rows = calloc(count + 1, sizeof(*rows));
    uint64_t file_size = size;
    HOLDS(rows);
    for (size_t i = 0; i < count; i++)
        file_size += le32_get(table + 8 + i * SEEK_TABLE_ROW_SIZE);
    HOLDS(seek_table_decode(table, count, file_size + 1, rows, "a", NULL) == B10_REASON_CORRUPT);
    if (seek_table_decode(table, count, file_size, rows, "a", NULL) != B10_REASON_OK)
        return;
    HOLDS(seek_table_encode(rows, count, &again, NULL) == B10_REASON_OK);
    HOLDS(again.size == size && memcmp(again.data, table, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t count = 0;
    if (size < SEEK_TABLE_FOOTER_SIZE)
        return 0;
    if (seek_table_count(data + size - SEEK_TABLE_FOOTER_SIZE, &count, "a", NULL) != B10_REASON_OK)
        return 0;
    if (seek_table_size(count) <= size)
        read_table(data + size - seek_table_size(count), (size_t)seek_table_size(count), count);
    return 0;
}
