#include "archive/missing.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/guard.h"
#include "support/forge.h"
#include "support/packing.h"

/* What is stored lies below stored/, what is here below here/. */
struct comparison {
    struct reader archive;
    struct bytes index;
    struct packing_case here;
    struct missing missing;
    char added[2000]; /* paths of what is not stored, a blank behind each */
};

static void open_stored(struct comparison *comparison, const struct scratch *scratch)
{
    struct b10_error error = ERROR_NONE;
    *comparison = (struct comparison){.archive = READER_CLOSED, .index = BYTES_EMPTY};
    packing_init(&comparison->here);
    if (reader_open(&comparison->archive, scratch->fd, "archive", "the.archive", &error) !=
        B10_REASON_OK)
        fail_msg("%s", error.message);
    assert_int_equal(reader_index(&comparison->archive, &comparison->index, NULL), 0);
}

static void close_stored(struct comparison *comparison)
{
    reader_close(&comparison->archive);
    bytes_release(&comparison->index);
    packing_release(&comparison->here);
}

static void list_added(struct comparison *comparison)
{
    const struct tree *tree = &comparison->here.tree;
    char path[PATH_LIMIT + 1];
    size_t used = 0;
    comparison->added[0] = '\0';
    for (size_t i = 0; i < tree->item_count; i++) {
        tree_path(tree, &tree->items[i], path);
        if (!tree->items[i].stored)
            used += (size_t)snprintf(comparison->added + used, sizeof(comparison->added) - used,
                                     "%s ", path);
    }
}

/* Packs stored/ and compares here/ with it. */
static void compare(struct comparison *comparison, const struct scratch *scratch)
{
    struct packing_case stored;
    struct b10_error error = ERROR_NONE;
    packing_init(&stored);
    packing_root(&stored, scratch_path(scratch, "stored"), "inductor");
    packing_file(&stored, scratch_path(scratch, "archive"));
    packing_release(&stored);
    open_stored(comparison, scratch);
    packing_root(&comparison->here, scratch_path(scratch, "here"), "inductor");
    if (missing_find(&comparison->missing, &comparison->here.tree, &comparison->archive,
                     &comparison->index, &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
    list_added(comparison);
}

static void assert_added(const struct scratch *scratch, const char *expected)
{
    struct comparison comparison;
    compare(&comparison, scratch);
    assert_string_equal(comparison.added, expected);
    close_stored(&comparison);
}

static void what_the_archive_has_is_not_added(void **state)
{
    scratch_text(*state, "stored/a/x.py", "one");
    scratch_random(*state, "stored/large", 3000000, 1);
    scratch_text(*state, "here/a/x.py", "one");
    scratch_random(*state, "here/large", 3000000, 1);
    assert_added(*state, "");
}

static void what_the_archive_lacks_is_added_with_its_directories(void **state)
{
    struct comparison comparison;
    scratch_text(*state, "stored/a/x.py", "one");
    scratch_text(*state, "here/a/x.py", "one");
    scratch_text(*state, "here/a/y.py", "two");
    scratch_text(*state, "here/b/c/z.py", "three");
    scratch_mkdir(*state, "here/empty");
    assert_int_equal(symlinkat("y.py", ((struct scratch *)*state)->fd, "here/a/link"), 0);
    compare(&comparison, *state);
    assert_string_equal(comparison.added, "a/link a/y.py b b/c b/c/z.py empty ");
    assert_int_equal(comparison.missing.added.directories, 3);
    assert_int_equal(comparison.missing.added.files, 3);
    assert_int_equal(comparison.missing.added.bytes, 8);
    assert_int_equal(comparison.here.tree.files, 3);
    assert_int_equal(comparison.here.tree.bytes, 8);
    missing_forget(&comparison.here.tree);
    assert_int_equal(comparison.here.tree.files, 4);
    assert_int_equal(comparison.here.tree.bytes, 11);
    close_stored(&comparison);
}

static void the_same_path_is_the_archives_whatever_it_is(void **state)
{
    const struct scratch *scratch = *state;
    scratch_text(scratch, "stored/content", "one");
    scratch_text(scratch, "here/content", "two");
    scratch_text(scratch, "stored/file", "one");
    scratch_text(scratch, "here/file/below/deep.py", "lies below a file");
    scratch_text(scratch, "stored/directory/x", "one");
    scratch_text(scratch, "here/directory", "a file");
    scratch_mkdir(scratch, "stored/d");
    assert_int_equal(symlinkat("d", scratch->fd, "stored/link"), 0);
    scratch_text(scratch, "here/link/x", "lies below a link");
    scratch_random(scratch, "stored/large", 3000000, 1);
    scratch_text(scratch, "here/large/x", "lies below a large file");
    assert_added(scratch, "");
}

static void nothing_is_added_to_a_unit_of_the_archive(void **state)
{
    scratch_text(*state, "stored/k/__grp__kernel.json", "{}");
    scratch_text(*state, "stored/k/sub/x", "x");
    scratch_text(*state, "here/k/kernel.cubin", "new");
    scratch_text(*state, "here/k/sub/y", "new");
    scratch_text(*state, "here/k2/__grp__kernel.json", "{}");
    scratch_text(*state, "here/k2/kernel.cubin", "a unit of its own");
    assert_added(*state, "k2 k2/__grp__kernel.json k2/kernel.cubin ");
}

static void nothing_is_added_where_the_unit_is_here(void **state)
{
    scratch_text(*state, "stored/k/kernel.cubin", "old");
    scratch_text(*state, "here/k/__grp__kernel.json", "{}");
    scratch_text(*state, "here/k/kernel.ptx", "new");
    scratch_text(*state, "here/__grp__top.json", "the root itself is no unit");
    assert_added(*state, "__grp__top.json ");
}

static void roots_are_told_apart_by_name(void **state)
{
    const struct scratch *scratch = *state;
    struct comparison comparison;
    struct packing_case stored;
    scratch_text(scratch, "s1/x", "main");
    scratch_text(scratch, "s2/y", "headers");
    packing_init(&stored);
    packing_root(&stored, scratch_path(scratch, "s2"), "headers");
    packing_root(&stored, scratch_path(scratch, "s1"), "inductor");
    packing_file(&stored, scratch_path(scratch, "archive"));
    packing_release(&stored);
    open_stored(&comparison, scratch);
    scratch_text(scratch, "h1/y", "main");
    scratch_text(scratch, "h2/y", "headers");
    scratch_text(scratch, "h3/y", "triton");
    packing_root(&comparison.here, scratch_path(scratch, "h1"), "inductor");
    packing_root(&comparison.here, scratch_path(scratch, "h2"), "headers");
    packing_root(&comparison.here, scratch_path(scratch, "h3"), "triton");
    assert_int_equal(missing_find(&comparison.missing, &comparison.here.tree, &comparison.archive,
                                  &comparison.index, NULL),
                     B10_REASON_OK);
    assert_false(comparison.here.tree.items[0].stored);
    assert_true(comparison.here.tree.items[1].stored);
    assert_false(comparison.here.tree.items[2].stored);
    close_stored(&comparison);
}

static void alone_the_directories_on_the_way_come_along(void **state)
{
    struct comparison comparison;
    scratch_text(*state, "stored/a/b/x", "one");
    scratch_text(*state, "stored/c/x", "one");
    scratch_text(*state, "here/a/b/y", "two");
    scratch_text(*state, "here/c/x", "one");
    compare(&comparison, *state);
    assert_string_equal(comparison.added, "a/b/y ");
    missing_alone(&comparison.here.tree);
    list_added(&comparison);
    assert_string_equal(comparison.added, "a a/b a/b/y ");
    close_stored(&comparison);
}

/* ---- hostile and damaged ---- */

/* forge_sample with a change, against the same tree and a file more; *missing as it was found. */
static enum b10_reason forged(const struct scratch *scratch, struct forge *forge,
                              struct missing *missing, struct b10_error *error)
{
    struct comparison comparison;
    forge_save(forge, scratch_path(scratch, "archive"));
    forge_release(forge);
    if (!scratch_exists(scratch, "here/inductor/more"))
        forge_tree(scratch, "here", 5000);
    scratch_text(scratch, "here/inductor/more", "more");
    open_stored(&comparison, scratch);
    packing_root(&comparison.here, scratch_path(scratch, "here/inductor"), "inductor");
    packing_root(&comparison.here, scratch_path(scratch, "here/headers"), "headers");
    enum b10_reason reason =
        missing_find(missing, &comparison.here.tree, &comparison.archive, &comparison.index, error);
    close_stored(&comparison);
    return reason;
}

static void replace_index(struct forge *forge, const char *from, const char *to)
{
    SCOPED(bytes) struct bytes changed = BYTES_EMPTY;
    forge_seal(forge);
    assert_int_equal(bytes_append(&forge->index, "", 1, NULL), 0);
    const char *text = (const char *)forge->index.data;
    const char *at = strstr(text, from);
    assert_non_null(at);
    assert_int_equal(bytes_append(&changed, text, (size_t)(at - text), NULL), 0);
    assert_int_equal(bytes_append_text(&changed, to, NULL), 0);
    assert_int_equal(bytes_append_text(&changed, at + strlen(from), NULL), 0);
    struct bytes old = forge->index;
    forge->index = changed;
    changed = old;
}

static void assert_lie(const struct scratch *scratch, const char *from, const char *to)
{
    struct forge forge;
    struct missing missing;
    struct b10_error error = ERROR_NONE;
    forge_init(&forge);
    forge_sample(&forge, 5000);
    replace_index(&forge, from, to);
    enum b10_reason reason = forged(scratch, &forge, &missing, &error);
    if (reason != B10_REASON_CORRUPT && reason != B10_REASON_UNSAFE)
        fail_msg("'%s' for '%s': %s", to, from, b10_reason_name((uint32_t)reason));
    assert_non_null(strstr(error.message, "the.archive"));
}

static void an_honest_archive_is_believed(void **state)
{
    struct forge forge;
    struct missing missing;
    struct b10_error error = ERROR_NONE;
    forge_init(&forge);
    forge_sample(&forge, 5000);
    if (forged(*state, &forge, &missing, &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
    assert_int_equal(missing.added.files, 1);
    assert_int_equal(missing.added.directories, 0);
    assert_false(missing.heals_void);
}

static void an_index_that_lies_is_refused(void **state)
{
    assert_lie(*state, "[0,\"", "[7,\"");
    assert_lie(*state, "\"directory\"", "\"file\"");
    assert_lie(*state, "\"file\"", "\"link\"");
    assert_lie(*state, "\n", "\n[0,\"more\",\"file\",0,0,0,0,0,0]\n");
    assert_lie(*state, "\"symlink\",0,", "\"file\",0,");
}

static void a_frame_with_other_members_than_the_index_says_is_refused(void **state)
{
    struct forge forge;
    struct missing missing;
    forge_init(&forge);
    forge_sample(&forge, 5000);
    forge_seal(&forge);
    bytes_clear(&forge.index);
    assert_int_equal(forged(*state, &forge, &missing, NULL), B10_REASON_CORRUPT);
}

/* A void member is in no total: only its frame tells that its line is missing. */
static void a_line_that_is_missing_is_noticed(void **state)
{
    static const char line[] = "[0,\"half\",";
    for (int is_last = 0; is_last < 2; is_last++) {
        struct forge forge;
        struct missing missing;
        forge_init(&forge);
        forge_sample(&forge, 5000);
        forge_sliced(&forge, "inductor/half", "half", 4, 512, true);
        if (!is_last)
            forge_file(&forge, "inductor/behind", "it");
        forge_seal(&forge);
        assert_int_equal(bytes_append(&forge.index, "", 1, NULL), 0);
        char *begin = strstr((char *)forge.index.data, line);
        assert_non_null(begin);
        char *end = strchr(begin, '\n') + 1;
        memmove(begin, end, strlen(end) + 1);
        forge.index.size = strlen((char *)forge.index.data);
        assert_int_equal(forged(*state, &forge, &missing, NULL), B10_REASON_CORRUPT);
    }
}

static void a_void_file_that_is_here_is_noticed(void **state)
{
    struct forge forge;
    struct missing missing;
    struct b10_error error = ERROR_NONE;
    scratch_text(*state, "here/inductor/half", "whole");
    forge_init(&forge);
    forge_sample(&forge, 5000);
    forge_sliced(&forge, "inductor/half", "half", 4, 512, true);
    if (forged(*state, &forge, &missing, &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
    assert_true(missing.heals_void);
}

static void a_void_file_that_is_not_here_stays(void **state)
{
    struct forge forge;
    struct missing missing;
    forge_init(&forge);
    forge_sample(&forge, 5000);
    forge_sliced(&forge, "inductor/half", "half", 4, 512, true);
    assert_int_equal(forged(*state, &forge, &missing, NULL), B10_REASON_OK);
    assert_false(missing.heals_void);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_the_archive_has_is_not_added),
        TEST(what_the_archive_lacks_is_added_with_its_directories),
        TEST(the_same_path_is_the_archives_whatever_it_is),
        TEST(nothing_is_added_to_a_unit_of_the_archive),
        TEST(nothing_is_added_where_the_unit_is_here),
        TEST(roots_are_told_apart_by_name),
        TEST(alone_the_directories_on_the_way_come_along),
        TEST(an_honest_archive_is_believed),
        TEST(an_index_that_lies_is_refused),
        TEST(a_frame_with_other_members_than_the_index_says_is_refused),
        TEST(a_line_that_is_missing_is_noticed),
        TEST(a_void_file_that_is_here_is_noticed),
        TEST(a_void_file_that_is_not_here_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
