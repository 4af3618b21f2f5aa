/* What is tried on volumes and hosts that lack something, and that nothing stays behind. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/guard.h"
#include "cache/names.h"
#include "fs/dirs.h"
#include "support/replica.h"
#include "support/sandbox.h"

/* Defines test `name`, which runs in_`name` with the scratch directory in a sandbox. */
#define IN_SANDBOX(name)                                                                           \
    static void in_##name(void *context);                                                          \
    static void name(void **state)                                                                 \
    {                                                                                              \
        sandbox_run(in_##name, *state);                                                            \
    }                                                                                              \
    static void in_##name(void *context)

static void begin(struct replica *replica, const struct scratch *scratch)
{
    replica_init(replica, scratch);
    unsetenv("CXX");
}

static b10_check_list *examine(struct replica *replica)
{
    b10_check_list *list = NULL;
    OperationStatus status =
        b10_doctor(replica_config(replica), &replica->options, &list, &replica->error);
    replica_assert(replica, status, B10_SUCCESS, B10_REASON_OK);
    assert_non_null(list);
    return list;
}

static const b10_check *find(const b10_check_list *list, const char *name)
{
    for (size_t i = 0; i < list->total; i++)
        if (strcmp(b10_check_list_at(list, i)->name, name) == 0)
            return b10_check_list_at(list, i);
    return NULL;
}

/* Fails the test unless the check is there with that verdict and `part` in its message. */
static void expect(const b10_check_list *list, const char *name, b10_verdict verdict,
                   const char *part)
{
    const b10_check *check = find(list, name);
    if (check == NULL || check->verdict != verdict || strstr(check->message, part) == NULL)
        fprintf(stderr, "%s: verdict %u: %s\n", name, check != NULL ? check->verdict : 99,
                check != NULL ? check->message : "(is not there)");
    assert_non_null(check);
    assert_int_equal(check->verdict, verdict);
    assert_non_null(strstr(check->message, part));
}

/* One check on a volume where system call `number` fails. */
static void expect_without(void *context, long number, int answer, const char *name,
                           b10_verdict verdict, const char *part)
{
    struct replica replica;
    begin(&replica, context);
    sandbox_deny(answer, number);
    b10_check_list *list = examine(&replica);
    expect(list, name, verdict, part);
    assert_int_equal(replica_volume_entries(&replica), 0);
    b10_check_list_free(list);
    replica_release(&replica);
}

/* ---- what is fit ---- */

static void a_fit_volume_passes_every_check_and_nothing_stays_behind(void **state)
{
    static const char *const names[] = {"enabled",
                                        "volume.directory",
                                        "volume.write",
                                        "volume.exclusive",
                                        "volume.mtime",
                                        "volume.fsync",
                                        "volume.fsync_directory",
                                        "volume.read_back",
                                        "volume.link",
                                        "volume.rename",
                                        "volume.rename_noreplace",
                                        "volume.listing",
                                        "volume.space",
                                        "volume.stays",
                                        "local.directory",
                                        "local.space",
                                        "latency.create",
                                        "latency.write",
                                        "latency.fsync",
                                        "latency.stat",
                                        "latency.read",
                                        "latency.rename",
                                        "latency.list",
                                        "latency.remove"};
    struct replica replica;
    begin(&replica, *state);
    const size_t descriptors = scratch_open_descriptors();
    b10_check_list *list = examine(&replica);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        expect(list, names[i], B10_VERDICT_OK, "");
    assert_int_equal(list->b10fs_enabled, 1);
    assert_int_equal(list->load_only, 0);
    assert_string_equal(list->shared_directory, scratch_path(*state, "volume"));
    assert_true(find(list, "latency.fsync")->value >= 0);
    assert_string_equal(find(list, "latency.fsync")->unit, "ms");
    assert_null(b10_check_list_at(list, list->total));
    b10_check_list_free(list);
    assert_int_equal(replica_volume_entries(&replica), 0);
    assert_false(scratch_exists(*state, "local"));
    assert_int_equal(scratch_open_descriptors(), descriptors);
    replica_release(&replica);
}

static void a_shared_directory_that_the_first_save_makes_is_not_left_behind(void **state)
{
    struct replica replica;
    begin(&replica, *state);
    replica_set(&replica, "B10FS_CACHE_DIR", scratch_path(*state, "volume/compile_cache"));
    b10_check_list *list = examine(&replica);
    expect(list, "volume.directory", B10_VERDICT_OK, "first save");
    expect(list, "volume.rename", B10_VERDICT_OK, "");
    b10_check_list_free(list);
    assert_int_equal(replica_volume_entries(&replica), 0);
    replica_release(&replica);
}

static void archives_stay_as_they_are(void **state)
{
    struct replica replica;
    begin(&replica, *state);
    replica_fill(&replica, "local");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    b10_check_list_free(examine(&replica));
    b10_cache_list *caches = NULL;
    assert_int_equal(b10_list(replica_config(&replica), NULL, &caches, NULL), B10_SUCCESS);
    assert_int_equal(caches->total_caches, 1);
    b10_cache_list_free(caches);
    assert_int_equal(replica_volume_entries(&replica), 1);
    replica_release(&replica);
}

static void it_looks_where_the_volume_is_off_and_says_so(void **state)
{
    struct replica replica;
    begin(&replica, *state);
    replica_set(&replica, "BASETEN_FS_ENABLED", "0");
    b10_check_list *list = examine(&replica);
    expect(list, "enabled", B10_VERDICT_WARN, "is off");
    expect(list, "volume.link", B10_VERDICT_OK, "");
    assert_int_equal(list->b10fs_enabled, 0);
    b10_check_list_free(list);
    replica_release(&replica);
}

IN_SANDBOX(what_a_killed_one_leaves_is_no_archive_and_swept_like_a_dead_savers_file)
{
    struct replica replica;
    struct b10_error error = ERROR_NONE;
    SCOPED(dirs_names) struct dirs_names names = {0};
    b10_cache_list *caches = NULL;
    begin(&replica, context);
    sandbox_deny(EPERM, SYS_unlinkat); /* as if it were killed before it cleans up */
    b10_check_list_free(examine(&replica));
    const char *volume = scratch_path(context, "volume");
    SCOPED(fd) int fd = open(volume, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(dirs_list(&names, fd, volume, &error) == B10_REASON_OK && names.count > 0);
    for (size_t i = 0; i < names.count; i++) {
        char key[B10_KEY_SIZE];
        char token[TOKEN_TEXT_SIZE];
        CHECK(strncmp(names.names[i], ".b10-doctor-", 12) == 0);
        CHECK(names_classify(names.names[i], key, token) == NAMES_TEMPORARY);
    }
    CHECK(b10_list(replica_config(&replica), NULL, &caches, NULL) == B10_SUCCESS);
    CHECK(caches->total_caches == 0);
    b10_cache_list_free(caches);
    replica_release(&replica);
}

/* ---- what a volume may lack ---- */

static void a_volume_that_is_not_there_fails(void **state)
{
    struct replica replica;
    begin(&replica, *state);
    replica_set(&replica, "B10FS_CACHE_DIR", scratch_path(*state, "absent/compile_cache"));
    b10_check_list *list = examine(&replica);
    expect(list, "volume.directory", B10_VERDICT_FAIL, "is the volume mounted");
    assert_int_equal(list->verdict, B10_VERDICT_FAIL);
    assert_null(find(list, "volume.write"));
    assert_non_null(find(list, "local.directory"));
    b10_check_list_free(list);
    assert_false(scratch_exists(*state, "absent"));
    replica_release(&replica);
}

IN_SANDBOX(a_read_only_volume_is_load_only)
{
    struct replica replica;
    sandbox_private_mounts(context);
    begin(&replica, context);
    sandbox_tmpfs(scratch_path(context, "volume"), "size=1m");
    sandbox_read_only(scratch_path(context, "volume"));
    b10_check_list *list = examine(&replica);
    CHECK(list->load_only == 1);
    expect(list, "volume.write", B10_VERDICT_WARN, "load only");
    expect(list, "volume.listing", B10_VERDICT_OK, "can be listed");
    expect(list, "latency.stat", B10_VERDICT_OK, "");
    expect(list, "volume.mount", B10_VERDICT_OK, "");
    CHECK(find(list, "volume.link") == NULL && find(list, "latency.create") == NULL);
    b10_check_list_free(list);
    replica_set(&replica, "B10_SAVE_MODE", "never");
    list = examine(&replica);
    expect(list, "volume.write", B10_VERDICT_OK, "load only");
    b10_check_list_free(list);
    replica_release(&replica);
}

IN_SANDBOX(a_full_volume_fails_and_says_what_ends_how)
{
    struct replica replica;
    sandbox_private_mounts(context);
    begin(&replica, context);
    sandbox_tmpfs(scratch_path(context, "volume"), "size=1m,nr_inodes=100");
    replica_set(&replica, "MIN_B10FS_SPACE_MB", "5");
    b10_check_list *list = examine(&replica);
    expect(list, "volume.space", B10_VERDICT_FAIL, "saves end with NO_SPACE");
    expect(list, "volume.inodes", B10_VERDICT_WARN, "few");
    CHECK(replica_volume_entries(&replica) == 0);
    b10_check_list_free(list);
    replica_release(&replica);
}

IN_SANDBOX(without_hard_links_it_works_with_less)
{
    expect_without(context, SYS_linkat, EPERM, "volume.link", B10_VERDICT_WARN, "no hard links");
}

IN_SANDBOX(without_renameat2_it_works_with_less)
{
    expect_without(context, SYS_renameat2, EINVAL, "volume.rename_noreplace", B10_VERDICT_WARN,
                   "no RENAME_NOREPLACE");
}

IN_SANDBOX(without_fsync_no_save_can_end_well)
{
    expect_without(context, SYS_fsync, EIO, "volume.fsync", B10_VERDICT_FAIL, "durable");
}

IN_SANDBOX(a_time_that_cannot_be_set_is_told)
{
    expect_without(context, SYS_utimensat, EPERM, "volume.mtime", B10_VERDICT_WARN,
                   "does not keep");
}

/* ---- the host ---- */

IN_SANDBOX(a_local_directory_mounted_noexec_fails)
{
    struct replica replica;
    sandbox_private_mounts(context);
    begin(&replica, context);
    scratch_mkdir(context, "local");
    CHECK(mount("none", scratch_path(context, "local"), "tmpfs", MS_NOEXEC, "size=1m") == 0);
    b10_check_list *list = examine(&replica);
    expect(list, "local.exec", B10_VERDICT_FAIL, "noexec");
    expect(list, "local.directory", B10_VERDICT_OK, "is there");
    b10_check_list_free(list);
    replica_release(&replica);
}

IN_SANDBOX(a_local_directory_that_cannot_be_written_fails)
{
    struct replica replica;
    begin(&replica, context);
    scratch_mkdir(context, "local");
    CHECK(chmod(scratch_path(context, "local"), 0555) == 0);
    CHECK(chmod(scratch_path(context, "volume"), 0777) == 0);
    CHECK(chmod(scratch_path(context, "."), 0755) == 0);
    if (geteuid() != 0)
        sandbox_skip("becoming another user needs root");
    sandbox_drop_root();
    b10_check_list *list = examine(&replica);
    expect(list, "local.directory", B10_VERDICT_FAIL, "no load can install");
    b10_check_list_free(list);
    replica_release(&replica);
}

static void program(const struct scratch *scratch, const char *relative)
{
    scratch_text(scratch, relative, "#!/bin/sh\n");
    assert_int_equal(chmod(scratch_path(scratch, relative), 0755), 0);
}

static void expect_compiler(struct replica *replica, b10_verdict verdict, const char *part)
{
    b10_check_list *list = examine(replica);
    expect(list, "local.compiler", verdict, part);
    b10_check_list_free(list);
}

IN_SANDBOX(a_compiler_is_found_in_the_path_or_by_its_variable)
{
    struct replica replica;
    char search[600];
    begin(&replica, context);
    replica_set(&replica, "B10_GPU_PROBE", "off"); /* a host that works on the CPU */
    scratch_mkdir(context, "bin/g++");             /* no program */
    snprintf(search, sizeof(search), "/nonexistent::%s", scratch_path(context, "bin"));
    setenv("PATH", search, 1);
    expect_compiler(&replica, B10_VERDICT_FAIL, "even when everything is in the cache");
    program(context, "bin/clang++");
    expect_compiler(&replica, B10_VERDICT_OK, "bin/clang++'");
    program(context, "bin/my-cc");
    setenv("CXX", "my-cc -O2", 1);
    expect_compiler(&replica, B10_VERDICT_OK, "bin/my-cc'");
    setenv("CXX", "/no/such/compiler", 1);
    expect_compiler(&replica, B10_VERDICT_FAIL, "/no/such/compiler");
    setenv("CXX", scratch_path(context, "bin/clang++"), 1);
    expect_compiler(&replica, B10_VERDICT_OK, "bin/clang++'");
    unsetenv("CXX");
    unsetenv("PATH");
    replica_set(&replica, "B10_ENVIRONMENT_KEY", "perhaps-a-gpu");
    expect_compiler(&replica, B10_VERDICT_WARN, "CXX is not set");
    replica_release(&replica);
}

/* ---- misuse ---- */

static void a_contradiction_is_an_error_and_no_finding(void **state)
{
    struct replica replica;
    b10_check_list *list = (b10_check_list *)state; /* is overwritten */
    begin(&replica, *state);
    replica_set(&replica, "B10FS_CACHE_DIR", scratch_path(*state, "local/inside"));
    scratch_mkdir(*state, "local/inside");
    OperationStatus status = b10_doctor(replica_config(&replica), NULL, &list, &replica.error);
    replica_assert(&replica, status, B10_ERROR, B10_REASON_CONFIG);
    assert_null(list);
    status = b10_doctor(replica_config(&replica), NULL, NULL, &replica.error);
    replica_assert(&replica, status, B10_ERROR, B10_REASON_INTERNAL);
    b10_check_list_free(NULL);
    assert_null(b10_check_list_at(NULL, 0));
    replica_release(&replica);
}

/* ---- the search path ---- */

static void directories_of_the_search_path_are_looked_at_and_left_as_they_are(void **state)
{
    const struct scratch *scratch = *state;
    struct replica replica;
    char value[600];
    begin(&replica, scratch);
    scratch_text(scratch, "org/k.v1.tar.zst", "not ours");
    snprintf(value, sizeof(value), "%s,%s", scratch_path(scratch, "org"),
             scratch_path(scratch, "nowhere"));
    replica_set(&replica, "b10_read_dirs", value);
    b10_check_list *list = examine(&replica);
    expect(list, "read.directory", B10_VERDICT_OK, "/org'");
    const b10_check *first = find(list, "read.directory");
    assert_true(first->value >= 0);
    assert_string_equal(first->unit, "ms");
    assert_string_equal(first[1].name, "read.directory");
    assert_int_equal(first[1].verdict, B10_VERDICT_WARN);
    assert_non_null(strstr(first[1].message, "/nowhere'"));
    assert_int_equal(list->verdict, B10_VERDICT_WARN); /* never more */
    assert_int_equal(scratch_count(scratch, "org"), 1);
    assert_false(scratch_exists(scratch, "nowhere"));
    b10_check_list_free(list);
    replica_release(&replica);
}

IN_SANDBOX(a_search_directory_that_cannot_be_listed_is_told)
{
    struct replica replica;
    begin(&replica, context);
    scratch_mkdir(context, "org");
    CHECK(chmod(scratch_path(context, "org"), 0711) == 0);
    CHECK(chmod(scratch_path(context, "volume"), 0777) == 0);
    CHECK(chmod(scratch_path(context, "."), 0755) == 0);
    if (geteuid() != 0)
        sandbox_skip("becoming another user needs root");
    sandbox_drop_root();
    replica_set(&replica, "b10_read_dirs", scratch_path(context, "org"));
    b10_check_list *list = examine(&replica);
    expect(list, "read.directory", B10_VERDICT_WARN, "/org': Permission denied");
    b10_check_list_free(list);
    replica_release(&replica);
}

static void every_directory_of_a_full_search_path_has_its_check(void **state)
{
    struct replica replica;
    char value[600] = "";
    size_t count = 0;
    begin(&replica, *state);
    for (int i = 0; i < 16; i++) {
        char one[40];
        snprintf(one, sizeof(one), "%s/nowhere/%d", i > 0 ? "," : "", i);
        strcat(value, one);
    }
    replica_set(&replica, "b10_read_dirs", value);
    b10_check_list *list = examine(&replica);
    for (size_t i = 0; i < list->total; i++)
        count += strcmp(b10_check_list_at(list, i)->name, "read.directory") == 0;
    assert_int_equal(count, 16);
    b10_check_list_free(list);
    replica_release(&replica);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_fit_volume_passes_every_check_and_nothing_stays_behind),
        TEST(a_shared_directory_that_the_first_save_makes_is_not_left_behind),
        TEST(archives_stay_as_they_are),
        TEST(what_a_killed_one_leaves_is_no_archive_and_swept_like_a_dead_savers_file),
        TEST(it_looks_where_the_volume_is_off_and_says_so),
        TEST(a_volume_that_is_not_there_fails),
        TEST(a_read_only_volume_is_load_only),
        TEST(a_full_volume_fails_and_says_what_ends_how),
        TEST(without_hard_links_it_works_with_less),
        TEST(without_renameat2_it_works_with_less),
        TEST(without_fsync_no_save_can_end_well),
        TEST(a_time_that_cannot_be_set_is_told),
        TEST(a_local_directory_mounted_noexec_fails),
        TEST(a_local_directory_that_cannot_be_written_fails),
        TEST(a_compiler_is_found_in_the_path_or_by_its_variable),
        TEST(a_contradiction_is_an_error_and_no_finding),
        TEST(directories_of_the_search_path_are_looked_at_and_left_as_they_are),
        TEST(a_search_directory_that_cannot_be_listed_is_told),
        TEST(every_directory_of_a_full_search_path_has_its_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
