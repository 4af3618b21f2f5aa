#include "archive/append.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/missing.h"
#include "archive/same.h"
#include "base/guard.h"
#include "support/packing.h"

/* Packs the roots inductor (of stored/) and headers (of stored headers/) into `archive`. */
static void pack_stored(const struct scratch *scratch)
{
    struct packing_case stored;
    packing_init(&stored);
    packing_root(&stored, scratch_path(scratch, "stored"), "inductor");
    packing_root(&stored, scratch_path(scratch, "stored headers"), "headers");
    packing_file(&stored, scratch_path(scratch, "archive"));
    packing_release(&stored);
}

/* Whether what is there is copied by a thread of its own. */
static bool is_beside;

static enum b10_reason write_merged(struct packing_case *here, struct reader *stored,
                                    const struct bytes *index, int fd, struct b10_error *error)
{
    SCOPED(writer) struct writer *writer = NULL;
    SCOPED(append) struct append append = APPEND_NONE;
    struct manifest *manifest = &here->manifest;
    append_books(manifest, &stored->manifest);
    for (size_t i = 0; i < here->tree.root_count; i++)
        TRY(manifest_add_root(manifest, here->tree.roots[i].name, here->tree.roots[i].origin,
                              error));
    TRY(writer_open(&writer, fd, "merged", UINT64_MAX, false, NULL, manifest, error));
    append_begin(&append, writer, stored, index, is_beside, &here->cancel, NULL);
    TRY(same_find(&here->tree, 2, &here->cancel, NULL, error));
    TRY(pack(&here->tree, writer, manifest, &append, 1, 2, &here->cancel, NULL, &here->counts,
             error));
    manifest_sort_directories(manifest);
    return writer_finish(writer, &here->size, error);
}

/* Adds here/ (inductor) and here triton/ to `archive`, as `merged`. */
static enum b10_reason merge(const struct scratch *scratch, struct packing_case *here,
                             struct b10_error *error)
{
    SCOPED(reader) struct reader stored = READER_CLOSED;
    SCOPED(bytes) struct bytes index = BYTES_EMPTY;
    struct missing missing;
    SCOPED(fd) int fd = open(scratch_path(scratch, "merged"), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    packing_init(here);
    packing_root(here, scratch_path(scratch, "here"), "inductor");
    packing_root(here, scratch_path(scratch, "here triton"), "triton");
    struct manifest roots = {.roots = here->manifest.roots,
                             .root_count = here->manifest.root_count};
    manifest_release(&roots); /* the merge describes them itself */
    here->manifest.roots = NULL;
    here->manifest.root_count = 0;
    assert_int_equal(reader_open(&stored, scratch->fd, "archive", "archive", NULL), 0);
    assert_int_equal(reader_index(&stored, &index, NULL), 0);
    assert_int_equal(missing_find(&missing, &here->tree, &stored, &index, NULL), 0);
    return write_merged(here, &stored, &index, fd, error);
}

static void plant(const struct scratch *scratch)
{
    scratch_text(scratch, "stored/a/x.py", "one");
    scratch_text(scratch, "stored/a/copy.py", "one");
    scratch_text(scratch, "stored/z/y.py", "two");
    scratch_random(scratch, "stored/large", 2500000, 1);
    scratch_text(scratch, "stored headers/h/cabc.h", "#pragma once");
    scratch_text(scratch, "here/a/new.py", "three");
    scratch_text(scratch, "here/a/new copy.py", "three");
    scratch_text(scratch, "here/b/deep/new.py", "four");
    scratch_random(scratch, "here/b/large", 3500000, 2);
    scratch_random(scratch, "here/c/large", 3500000, 2);
    scratch_text(scratch, "here triton/k/kernel", "five");
}

static void both_are_one_intact_archive(void **state)
{
    const struct scratch *scratch = *state;
    struct packing_case here;
    struct b10_error error = ERROR_NONE;
    plant(scratch);
    pack_stored(scratch);
    if (merge(scratch, &here, &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
    packing_assert_intact(scratch_path(scratch, "merged"));
    static const char *const members[] = {"a/x.py",        "a/copy.py",     "large",   "h/cabc.h",
                                          "a/new.py",      "a/new copy.py", "b/large", "c/large",
                                          "b/deep/new.py", "k/kernel",      "b/deep"};
    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
        assert_true(packing_find_line(scratch_path(scratch, "merged"), members[i], NULL, NULL));
    assert_int_equal(here.manifest.totals.files, 11);
    assert_int_equal(here.manifest.totals.duplicates, 3);
    assert_int_equal(here.manifest.sliced_count, 2);
    assert_int_equal(here.manifest.root_count, 3);
    assert_string_equal(here.manifest.roots[0].name, "inductor");
    assert_string_equal(here.manifest.roots[1].name, "headers");
    assert_string_equal(here.manifest.roots[2].name, "triton");
    assert_int_equal(here.manifest.roots[0].origin_count, 2);
    packing_release(&here);
}

/* The file up to its end frame is the beginning of the new one. */
static void frames_are_copied_as_they_are(void **state)
{
    const struct scratch *scratch = *state;
    SCOPED(reader) struct reader stored = READER_CLOSED;
    struct packing_case here;
    size_t size = 0;
    plant(scratch);
    pack_stored(scratch);
    assert_int_equal(merge(scratch, &here, NULL), B10_REASON_OK);
    packing_release(&here);
    assert_int_equal(reader_open(&stored, scratch->fd, "archive", "archive", NULL), 0);
    char *before = scratch_read(scratch, "archive", &size);
    char *after = scratch_read(scratch, "merged", &size);
    assert_memory_equal(before, after, stored.offsets[stored.manifest.frame_count - 1]);
    free(before);
    free(after);
}

static void a_damaged_frame_is_not_taken_over(void **state)
{
    const struct scratch *scratch = *state;
    struct packing_case here;
    struct b10_error error = ERROR_NONE;
    plant(scratch);
    pack_stored(scratch);
    SCOPED(fd) int fd = open(scratch_path(scratch, "archive"), O_RDWR | O_CLOEXEC);
    unsigned char byte;
    assert_int_equal(pread(fd, &byte, 1, 20), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, 20), 1);
    assert_int_equal(merge(scratch, &here, &error), B10_REASON_CORRUPT);
    assert_non_null(strstr(error.message, "frame 0 of 'archive'"));
    packing_release(&here);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_are_one_intact_archive),
        TEST(frames_are_copied_as_they_are),
        TEST(a_damaged_frame_is_not_taken_over),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    is_beside = true;
    failed += cmocka_run_group_tests(tests, NULL, NULL);
    return failed;
}
