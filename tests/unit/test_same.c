#include "archive/same.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/fingerprint.h"
#include "base/guard.h"
#include "support/packing.h"
#include "support/stop.h"

static void find(struct packing_case *test, const struct scratch *scratch, unsigned threads)
{
    struct cancel cancel = CANCEL_CLEAR;
    struct b10_error error = ERROR_NONE;
    packing_init(test);
    packing_root(test, scratch_path(scratch, "r"), "inductor");
    if (same_find(&test->tree, threads, &cancel, NULL, &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
}

static void assert_original(const struct packing_case *test, const char *path, const char *original)
{
    const struct tree_item *item = &test->tree.items[packing_item(test, path)];
    assert_int_equal(item->original,
                     original == NULL ? TREE_NO_ORIGINAL : packing_item(test, original));
}

static void equal_files_point_to_the_first_of_them(void **state)
{
    const struct scratch *scratch = *state;
    struct packing_case test;
    scratch_text(scratch, "r/a/1", "same content");
    scratch_text(scratch, "r/b/2", "same content");
    scratch_text(scratch, "r/b/3", "same c0ntent");
    scratch_text(scratch, "r/c/4", "same content");
    scratch_text(scratch, "r/c/5", "another size");
    scratch_text(scratch, "r/c/6", "alone");
    find(&test, scratch, 2);
    assert_original(&test, "a/1", NULL);
    assert_original(&test, "b/2", "a/1");
    assert_original(&test, "b/3", NULL);
    assert_original(&test, "c/4", "a/1");
    assert_original(&test, "c/5", NULL);
    assert_original(&test, "c/6", NULL);
    assert_original(&test, "a", NULL);
    packing_release(&test);
}

static void contents_of_many_pieces_are_compared_to_the_end(void **state)
{
    const struct scratch *scratch = *state;
    enum { SIZE = 700001 };
    struct packing_case test;
    scratch_random(scratch, "r/a", SIZE, 1);
    scratch_random(scratch, "r/b", SIZE, 1);
    scratch_random(scratch, "r/c", SIZE, 1);
    int fd = open(scratch_path(scratch, "r/c"), O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "!", 1, SIZE - 1), 1);
    close(fd);
    find(&test, scratch, 2);
    assert_original(&test, "b", "a");
    assert_original(&test, "c", NULL);
    packing_release(&test);
}

static void the_number_of_files_of_one_size_does_not_matter(void **state)
{
    const struct scratch *scratch = *state;
    enum { KINDS = 300, COUNT = 900 };
    struct packing_case test;
    char path[64];
    char first[64];
    for (int i = 0; i < COUNT; i++) {
        char content[32];
        snprintf(path, sizeof(path), "r/%04d", i);
        snprintf(content, sizeof(content), "%08d", i % KINDS);
        scratch_text(scratch, path, content);
    }
    find(&test, scratch, 4);
    for (int i = 0; i < COUNT; i++) {
        snprintf(path, sizeof(path), "%04d", i);
        snprintf(first, sizeof(first), "%04d", i % KINDS);
        assert_original(&test, path, i < KINDS ? NULL : first);
    }
    packing_release(&test);
}

static void empty_files_are_never_links(void **state)
{
    const struct scratch *scratch = *state;
    struct packing_case test;
    scratch_text(scratch, "r/a", "");
    scratch_text(scratch, "r/b", "");
    find(&test, scratch, 1);
    assert_original(&test, "b", NULL);
    packing_release(&test);
}

static void files_of_different_roots_are_not_compared(void **state)
{
    const struct scratch *scratch = *state;
    struct cancel cancel = CANCEL_CLEAR;
    struct packing_case test;
    scratch_text(scratch, "r/a", "content");
    scratch_text(scratch, "s/b", "content");
    packing_init(&test);
    packing_root(&test, scratch_path(scratch, "r"), "inductor");
    packing_root(&test, scratch_path(scratch, "s"), "headers");
    assert_int_equal(same_find(&test.tree, 2, &cancel, NULL, NULL), 0);
    assert_original(&test, "b", NULL);
    packing_release(&test);
}

/* Its name makes a cut-off .json torn; the same bytes under another name are a file like any
 * other. */
static void json_files_equal_only_json_files(void **state)
{
    const struct scratch *scratch = *state;
    struct packing_case test;
    scratch_text(scratch, "r/a.txt", "{\"half");
    scratch_text(scratch, "r/b.json", "{\"half");
    scratch_text(scratch, "r/c.json", "{\"half");
    find(&test, scratch, 2);
    assert_original(&test, "b.json", NULL);
    assert_original(&test, "c.json", "b.json");
    packing_release(&test);
}

static void a_file_that_vanished_has_no_original_and_is_none(void **state)
{
    const struct scratch *scratch = *state;
    struct cancel cancel = CANCEL_CLEAR;
    struct packing_case test;
    scratch_text(scratch, "r/a", "content");
    scratch_text(scratch, "r/b", "content");
    scratch_text(scratch, "r/c", "content");
    packing_init(&test);
    packing_root(&test, scratch_path(scratch, "r"), "inductor");
    assert_int_equal(unlink(scratch_path(scratch, "r/a")), 0);
    assert_int_equal(same_find(&test.tree, 2, &cancel, NULL, NULL), 0);
    assert_original(&test, "a", NULL);
    assert_original(&test, "b", NULL);
    assert_original(&test, "c", "b");
    packing_release(&test);
}

static void a_fifo_in_a_files_place_does_not_block(void **state)
{
    const struct scratch *scratch = *state;
    struct cancel cancel = CANCEL_CLEAR;
    struct packing_case test;
    scratch_text(scratch, "r/a", "content");
    scratch_text(scratch, "r/b", "content");
    packing_init(&test);
    packing_root(&test, scratch_path(scratch, "r"), "inductor");
    assert_int_equal(unlink(scratch_path(scratch, "r/b")), 0);
    assert_int_equal(mkfifo(scratch_path(scratch, "r/b"), 0666), 0);
    assert_int_equal(same_find(&test.tree, 1, &cancel, NULL, NULL), 0);
    assert_original(&test, "b", NULL);
    packing_release(&test);
}

static void a_stop_sign_ends_it(void **state)
{
    const struct scratch *scratch = *state;
    struct cancel cancel = CANCEL_CLEAR;
    struct packing_case test;
    scratch_text(scratch, "r/a", "content");
    scratch_text(scratch, "r/b", "content");
    packing_init(&test);
    packing_root(&test, scratch_path(scratch, "r"), "inductor");
    stop_for(&cancel, B10_REASON_CANCELLED);
    assert_int_equal(same_find(&test.tree, 2, &cancel, NULL, NULL), B10_REASON_CANCELLED);
    packing_release(&test);
}

static void nothing_stays_open(void **state)
{
    const struct scratch *scratch = *state;
    const size_t before = scratch_open_descriptors();
    struct packing_case test;
    scratch_text(scratch, "r/a/1", "content");
    scratch_text(scratch, "r/b/2", "content");
    find(&test, scratch, 2);
    packing_release(&test);
    assert_int_equal(scratch_open_descriptors(), before);
}

static void one_bit_anywhere_changes_the_fingerprint(void **state)
{
    (void)state;
    unsigned char data[200] = {0};
    for (size_t size = 1; size <= sizeof(data); size++) {
        const uint64_t zeros = fingerprint(0, data, size);
        assert_int_not_equal(zeros, fingerprint(0, data, size - 1));
        assert_int_not_equal(zeros, fingerprint(1, data, size));
        for (size_t bit = 0; bit < size * 8; bit++) {
            data[bit / 8] ^= (unsigned char)(1 << bit % 8);
            assert_int_not_equal(zeros, fingerprint(0, data, size));
            data[bit / 8] = 0;
        }
    }
}

#define SCRATCH_TEST(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(equal_files_point_to_the_first_of_them),
        SCRATCH_TEST(contents_of_many_pieces_are_compared_to_the_end),
        SCRATCH_TEST(the_number_of_files_of_one_size_does_not_matter),
        SCRATCH_TEST(empty_files_are_never_links),
        SCRATCH_TEST(files_of_different_roots_are_not_compared),
        SCRATCH_TEST(json_files_equal_only_json_files),
        SCRATCH_TEST(a_file_that_vanished_has_no_original_and_is_none),
        SCRATCH_TEST(a_fifo_in_a_files_place_does_not_block),
        SCRATCH_TEST(a_stop_sign_ends_it),
        SCRATCH_TEST(nothing_stays_open),
        cmocka_unit_test(one_bit_anywhere_changes_the_fingerprint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
