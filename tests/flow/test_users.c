/* Who runs the server: root or not, with or without a passwd entry, a home, an environment, a root file system that can be
 * written. The simple calls, settings from the environment alone. */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/sandbox.h"
#include "support/stored.h"

enum { STRANGER = 12345 };

#define IN_SANDBOX(name)                                                                           \
    static void in_##name(void *context);                                                          \
    static void name(void **state)                                                                 \
    {                                                                                              \
        sandbox_run(in_##name, *state);                                                            \
    }                                                                                              \
    static void in_##name(void *context)

/* ---- the place: a fresh tmpfs at /tmp, the rest of the file system read-only ---- */

/* *place becomes /tmp/place, which takes the part of the scratch directory. */
static void start(struct scratch *place, struct scratch *scratch)
{
    sandbox_private_mounts(scratch);
    sandbox_tmpfs("/tmp", "size=256m,mode=1777");
    if (access("/tmp/b10test", F_OK) == 0)
        sandbox_skip("/tmp cannot be covered here");
    *place = (struct scratch){.path = "/tmp/place", .fd = -1};
    CHECK(mkdir(place->path, 0777) == 0 && chmod(place->path, 0777) == 0);
    place->fd = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(place->fd >= 0);
    scratch_mkdir(place, "volume");
    CHECK(chmod(scratch_path(place, "volume"), 0777) == 0);
    sandbox_read_only("/");
    CHECK(access("/", W_OK) != 0);
}

/* Nothing in the environment but what a deployment sets. `home` NULL: not even HOME. */
static void only_settings(const struct scratch *place, const char *home)
{
    clearenv();
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    setenv("BASETEN_FS_ENABLED", "1", 1);
    setenv("B10FS_CACHE_DIR", scratch_path(place, "volume"), 1);
    setenv("MIN_LOCAL_SPACE_MB", "0", 1);
    setenv("MIN_B10FS_SPACE_MB", "0", 1);
    if (home != NULL)
        setenv("HOME", home, 1);
}

static void succeed(const char *what, OperationStatus status)
{
    if (status != B10_SUCCESS)
        fail_msg("%s: %s: %s", what, b10_status_name(status), b10_last_error()->message);
}

/* ---- who owns what ---- */

static uid_t expected_owner;

static int check_owner(const char *path, const struct stat *stat, int type, struct FTW *where)
{
    (void)type, (void)where;
    if (stat->st_uid != expected_owner)
        fail_msg("'%s' belongs to %u", path, (unsigned)stat->st_uid);
    return 0;
}

static void assert_owned(const char *path, uid_t owner)
{
    expected_owner = owner;
    assert_int_equal(nftw(path, check_owner, 32, FTW_PHYS), 0);
}

/* ---- the simple calls ---- */

/* This user fills the default directory, saves, clears, loads. */
static void round_trip(const struct scratch *place, const char *local)
{
    struct replica fill = {.scratch = place};
    const struct scratch tmp = {.path = "/tmp", .fd = open("/tmp", O_RDONLY | O_CLOEXEC)};
    b10_cache_info *info = calloc(1, sizeof(*info));
    assert_non_null(info);
    info->struct_size = sizeof(*info);
    replica_fill(&fill, "saved");
    fill.scratch = &tmp;
    replica_fill(&fill, local);
    succeed("info", get_cache_info(info));
    assert_string_equal(info->local_directory, scratch_path(&tmp, local));
    free(info);
    succeed("save", save_compile_cache());
    succeed("clear", clear_local_cache());
    assert_int_equal(scratch_count(&tmp, local), 0);
    succeed("load", load_compile_cache());
    assert_int_equal(scratch_count(&tmp, local), scratch_count(place, "saved"));
    assert_owned(scratch_path(&tmp, local), getuid());
    stored_nothing_left(&tmp);
    close(tmp.fd);
}

static void as_stranger(struct scratch *scratch, const char *home)
{
    struct scratch place;
    start(&place, scratch);
    only_settings(&place, home);
    sandbox_become(STRANGER);
    round_trip(&place, "torchinductor_uid_12345");
}

IN_SANDBOX(a_user_without_passwd_entry_and_home_needs_no_settings)
{
    as_stranger(context, NULL);
}

IN_SANDBOX(a_home_that_is_the_root_directory_is_none)
{
    as_stranger(context, "/");
}

IN_SANDBOX(a_home_that_does_not_exist_is_fine)
{
    as_stranger(context, "/nonexistent/home");
}

IN_SANDBOX(a_home_that_is_relative_is_none)
{
    as_stranger(context, "home");
}

IN_SANDBOX(root_needs_no_environment)
{
    struct scratch place;
    start(&place, context);
    only_settings(&place, NULL);
    round_trip(&place, "torchinductor_root");
}

IN_SANDBOX(a_user_name_from_the_environment_names_the_directory)
{
    struct scratch place;
    start(&place, context);
    only_settings(&place, "/");
    setenv("USER", "model:server", 1);
    sandbox_become(STRANGER);
    round_trip(&place, "torchinductor_model_server");
}

/* ---- saved by one, loaded by another ---- */

static void save_as_root(void *context)
{
    only_settings(context, "/root");
    setenv("TORCHINDUCTOR_CACHE_DIR", scratch_path(context, "saved"), 1);
    succeed("save", save_compile_cache());
}

static void save_as_stranger(void *context)
{
    sandbox_become(STRANGER);
    save_as_root(context);
}

static void load_as_root(void *context)
{
    only_settings(context, "/root");
    setenv("TORCHINDUCTOR_CACHE_DIR", scratch_path(context, "local"), 1);
    succeed("load", load_compile_cache());
    scratch_assert_same_tree(scratch_path(context, "saved"), scratch_path(context, "local"));
    assert_owned(scratch_path(context, "local"), getuid());
}

static void load_as_stranger(void *context)
{
    sandbox_become(STRANGER);
    load_as_root(context);
}

/* What the saver keeps to itself is readable by who may read the volume. */
static void hand_over(struct scratch *scratch, void (*save)(void *), void (*load)(void *))
{
    struct scratch place;
    start(&place, scratch);
    struct replica fill = {.scratch = &place};
    replica_fill(&fill, "saved");
    sandbox_run(save, &place);
    sandbox_run(load, &place);
    close(place.fd);
}

IN_SANDBOX(what_root_saves_belongs_to_the_user_who_loads_it)
{
    hand_over(context, save_as_root, load_as_stranger);
}

IN_SANDBOX(what_a_user_saves_belongs_to_root_who_loads_it)
{
    hand_over(context, save_as_stranger, load_as_root);
}

/* ---- files of somebody else ---- */

static void save_unreadable(void *context)
{
    struct replica replica;
    sandbox_become(STRANGER);
    replica_init(&replica, context);
    stored_destination(&replica, "saved", NULL);
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.left_out_changed, 2);
    stored_destination(&replica, "local", NULL);
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_true(scratch_exists(context, "local/zz/large.bin"));
    assert_false(scratch_exists(context, "local/zz/secret.py"));
    assert_false(scratch_exists(context, "local/secrets/own.py"));
    replica_release(&replica);
}

IN_SANDBOX(what_may_not_be_read_is_left_out_and_counted)
{
    struct scratch place;
    start(&place, context);
    struct replica fill = {.scratch = &place};
    replica_fill(&fill, "saved");
    scratch_text(&place, "saved/zz/secret.py", "s");
    scratch_text(&place, "saved/secrets/own.py", "s");
    CHECK(chmod(scratch_path(&place, "saved/zz/secret.py"), 0600) == 0);
    CHECK(chmod(scratch_path(&place, "saved/secrets"), 0700) == 0);
    sandbox_run(save_unreadable, &place);
    close(place.fd);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(a_user_without_passwd_entry_and_home_needs_no_settings),
        ROW(a_home_that_is_the_root_directory_is_none),
        ROW(a_home_that_does_not_exist_is_fine),
        ROW(a_home_that_is_relative_is_none),
        ROW(root_needs_no_environment),
        ROW(a_user_name_from_the_environment_names_the_directory),
        ROW(what_root_saves_belongs_to_the_user_who_loads_it),
        ROW(what_a_user_saves_belongs_to_root_who_loads_it),
        ROW(what_may_not_be_read_is_left_out_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
