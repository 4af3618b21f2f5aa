#include "cache/relocate.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guard.h"
#include "cache/relocate_text.h"
#include "support/sandbox.h"
#include "support/scratch.h"

static struct b10_error error = ERROR_NONE;

/* Staged roots "inductor" (saved in /old/main) and "triton" (saved in /old/triton). */
struct staged {
    const struct scratch *scratch;
    struct manifest manifest;
    struct relocate_place places[2];
    struct relocate_counts counts;
    char warnings[2048];
    struct log log;
};

static void keep_warning(void *user, b10_log_level level, const char *message)
{
    struct staged *staged = user;
    size_t used = strlen(staged->warnings);
    assert_int_equal(level, B10_LOG_WARN);
    snprintf(staged->warnings + used, sizeof(staged->warnings) - used, "%s\n", message);
}

static void staged_init(struct staged *staged, struct scratch *scratch)
{
    *staged = (struct staged){.scratch = scratch, .manifest = MANIFEST_EMPTY};
    staged->log = (struct log){.fn = keep_warning, .user = staged, .level = B10_LOG_INFO};
    assert_int_equal(manifest_add_root(&staged->manifest, "inductor", "/old/main", &error), 0);
    assert_int_equal(manifest_add_root(&staged->manifest, "triton", "/old/triton", &error), 0);
    scratch_mkdir(scratch, "inductor");
    scratch_mkdir(scratch, "triton");
    for (int i = 0; i < 2; i++)
        staged->places[i].fd = open(scratch_path(scratch, i == 0 ? "inductor" : "triton"),
                                    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    staged->places[0].path = "/new/main";
    staged->places[1].path = "/new/triton";
}

static void staged_release(struct staged *staged)
{
    close(staged->places[0].fd);
    close(staged->places[1].fd);
    manifest_release(&staged->manifest);
}

static void run(struct staged *staged)
{
    if (relocate(&staged->manifest, staged->places, &staged->log, NULL, &staged->counts, &error) !=
        B10_REASON_OK)
        fail_msg("%s", error.message);
}

static void assert_text(const struct staged *staged, const char *name, const char *expected)
{
    SCOPED(heap) char *text = scratch_read(staged->scratch, name, NULL);
    assert_string_equal(text, expected);
}

static void files_of_every_root_point_into_every_root(void **state)
{
    struct staged staged;
    staged_init(&staged, *state);
    scratch_text(*state, "inductor/a/__grp__k.json",
                 "{\"child_paths\": {\"k\": \"/old/triton/A/k\", \"l\": \"/old/main/a/l\"}}");
    scratch_text(*state, "triton/A/__grp__k.json",
                 "{\"child_paths\": {\"k\": \"/old/triton/A/k\"}}");
    scratch_text(*state, "inductor/c/vllm_compile_cache.py", "{1: ('h', '/old/main/c/x')}");
    scratch_text(*state, "inductor/c/other.py", "{1: ('h', '/old/main/c/x')}");
    scratch_text(*state, "triton/A/k.json", "{\"child_paths\": {\"k\": \"/old/triton/A/k\"}}");
    scratch_text(*state, "triton/B/__grp__m.json", "{\"child_paths\": {\"m\": \"/elsewhere/m\"}}");
    run(&staged);
    assert_int_equal(staged.counts.relocated, 3);
    assert_int_equal(staged.counts.unrelocated, 0);
    assert_text(&staged, "inductor/a/__grp__k.json",
                "{\"child_paths\": {\"k\": \"/new/triton/A/k\", \"l\": \"/new/main/a/l\"}}");
    assert_text(&staged, "triton/A/__grp__k.json",
                "{\"child_paths\": {\"k\": \"/new/triton/A/k\"}}");
    assert_text(&staged, "inductor/c/vllm_compile_cache.py", "{1: ('h', '/new/main/c/x')}");
    assert_text(&staged, "inductor/c/other.py", "{1: ('h', '/old/main/c/x')}");
    assert_text(&staged, "triton/A/k.json", "{\"child_paths\": {\"k\": \"/old/triton/A/k\"}}");
    assert_string_equal(staged.warnings, "");
    staged_release(&staged);
}

static void times_modes_and_lengths_are_right(void **state)
{
    struct staged staged;
    struct stat stat_now;
    static const char name[] = "triton/A/__grp__k.json";
    staged_init(&staged, *state);
    staged.places[1].path = "/n/t"; /* shorter: nothing of the old text may be left behind */
    scratch_text(*state, name, "{\"child_paths\": {\"k\": \"/old/triton/A/k\"}}");
    const struct timespec times[2] = {{.tv_sec = 5}, {.tv_sec = 1234567, .tv_nsec = 987654321}};
    assert_int_equal(utimensat(AT_FDCWD, scratch_path(*state, name), times, 0), 0);
    assert_int_equal(chmod(scratch_path(*state, name), 0640), 0);
    run(&staged);
    assert_text(&staged, name, "{\"child_paths\": {\"k\": \"/n/t/A/k\"}}");
    assert_int_equal(stat(scratch_path(*state, name), &stat_now), 0);
    assert_int_equal(stat_now.st_mtim.tv_sec, 1234567);
    assert_int_equal(stat_now.st_mtim.tv_nsec, 987654321);
    assert_int_equal(stat_now.st_mode & 07777, 0640);
    staged_release(&staged);
}

static void where_nothing_moved_nothing_is_looked_at(void **state)
{
    struct staged staged;
    staged_init(&staged, *state);
    scratch_text(*state, "triton/A/__grp__k.json",
                 "{\"child_paths\": {\"k\":\"/old/triton/A/k\"}}");
    staged.places[0].path = "/old/main";
    staged.places[1].path = "/real/triton";
    staged.places[1].named = "/old/triton";
    close(staged.places[1].fd);
    staged.places[1].fd = 1 << 20; /* a look would fail */
    run(&staged);
    assert_int_equal(staged.counts.relocated + staged.counts.unrelocated, 0);
    staged.places[1].fd = -1;
    staged_release(&staged);
}

static void what_cannot_be_replaced_stays_with_one_warning(void **state)
{
    struct staged staged;
    staged_init(&staged, *state);
    static const char group[] = "{\"child_paths\": {\"k\": \"/old/triton/A/k\"}}";
    staged.places[1].path = "/new/it's";
    scratch_text(*state, "triton/A/__grp__k.json", group);
    scratch_text(*state, "triton/B/__grp__k.json", "no json");
    scratch_text(*state, "triton/C/__grp__k.json", "{\"child_paths\": {\"k\": \"/old/main/k\"}}");
    run(&staged);
    assert_int_equal(staged.counts.relocated, 1);
    assert_int_equal(staged.counts.unrelocated, 2);
    assert_text(&staged, "triton/A/__grp__k.json", group);
    assert_text(&staged, "triton/C/__grp__k.json", "{\"child_paths\": {\"k\": \"/new/main/k\"}}");
    assert_non_null(strstr(staged.warnings, "2 files"));
    assert_non_null(strstr(staged.warnings, "'triton/A/__grp__k.json'"));
    assert_ptr_equal(strchr(staged.warnings, '\n'), staged.warnings + strlen(staged.warnings) - 1);
    staged_release(&staged);
}

static void links_are_not_followed_and_large_files_not_read(void **state)
{
    struct staged staged;
    staged_init(&staged, *state);
    static const char group[] = "{\"child_paths\": {\"k\": \"/old/triton/A/k\"}}";
    scratch_text(*state, "outside/target", group);
    scratch_mkdir(*state, "triton/A");
    assert_int_equal(symlink("../../outside/target",
                             scratch_path(*state, "triton/A/__grp__k.json")),
                     0);
    assert_int_equal(symlink("../../outside", scratch_path(*state, "triton/A/dir")), 0);
    scratch_mkdir(*state, "triton/__grp__d.json");
    scratch_text(*state, "triton/B/__grp__l.json", group);
    assert_int_equal(truncate(scratch_path(*state, "triton/B/__grp__l.json"),
                              (off_t)RELOCATE_GROUP_LIMIT + 1),
                     0);
    scratch_text(*state, "triton/vllm_compile_cache.py", "'/old/triton'");
    assert_int_equal(truncate(scratch_path(*state, "triton/vllm_compile_cache.py"), 1L << 40), 0);
    run(&staged);
    assert_int_equal(staged.counts.relocated, 0);
    assert_int_equal(staged.counts.unrelocated, 2);
    assert_text(&staged, "outside/target", group);
    staged_release(&staged);
}

static void without_permission(void *context)
{
    struct staged *staged = context;
    sandbox_drop_root();
    CHECK(relocate(&staged->manifest, staged->places, &staged->log, NULL, &staged->counts,
                   &error) == B10_REASON_OK);
    CHECK(staged->counts.relocated == 0 && staged->counts.unrelocated == 1);
}

static void a_file_that_the_umask_closes_stays(void **state)
{
    struct staged staged;
    staged_init(&staged, *state);
    scratch_text(*state, "triton/A/__grp__k.json",
                 "{\"child_paths\": {\"k\":\"/old/triton/A/k\"}}");
    assert_int_equal(chmod(scratch_path(*state, "triton/A/__grp__k.json"), 0), 0);
    sandbox_run(without_permission, &staged);
    staged_release(&staged);
}

static void no_descriptor_is_left_open(void **state)
{
    struct staged staged;
    staged_init(&staged, *state);
    scratch_text(*state, "triton/A/__grp__k.json",
                 "{\"child_paths\": {\"k\":\"/old/triton/A/k\"}}");
    scratch_text(*state, "triton/B/__grp__k.json", "");
    const size_t before = scratch_open_descriptors();
    run(&staged);
    assert_int_equal(scratch_open_descriptors(), before);
    staged_release(&staged);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_of_every_root_point_into_every_root),
        TEST(times_modes_and_lengths_are_right),
        TEST(where_nothing_moved_nothing_is_looked_at),
        TEST(what_cannot_be_replaced_stays_with_one_warning),
        TEST(links_are_not_followed_and_large_files_not_read),
        TEST(a_file_that_the_umask_closes_stays),
        TEST(no_descriptor_is_left_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
