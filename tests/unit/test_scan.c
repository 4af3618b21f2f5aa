#include "cache/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/guard.h"
#include "support/sandbox.h"
#include "support/scratch.h"

static struct b10_error error = ERROR_NONE;

/* A main root `local` and further roots, below the scratch directory. */
struct host {
    const struct scratch *scratch;
    struct settings settings;
    struct settings_root roots[4];
    char paths[5][512];
    char warnings[2048];
    struct log log;
};

static void keep_warning(void *user, b10_log_level level, const char *message)
{
    struct host *host = user;
    if (level == B10_LOG_WARN)
        snprintf(host->warnings + strlen(host->warnings),
                 sizeof(host->warnings) - strlen(host->warnings), "%s\n", message);
}

static void host_init(struct host *host, const struct scratch *scratch)
{
    *host = (struct host){.scratch = scratch};
    snprintf(host->paths[4], sizeof(host->paths[4]), "%s", scratch_path(scratch, "local"));
    host->settings.local_dir = host->paths[4];
    host->settings.kind = "inductor";
    host->settings.roots = host->roots;
    host->log = (struct log){.fn = keep_warning, .user = host, .level = B10_LOG_DEBUG};
}

static void add_root(struct host *host, const char *name, const char *relative, bool automatic)
{
    static char names[4][16];
    size_t i = host->settings.root_count++;
    snprintf(names[i], sizeof(names[i]), "%s", name);
    snprintf(host->paths[i], sizeof(host->paths[i]), "%s", scratch_path(host->scratch, relative));
    host->roots[i] =
        (struct settings_root){.name = names[i], .path = host->paths[i], .automatic = automatic};
}

static bool has_files(struct host *host)
{
    bool found;
    if (scan_has_files(&host->settings, &found, NULL, &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
    return found;
}

/* "root:path" per item. */
static void assert_scan(struct host *host, struct scan_counts *counts, const char *expected)
{
    SCOPED(tree) struct tree tree = TREE_EMPTY;
    *counts = (struct scan_counts){0};
    if (scan_roots(&host->settings, &tree, counts, &host->log, NULL, NULL, &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
    char text[4096] = "";
    for (size_t i = 0; i < tree.item_count; i++) {
        char path[PATH_LIMIT + 1];
        tree_path(&tree, &tree.items[i], path);
        const size_t used = strlen(text);
        const int more = snprintf(text + used, sizeof(text) - used, "%s:%s ",
                                  tree.roots[tree.items[i].root].name, path);
        assert_true(more > 0 && (size_t)more < sizeof(text) - used);
    }
    assert_string_equal(text, expected);
}

/* ---- promise ---- */

static void everything_is_found_in_order(void **state)
{
    struct host host;
    struct scan_counts counts;
    host_init(&host, *state);
    scratch_text(*state, "local/b/x.py", "x");
    scratch_text(*state, "local/a", "a");
    scratch_mkdir(*state, "local/empty");
    assert_int_equal(symlink("b/x.py", scratch_path(*state, "local/link")), 0);
    assert_scan(&host, &counts,
                "inductor:a inductor:b inductor:b/x.py inductor:empty inductor:link ");
    assert_int_equal(counts.left_out_unsafe + counts.left_out_changed + counts.roots_left_out, 0);
    assert_true(has_files(&host));
    uint64_t files;
    uint64_t bytes;
    assert_int_equal(scan_measure(&host.settings, &files, &bytes, NULL, &error), B10_REASON_OK);
    assert_int_equal(files, 3);
    assert_int_equal(bytes, 2);
}

static void locks_and_temporaries_do_not_count(void **state)
{
    struct host host;
    struct scan_counts counts;
    host_init(&host, *state);
    scratch_text(*state, "local/locks/a.lock", "");
    scratch_text(*state, "local/k/lock", "");
    scratch_text(*state, "local/k/tmp.pid_1_x/k.cubin", "x");
    scratch_text(*state, "local/.b10transfer.partial", "");
    scratch_text(*state, "local/.b10transfer-staging-0/inductor/x", "x");
    assert_int_equal(mkfifo(scratch_path(*state, "local/k/fifo"), 0600), 0);
    assert_false(has_files(&host));
    SCOPED(tree) struct tree tree = TREE_EMPTY;
    assert_int_equal(scan_roots(&host.settings, &tree, &counts, &host.log, NULL, NULL, &error),
                     B10_REASON_NOTHING_LOCAL);
    scratch_text(*state, "local/k/k.cubin", "x");
    assert_scan(&host, &counts, "inductor:k inductor:k/k.cubin ");
    assert_true(has_files(&host));
    assert_int_equal(counts.left_out_unsafe, 0);
}

static void a_root_nested_in_another_is_found_under_its_own_name_only(void **state)
{
    struct host host;
    struct scan_counts counts;
    host_init(&host, *state);
    add_root(&host, "headers", "local/sub/headers", true);
    add_root(&host, "inner", "local/sub/headers/deep", false);
    scratch_text(*state, "local/sub/headers/h.gch", "h");
    scratch_text(*state, "local/sub/headers/deep/d", "d");
    assert_false(has_files(&host));
    scratch_text(*state, "local/sub/headers2/m", "m");
    assert_true(has_files(&host));
    assert_scan(
        &host, &counts,
        "inductor:sub inductor:sub/headers2 inductor:sub/headers2/m headers:h.gch inner:d ");
    uint64_t files;
    uint64_t bytes;
    assert_int_equal(scan_measure(&host.settings, &files, &bytes, NULL, &error), B10_REASON_OK);
    assert_int_equal(files, 3);
    assert_int_equal(bytes, 3);
}

static void assets_of_a_vllm_root_do_not_count(void **state)
{
    struct host host;
    struct scan_counts counts;
    host_init(&host, *state);
    host.settings.kind = "vllm";
    scratch_text(*state, "local/assets/picture", "p");
    assert_false(has_files(&host));
    scratch_text(*state, "local/torch_compile_cache/assets/code", "c");
    assert_true(has_files(&host));
    assert_scan(&host, &counts,
                "vllm:torch_compile_cache vllm:torch_compile_cache/assets "
                "vllm:torch_compile_cache/assets/code ");
    uint64_t files;
    uint64_t bytes;
    assert_int_equal(scan_measure(&host.settings, &files, &bytes, NULL, &error), B10_REASON_OK);
    assert_int_equal(files, 1);
    host.settings.kind = "inductor";
    assert_scan(&host, &counts,
                "inductor:assets inductor:assets/picture inductor:torch_compile_cache "
                "inductor:torch_compile_cache/assets inductor:torch_compile_cache/assets/code ");
}

static void a_main_root_nested_in_a_further_one_is_left_out_there(void **state)
{
    struct host host;
    struct scan_counts counts;
    host_init(&host, *state);
    add_root(&host, "outer", ".", false);
    snprintf(host.paths[0], sizeof(host.paths[0]), "%s", ((struct scratch *)*state)->path);
    scratch_text(*state, "local/m", "m");
    scratch_text(*state, "o", "o");
    assert_scan(&host, &counts, "inductor:m outer:o ");
}

/* ---- edges ---- */

static void an_absent_or_empty_main_root_holds_nothing(void **state)
{
    struct host host;
    struct scan_counts counts = {0};
    SCOPED(tree) struct tree tree = TREE_EMPTY;
    host_init(&host, *state);
    assert_false(has_files(&host));
    assert_int_equal(scan_roots(&host.settings, &tree, &counts, &host.log, NULL, NULL, &error),
                     B10_REASON_NOTHING_LOCAL);
    assert_non_null(strstr(error.message, host.settings.local_dir));
    scratch_mkdir(*state, "local/only/directories");
    assert_false(has_files(&host));
    SCOPED(tree) struct tree second = TREE_EMPTY;
    assert_int_equal(scan_roots(&host.settings, &second, &counts, &host.log, NULL, NULL, &error),
                     B10_REASON_NOTHING_LOCAL);
    uint64_t files;
    uint64_t bytes;
    assert_int_equal(scan_measure(&host.settings, &files, &bytes, NULL, &error), B10_REASON_OK);
    assert_int_equal(files + bytes, 0);
}

static void files_of_further_roots_alone_are_nothing_to_save(void **state)
{
    struct host host;
    struct scan_counts counts = {0};
    SCOPED(tree) struct tree tree = TREE_EMPTY;
    host_init(&host, *state);
    add_root(&host, "more", "more", false);
    scratch_text(*state, "more/x", "x");
    assert_int_equal(scan_roots(&host.settings, &tree, &counts, &host.log, NULL, NULL, &error),
                     B10_REASON_NOTHING_LOCAL);
}

static void a_link_out_of_its_root_is_counted_and_left_out(void **state)
{
    struct host host;
    struct scan_counts counts;
    char target[600];
    host_init(&host, *state);
    scratch_mkdir(*state, "local/d");
    assert_int_equal(symlink("../../etc", scratch_path(*state, "local/d/up")), 0);
    assert_int_equal(symlink("/etc/passwd", scratch_path(*state, "local/away")), 0);
    assert_false(has_files(&host));
    assert_int_equal(symlink("../absent", scratch_path(*state, "local/d/inside")), 0);
    snprintf(target, sizeof(target), "%s/d/x", host.settings.local_dir);
    assert_int_equal(symlink(target, scratch_path(*state, "local/own")), 0);
    assert_scan(&host, &counts, "inductor:d inductor:d/inside inductor:own ");
    assert_int_equal(counts.left_out_unsafe, 2);
    assert_non_null(strstr(host.warnings, "2 entries"));
    assert_true(has_files(&host));
}

static void names_beyond_the_limits_are_counted_and_left_out(void **state)
{
    struct host host;
    struct scan_counts counts;
    host_init(&host, *state);
    scratch_text(*state, "local/a", "a");
    /* Root name, 254 directories, and a file make 256 components; one more does not fit. */
    char deep[1024] = "local";
    for (int i = 0; i < 254; i++)
        strcat(deep, "/d");
    char file[1100];
    snprintf(file, sizeof(file), "%s/fits", deep);
    scratch_text(*state, file, "x");
    snprintf(file, sizeof(file), "%s/e/not", deep);
    scratch_text(*state, file, "x");
    SCOPED(tree) struct tree tree = TREE_EMPTY;
    counts = (struct scan_counts){0};
    assert_int_equal(scan_roots(&host.settings, &tree, &counts, &host.log, NULL, NULL, &error), 0);
    assert_int_equal(tree.files, 2);
    /* The directory `e` is the 256th component; what is in it is too deep. */
    assert_int_equal(counts.left_out_unsafe, 1);
    assert_int_equal(tree.item_count, 1 + 254 + 2);
}

/* ---- failure ---- */

static void a_further_root_that_is_absent_is_silent_only_when_automatic(void **state)
{
    struct host host;
    struct scan_counts counts;
    host_init(&host, *state);
    scratch_text(*state, "local/a", "a");
    add_root(&host, "headers", "absent", true);
    assert_scan(&host, &counts, "inductor:a ");
    assert_int_equal(counts.roots_left_out, 0);
    assert_string_equal(host.warnings, "");
    add_root(&host, "named", "absent_too", false);
    assert_scan(&host, &counts, "inductor:a ");
    assert_int_equal(counts.roots_left_out, 1);
    assert_non_null(strstr(host.warnings, "'named'"));
    assert_ptr_equal(strchr(host.warnings, '\n'), host.warnings + strlen(host.warnings) - 1);
}

static void a_further_root_that_is_no_directory_is_left_out(void **state)
{
    struct host host;
    struct scan_counts counts;
    host_init(&host, *state);
    scratch_text(*state, "local/a", "a");
    scratch_text(*state, "file", "f");
    assert_int_equal(symlink("local", scratch_path(*state, "alias")), 0);
    add_root(&host, "alias", "alias", true);
    add_root(&host, "file", "file", true);
    assert_scan(&host, &counts, "inductor:a ");
    assert_int_equal(counts.roots_left_out, 2);
}

static void a_main_root_that_is_no_directory_is_an_error(void **state)
{
    struct host host;
    bool found;
    host_init(&host, *state);
    scratch_text(*state, "local", "f");
    assert_int_equal(scan_has_files(&host.settings, &found, NULL, &error), B10_REASON_IO);
    assert_non_null(strstr(error.message, host.settings.local_dir));
}

static void without_permission(void *context)
{
    struct host *host = context;
    struct scan_counts counts = {0};
    struct tree tree = TREE_EMPTY;
    bool found;
    sandbox_drop_root();
    CHECK(scan_roots(&host->settings, &tree, &counts, &host->log, NULL, NULL, &error) ==
          B10_REASON_OK);
    CHECK(counts.roots_left_out == 1);
    CHECK(counts.left_out_changed == 1);
    CHECK(tree.files == 1);
    tree_release(&tree);
    host->settings.local_dir = host->roots[0].path;
    CHECK(scan_has_files(&host->settings, &found, NULL, &error) == B10_REASON_DENIED);
}

static void what_cannot_be_read_is_counted(void **state)
{
    struct host host;
    host_init(&host, *state);
    add_root(&host, "closed", "closed", true);
    scratch_text(*state, "local/a", "a");
    scratch_text(*state, "local/shut/b", "b");
    scratch_text(*state, "closed/c", "c");
    assert_int_equal(chmod(scratch_path(*state, "local/shut"), 0), 0);
    assert_int_equal(chmod(scratch_path(*state, "closed"), 0), 0);
    sandbox_run(without_permission, &host);
    chmod(scratch_path(*state, "local/shut"), 0700);
    chmod(scratch_path(*state, "closed"), 0700);
}

static int say_stop(void *user, const b10_progress *progress)
{
    (void)user, (void)progress;
    return 1;
}

static void a_scan_can_be_cancelled(void **state)
{
    struct host host;
    struct scan_counts counts = {0};
    SCOPED(tree) struct tree tree = TREE_EMPTY;
    host_init(&host, *state);
    for (int i = 0; i < 300; i++) {
        char name[32];
        snprintf(name, sizeof(name), "local/f%d", i);
        scratch_text(*state, name, "x");
    }
    struct progress progress = {.fn = say_stop};
    assert_int_equal(scan_roots(&host.settings, &tree, &counts, &host.log, NULL, &progress, &error),
                     B10_REASON_CANCELLED);
}

/* Two threads take half of the root each; what they find is what one finds, in the same order. */
static void the_halves_are_the_whole(void **state)
{
    struct host host;
    struct cancel stop = CANCEL_CLEAR;
    struct progress alone = {.stop = &stop};
    struct progress shared = {.stop = &stop, .handed_over = true};
    struct scan_counts counts[2] = {{0}, {0}};
    SCOPED(tree) struct tree one = TREE_EMPTY;
    SCOPED(tree) struct tree both = TREE_EMPTY;
    host_init(&host, *state);
    for (int i = 0; i < 60; i++) {
        char name[64];
        snprintf(name, sizeof(name), i % 3 == 0 ? "local/%d" : "local/%d/a/b", i);
        scratch_text(*state, name, "text");
    }
    assert_int_equal(symlink("/etc", scratch_path(*state, "local/0out")), 0);
    assert_int_equal(symlink("/etc", scratch_path(*state, "local/9out")), 0);
    assert_int_equal(scan_roots(&host.settings, &one, &counts[0], &host.log, NULL, &alone, &error),
                     0);
    assert_int_equal(scan_roots(&host.settings, &both, &counts[1], &host.log, NULL, &shared,
                                &error),
                     0);
    assert_int_equal(both.item_count, one.item_count);
    assert_int_equal(both.bytes, one.bytes);
    assert_int_equal(both.files, one.files);
    assert_memory_equal(&counts[1], &counts[0], sizeof(counts[0]));
    assert_int_equal(counts[1].left_out_unsafe, 2);
    for (size_t i = 0; i < one.item_count; i++) {
        char path[2][PATH_LIMIT + 1];
        tree_path(&one, &one.items[i], path[0]);
        tree_path(&both, &both.items[i], path[1]);
        assert_string_equal(path[1], path[0]);
    }
    assert_int_equal(shared.threads, 0);
}

static void who_stops_a_scan_stops_both_halves(void **state)
{
    struct host host;
    struct cancel stop = CANCEL_CLEAR;
    struct cancel cancel = CANCEL_BELOW(&stop);
    struct progress shared = {.stop = &stop, .handed_over = true};
    struct scan_counts counts = {0};
    struct b10_error why = ERROR_NONE;
    SCOPED(tree) struct tree tree = TREE_EMPTY;
    host_init(&host, *state);
    for (int i = 0; i < 60; i++) {
        char name[64];
        snprintf(name, sizeof(name), "local/%d", i);
        scratch_text(*state, name, "text");
    }
    error_set(&why, B10_REASON_CANCELLED, "not wanted");
    cancel_trip(&cancel, &why);
    size_t before = scratch_open_descriptors();
    assert_int_equal(scan_roots(&host.settings, &tree, &counts, &host.log, &cancel, &shared,
                                &error),
                     B10_REASON_CANCELLED);
    tree_release(&tree);
    assert_int_equal(scratch_open_descriptors(), before);
    assert_int_equal(shared.threads, 0);
}

static void no_descriptor_is_left_open(void **state)
{
    struct host host;
    struct scan_counts counts;
    host_init(&host, *state);
    add_root(&host, "more", "more", false);
    scratch_text(*state, "local/a/b/c", "x");
    scratch_text(*state, "more/x", "x");
    size_t before = scratch_open_descriptors();
    assert_scan(&host, &counts, "inductor:a inductor:a/b inductor:a/b/c more:x ");
    assert_true(has_files(&host));
    assert_int_equal(scratch_open_descriptors(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(everything_is_found_in_order),
        TEST(the_halves_are_the_whole),
        TEST(who_stops_a_scan_stops_both_halves),
        TEST(locks_and_temporaries_do_not_count),
        TEST(a_root_nested_in_another_is_found_under_its_own_name_only),
        TEST(assets_of_a_vllm_root_do_not_count),
        TEST(a_main_root_nested_in_a_further_one_is_left_out_there),
        TEST(an_absent_or_empty_main_root_holds_nothing),
        TEST(files_of_further_roots_alone_are_nothing_to_save),
        TEST(a_link_out_of_its_root_is_counted_and_left_out),
        TEST(names_beyond_the_limits_are_counted_and_left_out),
        TEST(a_further_root_that_is_absent_is_silent_only_when_automatic),
        TEST(a_further_root_that_is_no_directory_is_left_out),
        TEST(a_main_root_that_is_no_directory_is_an_error),
        TEST(what_cannot_be_read_is_counted),
        TEST(a_scan_can_be_cancelled),
        TEST(no_descriptor_is_left_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
