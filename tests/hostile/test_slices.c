/* Large files whose header, slices or sizes lie. */
#include <stdlib.h>
#include <string.h>

#include "archive/entry.h"
#include "support/hostile.h"

enum { LARGE = 10000, SLICE = 4096 };

/* Frame 0 of the sample is a members frame, 2 the header of the large file, 3 to 5 its slices, then
 * a members frame with its duplicate, then the end. */
enum { MEMBERS = 0, HEADER = 2, FIRST = 3, SECOND = 4, LAST = 5, LINKS = 6 };

static void sealed(struct forge *forge)
{
    forge_init(forge);
    forge_sample(forge, LARGE);
    forge_seal(forge);
    assert_int_equal(forge->frames[HEADER].about.kind, FRAME_HEADER);
    assert_int_equal(forge->frames[LAST].about.kind, FRAME_SLICE);
    assert_int_equal(forge->frames[LINKS].about.kind, FRAME_MEMBERS);
}

static void refused(void **state, struct forge *forge)
{
    hostile_refused(*state, forge, REASON(CORRUPT) | REASON(UNSAFE), NULL);
}

static void headers_unlike_the_manifest_are_refused(void **state)
{
    for (int change = 0; change < 6; change++) {
        struct forge forge;
        sealed(&forge);
        struct manifest_sliced *sliced = &forge.manifest.sliced[0];
        if (change == 0)
            sliced->mtime_s++;
        else if (change == 1)
            sliced->mtime_ns++;
        else if (change == 2)
            sliced->executable = true;
        else if (change == 3)
            sliced->root = 1;
        else if (change == 4)
            sliced->path[0] = 'L';
        else
            sliced->is_void = true;
        refused(state, &forge);
    }
}

static void headers_that_are_not_one_file_are_refused(void **state)
{
    const struct forge_tar headers[] = {
        {.name = "inductor/large", .type = '5', .mtime = 1700000000},
        {.name = "inductor/large", .type = '2', .link = "tool", .mtime = 1700000000},
        {.name = "inductor/large", .type = '1', .link = "inductor/tool", .mtime = 1700000000},
        {.name = "inductor/large", .size = LARGE + 1, .mtime = 1700000000},
        {.name = "inductor/large", .size = 0, .mtime = 1700000000},
        {.name = "inductor/large", .size = LARGE, .mtime = 1700000000, .pax = "size=99"},
        {.name = "inductor/large", .size = LARGE, .mode = 04755, .mtime = 1700000000},
    };
    for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++) {
        struct forge forge;
        sealed(&forge);
        bytes_clear(&forge.frames[HEADER].content);
        forge_tar_header(&forge.frames[HEADER].content, &headers[i]);
        forge_recompress(&forge, HEADER);
        refused(state, &forge);
    }
}

static void a_header_frame_with_more_than_its_header_is_refused(void **state)
{
    struct forge forge;
    sealed(&forge);
    assert_int_equal(bytes_append_zeros(&forge.frames[HEADER].content, 512, NULL), B10_REASON_OK);
    forge_recompress(&forge, HEADER);
    refused(state, &forge);

    sealed(&forge);
    struct forge_tar second = {.name = "inductor/second"};
    forge_tar_header(&forge.frames[HEADER].content, &second);
    forge_recompress(&forge, HEADER);
    refused(state, &forge);
}

static void slices_that_overlap_or_leave_holes_are_refused(void **state)
{
    const struct {
        size_t frame;
        uint64_t offset;
    } changes[] = {{FIRST, 1},
                   {FIRST, SLICE},
                   {SECOND, 0},
                   {SECOND, SLICE - 1},
                   {SECOND, SLICE + 1},
                   {SECOND, 2 * SLICE},
                   {LAST, SLICE},
                   {LAST, LARGE},
                   {LAST, LARGE + 512},
                   {LAST, UINT64_MAX},
                   {LAST, INT64_MAX},
                   {LAST, UINT64_MAX - SLICE + 1},
                   {FIRST, UINT64_MAX - SLICE + 1}};
    for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
        struct forge forge;
        sealed(&forge);
        forge.manifest.frames[changes[i].frame].offset = changes[i].offset;
        refused(state, &forge);
    }
}

static void swapped_slices_are_refused(void **state)
{
    struct forge forge;
    sealed(&forge);
    forge.manifest.frames[FIRST].offset = SLICE;
    forge.manifest.frames[SECOND].offset = 0;
    refused(state, &forge);
}

static void a_large_size_that_lies_is_refused(void **state)
{
    const uint64_t sizes[] = {0,         LARGE - 1,         LARGE + 1, LARGE + 512,
                              2 * SLICE, UINT64_C(1) << 62, INT64_MAX, UINT64_MAX};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        struct forge forge;
        sealed(&forge);
        forge.manifest.sliced[0].size = sizes[i];
        refused(state, &forge);
    }
}

static void slices_of_another_file_are_refused(void **state)
{
    const size_t frames[] = {HEADER, FIRST, SECOND, LAST};
    for (size_t i = 0; i < sizeof(frames) / sizeof(*frames); i++) {
        struct forge forge;
        sealed(&forge);
        forge.manifest.frames[frames[i]].sliced = 1;
        refused(state, &forge);
    }
    struct forge forge;
    forge_init(&forge);
    forge_sliced(&forge, "inductor/a", "0123456789", 10, 512, false);
    forge_sliced(&forge, "inductor/b", "9876543210", 10, 512, false);
    forge_seal(&forge);
    forge.manifest.frames[1].sliced = 1;
    forge.manifest.frames[3].sliced = 0;
    refused(state, &forge);
}

/* Whole frames are left out or come twice; the file's rows agree with the manifest. */
static void a_missing_slice_is_refused(void **state)
{
    for (size_t missing = HEADER; missing <= LAST; missing++) {
        struct forge forge;
        forge_init(&forge);
        forge_sample(&forge, LARGE);
        bytes_release(&forge.frames[missing].content);
        forge.frame_count--;
        memmove(&forge.frames[missing], &forge.frames[missing + 1],
                (forge.frame_count - missing) * sizeof(*forge.frames));
        refused(state, &forge);
    }
}

static void a_slice_too_many_is_refused(void **state)
{
    struct forge forge;
    forge_init(&forge);
    forge_sliced(&forge, "inductor/large", "0123456789", 10, 512, false);
    struct forge_frame *more = forge_frame(&forge, FRAME_SLICE);
    more->about.offset = 10;
    assert_int_equal(bytes_append_zeros(&more->content, 512, NULL), B10_REASON_OK);
    refused(state, &forge);
}

static void a_slice_without_its_header_before_it_is_refused(void **state)
{
    struct forge forge;
    sealed(&forge);
    struct forge_frame header = forge.frames[HEADER];
    forge.frames[HEADER] = forge.frames[FIRST];
    forge.frames[FIRST] = header;
    forge.manifest.frames[HEADER] = forge.frames[HEADER].about;
    forge.manifest.frames[FIRST] = forge.frames[FIRST].about;
    refused(state, &forge);
}

static void padding_that_is_not_zero_is_refused(void **state)
{
    struct forge forge;
    sealed(&forge);
    struct bytes *content = &forge.frames[LAST].content;
    content->data[content->size - 1] = 'x';
    forge_recompress(&forge, LAST);
    hostile_refused(*state, &forge, REASON(CORRUPT), NULL);
}

static void a_last_slice_without_padding_is_refused(void **state)
{
    struct forge forge;
    sealed(&forge);
    forge.frames[LAST].content.size -= entry_padded(LARGE) - LARGE;
    forge_recompress(&forge, LAST);
    refused(state, &forge);
}

int main(void)
{
#define HOSTILE(test) cmocka_unit_test_setup_teardown(test, hostile_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        HOSTILE(headers_unlike_the_manifest_are_refused),
        HOSTILE(headers_that_are_not_one_file_are_refused),
        HOSTILE(a_header_frame_with_more_than_its_header_is_refused),
        HOSTILE(slices_that_overlap_or_leave_holes_are_refused),
        HOSTILE(swapped_slices_are_refused),
        HOSTILE(a_large_size_that_lies_is_refused),
        HOSTILE(slices_of_another_file_are_refused),
        HOSTILE(a_missing_slice_is_refused),
        HOSTILE(a_slice_too_many_is_refused),
        HOSTILE(a_slice_without_its_header_before_it_is_refused),
        HOSTILE(padding_that_is_not_zero_is_refused),
        HOSTILE(a_last_slice_without_padding_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
