#include "archive/decode.h"

#include <stdlib.h>
#include <string.h>

#include "support/forge.h"

enum { LARGE = 10000, SLICE = 4096 };

struct fixture {
    void *scratch;
    struct forge forge;
    struct reader reader;
    struct decoder *decoder;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (fixture == NULL || scratch_setup(&fixture->scratch) != 0)
        return -1;
    struct scratch *scratch = fixture->scratch;
    forge_init(&fixture->forge);
    forge_sample(&fixture->forge, LARGE);
    forge_sliced(&fixture->forge, "inductor/torn", "half", 4, SLICE, true);
    forge_save(&fixture->forge, scratch_path(scratch, "a"));
    *state = fixture;
    return reader_open(&fixture->reader, scratch->fd, "a", "the.archive", NULL) != B10_REASON_OK ||
           decoder_new(&fixture->decoder, NULL) != B10_REASON_OK;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    decoder_free(fixture->decoder);
    reader_close(&fixture->reader);
    forge_release(&fixture->forge);
    scratch_teardown(&fixture->scratch);
    free(fixture);
    return 0;
}

static void begin(struct fixture *fixture, size_t frame, const unsigned char **content,
                  size_t *size)
{
    struct b10_error error = ERROR_NONE;
    const struct bytes *compressed = &fixture->forge.frames[frame].compressed;
    if (decoder_begin(fixture->decoder, &fixture->reader, frame, compressed->data, content, size,
                      &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
}

static bool next(struct fixture *fixture, struct decoded *decoded)
{
    struct b10_error error = ERROR_NONE;
    bool found = false;
    if (decoder_next(fixture->decoder, decoded, &found, &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
    return found;
}

static size_t find_frame(const struct fixture *fixture, enum frame_kind kind, size_t nth)
{
    for (size_t i = 0; i < fixture->forge.frame_count; i++)
        if (fixture->forge.frames[i].about.kind == kind && nth-- == 0)
            return i;
    fail();
    return 0;
}

static void members_come_in_order_with_their_content(void **state)
{
    struct fixture *fixture = *state;
    const char *names[] = {"ab", "ab/empty", "ab/code.py", "ab/same.py", "same.py", "ab/nothing"};
    const enum entry_type types[] = {ENTRY_DIRECTORY, ENTRY_DIRECTORY, ENTRY_FILE,
                                     ENTRY_HARDLINK,  ENTRY_HARDLINK,  ENTRY_FILE};
    const unsigned char *content = NULL;
    size_t size = 0;
    begin(fixture, 0, &content, &size);
    struct decoded decoded;
    for (size_t i = 0; i < 6; i++) {
        assert_true(next(fixture, &decoded));
        assert_string_equal(decoded.path, names[i]);
        assert_int_equal(decoded.entry.type, types[i]);
        assert_int_equal(decoded.root, 0);
        assert_int_equal(decoded.sliced, DECODED_NOT_SLICED);
        assert_int_equal(decoded.size, i >= 2 && i <= 4 ? 15 : 0);
        if (decoded.size > 0)
            assert_memory_equal(decoded.content, "print('hello')\n", 15);
    }
    assert_false(next(fixture, &decoded));
}

static void a_header_is_that_of_its_large_file(void **state)
{
    struct fixture *fixture = *state;
    const unsigned char *content = NULL;
    size_t size = 0;
    struct decoded decoded;
    begin(fixture, find_frame(fixture, FRAME_HEADER, 0), &content, &size);
    assert_true(next(fixture, &decoded));
    assert_string_equal(decoded.path, "large");
    assert_int_equal(decoded.sliced, 0);
    assert_int_equal(decoded.size, LARGE);
    assert_false(decoded.is_void);
    assert_false(next(fixture, &decoded));

    begin(fixture, find_frame(fixture, FRAME_HEADER, 1), &content, &size);
    assert_true(next(fixture, &decoded));
    assert_string_equal(decoded.path, "torn");
    assert_true(decoded.is_void);
}

static void a_slice_comes_without_its_padding(void **state)
{
    struct fixture *fixture = *state;
    const unsigned char *content = NULL;
    size_t size = 0;
    begin(fixture, find_frame(fixture, FRAME_SLICE, 0), &content, &size);
    assert_int_equal(size, SLICE);
    begin(fixture, find_frame(fixture, FRAME_SLICE, 2), &content, &size);
    assert_int_equal(size, LARGE - 2 * SLICE);
    assert_memory_equal(content, fixture->forge.frames[5].content.data, size);
}

static void a_duplicate_of_a_large_file_names_it(void **state)
{
    struct fixture *fixture = *state;
    const unsigned char *content = NULL;
    size_t size = 0;
    struct decoded decoded;
    begin(fixture, find_frame(fixture, FRAME_MEMBERS, 2), &content, &size);
    assert_true(next(fixture, &decoded));
    assert_string_equal(decoded.path, "large2");
    assert_int_equal(decoded.entry.type, ENTRY_HARDLINK);
    assert_int_equal(decoded.sliced, 0);
    assert_int_equal(decoded.size, LARGE);
    assert_true(next(fixture, &decoded));
    assert_string_equal(decoded.path, "pch.h");
    assert_int_equal(decoded.root, 1);
    assert_false(next(fixture, &decoded));
}

static void the_end_is_zeros(void **state)
{
    struct fixture *fixture = *state;
    const unsigned char *content = NULL;
    size_t size = 0;
    begin(fixture, fixture->forge.frame_count - 1, &content, &size);
    assert_int_equal(size, ARCHIVE_END_SIZE);
}

static void one_decoder_serves_all_frames_in_any_order(void **state)
{
    struct fixture *fixture = *state;
    const unsigned char *content = NULL;
    size_t size = 0;
    for (size_t i = fixture->forge.frame_count; i-- > 0;) {
        begin(fixture, i, &content, &size);
        enum frame_kind kind = fixture->forge.frames[i].about.kind;
        struct decoded decoded;
        uint32_t members = 0;
        while ((kind == FRAME_MEMBERS || kind == FRAME_HEADER) && next(fixture, &decoded))
            members++;
        assert_int_equal(members, fixture->forge.frames[i].about.members);
    }
}

static void a_frame_abandoned_half_way_leaves_no_trace(void **state)
{
    struct fixture *fixture = *state;
    const unsigned char *content = NULL;
    size_t size = 0;
    struct decoded decoded;
    begin(fixture, 0, &content, &size);
    assert_true(next(fixture, &decoded));
    assert_true(next(fixture, &decoded));
    begin(fixture, 0, &content, &size);
    assert_true(next(fixture, &decoded));
    assert_string_equal(decoded.path, "ab");
}

static void a_damaged_frame_is_named(void **state)
{
    struct fixture *fixture = *state;
    struct b10_error error = ERROR_NONE;
    struct bytes *compressed = &fixture->forge.frames[1].compressed;
    const unsigned char *content = NULL;
    size_t size = 0;
    compressed->data[compressed->size / 2] ^= 1;
    assert_int_equal(decoder_begin(fixture->decoder, &fixture->reader, 1, compressed->data,
                                   &content, &size, &error),
                     B10_REASON_CORRUPT);
    assert_non_null(strstr(error.message, "frame 1 of 'the.archive'"));
}

static void zeros_are_told_from_other_bytes(void **state)
{
    (void)state;
    unsigned char data[300] = {0};
    assert_true(decode_all_zero(data, 0));
    assert_true(decode_all_zero(data, 1));
    assert_true(decode_all_zero(data, sizeof(data)));
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = 1;
        assert_false(decode_all_zero(data, sizeof(data)));
        assert_true(decode_all_zero(data, i));
        data[i] = 0;
    }
}

int main(void)
{
#define DECODE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        DECODE(members_come_in_order_with_their_content),
        DECODE(a_header_is_that_of_its_large_file),
        DECODE(a_slice_comes_without_its_padding),
        DECODE(a_duplicate_of_a_large_file_names_it),
        DECODE(the_end_is_zeros),
        DECODE(one_decoder_serves_all_frames_in_any_order),
        DECODE(a_frame_abandoned_half_way_leaves_no_trace),
        DECODE(a_damaged_frame_is_named),
        DECODE(zeros_are_told_from_other_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
