#include "archive/seek_table.h"

#include <string.h>

#include "archive/frame.h"
#include "base/guard.h"
#include "support/scratch.h"

enum { COUNT = 3 };
static const struct seek_row rows[COUNT] = {{1000, 4096}, {UINT32_MAX, 1 << 20}, {24, 0}};
static const uint64_t frames_size = UINT64_C(1000) + UINT32_MAX + 24;

static void encode(struct bytes *out)
{
    assert_int_equal(seek_table_encode(rows, COUNT, out, NULL), B10_REASON_OK);
    assert_int_equal(out->size, seek_table_size(COUNT));
}

static enum b10_reason decode(const struct bytes *table, uint64_t file_size, struct seek_row *out)
{
    struct b10_error error = ERROR_NONE;
    size_t count = 0;
    TRY(seek_table_count(table->data + table->size - SEEK_TABLE_FOOTER_SIZE, &count, "a", &error));
    if (count != COUNT)
        return B10_REASON_CORRUPT;
    return seek_table_decode(table->data, count, file_size, out, "a", &error);
}

static void rows_come_back(void **state)
{
    (void)state;
    SCOPED(bytes) struct bytes table = BYTES_EMPTY;
    struct seek_row back[COUNT];
    encode(&table);
    assert_int_equal(decode(&table, frames_size + table.size, back), B10_REASON_OK);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(back[i].compressed_size, rows[i].compressed_size);
        assert_int_equal(back[i].content_size, rows[i].content_size);
    }
}

static void the_bytes_are_those_of_the_seekable_format(void **state)
{
    (void)state;
    SCOPED(bytes) struct bytes table = BYTES_EMPTY;
    static const unsigned char expected[] = {
        0x5e, 0x2a, 0x4d, 0x18, 33,   0,    0,    0,          /* skippable header */
        0xe8, 0x03, 0,    0,    0x00, 0x10, 0,    0,          /* row 0 */
        0xff, 0xff, 0xff, 0xff, 0,    0,    0x10, 0,          /* row 1 */
        24,   0,    0,    0,    0,    0,    0,    0,          /* row 2 */
        3,    0,    0,    0,    0,    0xb1, 0xea, 0x92, 0x8f, /* footer */
    };
    encode(&table);
    assert_int_equal(table.size, sizeof expected);
    assert_memory_equal(table.data, expected, sizeof expected);
}

static void an_archive_without_frames_has_an_empty_table(void **state)
{
    (void)state;
    SCOPED(bytes) struct bytes table = BYTES_EMPTY;
    size_t count = 1;
    assert_int_equal(seek_table_encode(NULL, 0, &table, NULL), B10_REASON_OK);
    assert_int_equal(seek_table_count(table.data + SKIPPABLE_HEADER_SIZE, &count, "a", NULL), 0);
    assert_int_equal(count, 0);
    assert_int_equal(seek_table_decode(table.data, 0, 17, NULL, "a", NULL), B10_REASON_OK);
}

static void sums_are_made_in_64_bits(void **state)
{
    (void)state;
    SCOPED(bytes) struct bytes table = BYTES_EMPTY;
    struct seek_row back[COUNT];
    encode(&table);
    assert_int_equal(decode(&table, (uint32_t)(frames_size + table.size), back),
                     B10_REASON_CORRUPT);
}

static void a_table_that_does_not_fill_the_file_is_corrupt(void **state)
{
    (void)state;
    SCOPED(bytes) struct bytes table = BYTES_EMPTY;
    struct seek_row back[COUNT];
    encode(&table);
    assert_int_equal(decode(&table, frames_size + table.size - 1, back), B10_REASON_CORRUPT);
    assert_int_equal(decode(&table, frames_size + table.size + 1, back), B10_REASON_CORRUPT);
}

static void every_flipped_bit_but_in_a_content_size_is_corrupt(void **state)
{
    (void)state;
    SCOPED(bytes) struct bytes table = BYTES_EMPTY;
    struct seek_row back[COUNT];
    encode(&table);
    for (size_t i = 0; i < table.size; i++) {
        size_t in_rows = i - SKIPPABLE_HEADER_SIZE;
        if (i >= SKIPPABLE_HEADER_SIZE && in_rows < COUNT * SEEK_TABLE_ROW_SIZE && in_rows % 8 >= 4)
            continue; /* compared with the manifest by the reader */
        for (int bit = 0; bit < 8; bit++) {
            table.data[i] ^= (unsigned char)(1 << bit);
            assert_int_equal(decode(&table, frames_size + table.size, back), B10_REASON_CORRUPT);
            table.data[i] ^= (unsigned char)(1 << bit);
        }
    }
}

static void more_rows_than_an_archive_may_have_are_corrupt(void **state)
{
    (void)state;
    unsigned char footer[SEEK_TABLE_FOOTER_SIZE] = {0, 0, 0, 0, 0, 0xb1, 0xea, 0x92, 0x8f};
    size_t count = 0;
    le32_put(footer, FRAME_COUNT_LIMIT + 3);
    assert_int_equal(seek_table_count(footer, &count, "a", NULL), B10_REASON_OK);
    assert_int_equal(count, FRAME_COUNT_LIMIT + 3);
    le32_put(footer, FRAME_COUNT_LIMIT + 4);
    assert_int_equal(seek_table_count(footer, &count, "a", NULL), B10_REASON_CORRUPT);
    le32_put(footer, UINT32_MAX);
    assert_int_equal(seek_table_count(footer, &count, "a", NULL), B10_REASON_CORRUPT);
}

static void a_save_cannot_write_more_rows_than_that(void **state)
{
    (void)state;
    SCOPED(bytes) struct bytes out = BYTES_EMPTY;
    assert_int_equal(seek_table_encode(rows, FRAME_COUNT_LIMIT + 4, &out, NULL),
                     B10_REASON_TOO_LARGE);
    assert_int_equal(out.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_back),
        cmocka_unit_test(the_bytes_are_those_of_the_seekable_format),
        cmocka_unit_test(an_archive_without_frames_has_an_empty_table),
        cmocka_unit_test(sums_are_made_in_64_bits),
        cmocka_unit_test(a_table_that_does_not_fill_the_file_is_corrupt),
        cmocka_unit_test(every_flipped_bit_but_in_a_content_size_is_corrupt),
        cmocka_unit_test(more_rows_than_an_archive_may_have_are_corrupt),
        cmocka_unit_test(a_save_cannot_write_more_rows_than_that),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
