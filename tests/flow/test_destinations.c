/* Where a destination may lie: mount points, overlays, other file systems, directories whose parent
 * is not ours. In each place the tree comes back as it was saved, a clear empties it, and nothing
 * of the staging is left anywhere. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/sandbox.h"
#include "support/stored.h"

/* The scratch directory with mounts of its own and an archive of saved/ on the volume. */
static void start(struct replica *replica, struct scratch *scratch, const char *headers)
{
    sandbox_private_mounts(scratch);
    stored_init(replica, scratch, headers);
}

/* tmpfs at `relative`, which is made. */
static void mount_tmpfs(const struct scratch *scratch, const char *relative)
{
    scratch_mkdir(scratch, relative);
    sandbox_tmpfs(scratch_path(scratch, relative), "size=64m");
}

/* Defines test `name`, which runs in_`name` with the scratch directory in a sandbox. */
#define IN_SANDBOX(name)                                                                           \
    static void in_##name(void *context);                                                          \
    static void name(void **state)                                                                 \
    {                                                                                              \
        sandbox_run(in_##name, *state);                                                            \
    }                                                                                              \
    static void in_##name(void *context)

/* ---- mount points ---- */

IN_SANDBOX(a_mount_point_is_filled)
{
    struct replica replica;
    start(&replica, context, NULL);
    mount_tmpfs(context, "local");
    stored_comes_and_goes(&replica, "local");
    replica_release(&replica);
}

IN_SANDBOX(a_directory_below_a_mount_point_is_filled)
{
    struct replica replica;
    start(&replica, context, NULL);
    mount_tmpfs(context, "mount");
    stored_destination(&replica, "mount/local", NULL);
    stored_comes_and_goes(&replica, "mount/local");
    replica_release(&replica);
}

IN_SANDBOX(a_bind_mount_of_the_same_file_system_is_filled)
{
    struct replica replica;
    start(&replica, context, NULL);
    scratch_mkdir(context, "behind");
    scratch_mkdir(context, "local");
    sandbox_bind(scratch_path(context, "behind"), scratch_path(context, "local"));
    stored_comes_and_goes(&replica, "local");
    assert_int_equal(stored_staging_in(context, "behind"), 0);
    replica_release(&replica);
}

IN_SANDBOX(a_read_only_parent_does_not_matter_to_a_mount_point)
{
    struct replica replica;
    start(&replica, context, NULL);
    mount_tmpfs(context, "parent");
    mount_tmpfs(context, "parent/local");
    sandbox_read_only(scratch_path(context, "parent"));
    stored_destination(&replica, "parent/local", NULL);
    stored_comes_and_goes(&replica, "parent/local");
    replica_release(&replica);
}

/* ---- overlays ---- */

/* merged/local exists in the lower layer only; all layers on one tmpfs. */
static void mount_overlay(const struct scratch *scratch)
{
    char layers[1200];
    mount_tmpfs(scratch, "layers");
    scratch_mkdir(scratch, "layers/lower/local");
    scratch_mkdir(scratch, "layers/upper");
    scratch_mkdir(scratch, "layers/work");
    scratch_mkdir(scratch, "merged");
    snprintf(layers, sizeof(layers),
             "lowerdir=%s/layers/lower,upperdir=%s/layers/upper,workdir=%s/layers/work",
             scratch->path, scratch->path, scratch->path);
    if (mount("overlay", scratch_path(scratch, "merged"), "overlay", 0, layers) != 0)
        sandbox_skip("no overlay file system here");
}

IN_SANDBOX(an_empty_directory_of_the_lower_layer_is_filled)
{
    struct replica replica;
    start(&replica, context, NULL);
    mount_overlay(context);
    stored_destination(&replica, "merged/local", NULL);
    stored_comes_and_goes(&replica, "merged/local");
    replica_release(&replica);
}

IN_SANDBOX(directories_of_the_lower_layer_are_filled)
{
    struct replica replica;
    start(&replica, context, NULL);
    mount_overlay(context);
    scratch_mkdir(context, "layers/lower/local/zz");
    scratch_mkdir(context, "layers/lower/local/triton/copy0");
    stored_destination(&replica, "merged/local", NULL);
    stored_comes_and_goes(&replica, "merged/local");
    replica_release(&replica);
}

IN_SANDBOX(a_tree_of_the_lower_layer_is_cleared)
{
    struct replica replica;
    start(&replica, context, NULL);
    mount_overlay(context);
    replica_fill(&replica, "layers/lower/local");
    stored_destination(&replica, "merged/local", NULL);
    assert_int_equal(b10_clear(replica_config(&replica), NULL, NULL, &replica.error), B10_SUCCESS);
    stored_comes_back(&replica, "merged/local");
    replica_release(&replica);
}

IN_SANDBOX(a_tree_of_the_lower_layer_is_saved)
{
    struct replica replica;
    start(&replica, context, NULL);
    mount_overlay(context);
    replica_fill(&replica, "layers/lower/local");
    stored_destination(&replica, "merged/local", NULL);
    replica_set(&replica, "b10_save_mode", "replace");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.left_out_changed, 0);
    stored_destination(&replica, "local", NULL);
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    scratch_assert_same_tree(scratch_path(context, "layers/lower/local"),
                             scratch_path(context, "local"));
    replica_release(&replica);
}

/* ---- file systems on a loop device ---- */

static void mount_image(const struct scratch *scratch, const char *make, const char *relative)
{
    char command[1200];
    char name[64];
    snprintf(name, sizeof(name), "%s.image", relative);
    scratch_text(scratch, name, "");
    scratch_mkdir(scratch, relative);
    assert_int_equal(truncate(scratch_path(scratch, name), 400 << 20), 0);
    snprintf(command, sizeof(command), "%s '%s/%s' > '%s/make.log' 2>&1", make, scratch->path, name,
             scratch->path);
    if (system(command) != 0) // NOLINT(cert-env33-c): a fixed command of the test
        sandbox_skip("mkfs is missing or fails");
    snprintf(command, sizeof(command), "mount -o loop '%s/%s' '%s/%s' 2> '%s/make.log'",
             scratch->path, name, scratch->path, relative, scratch->path);
    if (system(command) != 0) // NOLINT(cert-env33-c)
        sandbox_skip("no loop device, or the kernel lacks this file system");
}

static void fill_image(struct scratch *scratch, const char *make)
{
    struct replica replica;
    start(&replica, scratch, NULL);
    mount_image(scratch, make, "disk");
    stored_destination(&replica, "disk/local", NULL);
    stored_comes_and_goes(&replica, "disk/local"); /* absent before the first load */
    assert_int_equal(b10_clear(replica_config(&replica), NULL, NULL, &replica.error), B10_SUCCESS);
    scratch_mkdir(scratch, "disk/local/zz"); /* not empty: the rename is refused */
    stored_comes_back(&replica, "disk/local");
    assert_int_equal(b10_clear(replica_config(&replica), NULL, NULL, &replica.error), B10_SUCCESS);
    rmdir(scratch_path(scratch, "disk/lost+found"));
    assert_int_equal(rmdir(scratch_path(scratch, "disk/local")), 0);
    stored_destination(&replica, "disk", NULL);
    stored_comes_and_goes(&replica, "disk");
    replica_release(&replica);
}

IN_SANDBOX(an_xfs_file_system_is_filled)
{
    fill_image(context, "mkfs.xfs -q -f");
}

IN_SANDBOX(an_ext4_file_system_is_filled)
{
    fill_image(context, "mkfs.ext4 -q -F");
}

/* ---- LOCAL_WORK_DIR ---- */

struct observed {
    const struct scratch *scratch;
    const char *place;
    size_t staging; /* directories there while the archive is unpacked */
};

static int observe(void *user, const b10_progress *progress)
{
    struct observed *observed = user;
    if (strcmp(progress->phase, "unpack") == 0)
        observed->staging = stored_staging_in(observed->scratch, observed->place);
    return 0;
}

/* Loads with LOCAL_WORK_DIR `work`; the number of staging directories in `place` meanwhile. */
static size_t staging_during_load(struct replica *replica, const char *work,
                                  const char *destination, const char *place)
{
    struct observed observed = {replica->scratch, place, 0};
    if (strncmp(replica->scratch->path, "/tmp/", 5) != 0)
        sandbox_skip("B10_TEST_SCRATCH is not below /tmp, where LOCAL_WORK_DIR has to lie");
    replica_set(replica, "local_work_dir", scratch_path(replica->scratch, work));
    stored_destination(replica, destination, NULL);
    replica->options.progress = observe;
    replica->options.progress_user = &observed;
    stored_comes_and_goes(replica, destination);
    return observed.staging;
}

IN_SANDBOX(staging_lies_in_the_work_directory_of_the_same_file_system)
{
    struct replica replica;
    start(&replica, context, NULL);
    scratch_mkdir(context, "work");
    assert_int_equal(staging_during_load(&replica, "work", "local", "work"), 1);
    replica_release(&replica);
}

IN_SANDBOX(staging_lies_in_the_work_directory_inside_a_mount_point)
{
    struct replica replica;
    start(&replica, context, NULL);
    mount_tmpfs(context, "mount");
    scratch_mkdir(context, "mount/work");
    assert_int_equal(staging_during_load(&replica, "mount/work", "mount/a/local", "mount/work"), 1);
    replica_release(&replica);
}

IN_SANDBOX(staging_lies_beside_a_destination_on_another_file_system)
{
    struct replica replica;
    start(&replica, context, NULL);
    scratch_mkdir(context, "work");
    mount_tmpfs(context, "mount");
    assert_int_equal(staging_during_load(&replica, "work", "mount/local", "mount"), 1);
    replica_release(&replica);
}

IN_SANDBOX(staging_lies_beside_the_destination_when_the_work_directory_is_a_mount_point)
{
    struct replica replica;
    start(&replica, context, NULL);
    mount_tmpfs(context, "work");
    scratch_mkdir(context, "parent");
    assert_int_equal(staging_during_load(&replica, "work", "parent/local", "parent"), 1);
    replica_release(&replica);
}

IN_SANDBOX(staging_lies_inside_a_destination_that_is_a_mount_point)
{
    struct replica replica;
    start(&replica, context, NULL);
    scratch_mkdir(context, "work");
    mount_tmpfs(context, "local");
    assert_int_equal(staging_during_load(&replica, "work", "local", "local"), 1);
    replica_release(&replica);
}

/* ---- a parent that is not ours ---- */

IN_SANDBOX(a_destination_in_a_parent_of_somebody_else_is_filled)
{
    struct replica replica;
    struct scratch *scratch = context;
    if (geteuid() != 0)
        sandbox_skip("becoming another user needs root");
    stored_init(&replica, scratch, NULL);
    scratch_mkdir(scratch, "parent/local");
    assert_int_equal(chown(scratch_path(scratch, "parent/local"), 65534, 65534), 0);
    sandbox_drop_root();
    CHECK(access(scratch_path(scratch, "parent"), W_OK) != 0);
    stored_destination(&replica, "parent/local", NULL);
    stored_comes_and_goes(&replica, "parent/local");
    replica_release(&replica);
}

/* Staged in LOCAL_WORK_DIR, from where the last rename would have to change a directory that is
 * not ours. */
static void fill_from_work(struct scratch *scratch, mode_t parent_mode)
{
    struct replica replica;
    if (geteuid() != 0)
        sandbox_skip("becoming another user needs root");
    if (strncmp(scratch->path, "/tmp/", 5) != 0)
        sandbox_skip("B10_TEST_SCRATCH is not below /tmp, where LOCAL_WORK_DIR has to lie");
    stored_init(&replica, scratch, NULL);
    scratch_mkdir(scratch, "work");
    scratch_mkdir(scratch, "parent/local");
    assert_int_equal(chmod(scratch_path(scratch, "work"), 0777), 0);
    assert_int_equal(chmod(scratch_path(scratch, "parent/local"), 0777), 0);
    assert_int_equal(chmod(scratch_path(scratch, "parent"), parent_mode), 0);
    replica_set(&replica, "local_work_dir", scratch_path(scratch, "work"));
    sandbox_drop_root();
    stored_destination(&replica, "parent/local", NULL);
    stored_comes_and_goes(&replica, "parent/local");
    replica_release(&replica);
}

IN_SANDBOX(a_destination_in_a_parent_of_somebody_else_is_filled_from_the_work_directory)
{
    fill_from_work(context, 0755);
}

IN_SANDBOX(a_destination_of_somebody_else_in_a_sticky_parent_is_filled)
{
    fill_from_work(context, 01777);
}

IN_SANDBOX(an_absent_destination_in_a_parent_of_somebody_else_is_denied)
{
    struct replica replica;
    struct scratch *scratch = context;
    if (geteuid() != 0)
        sandbox_skip("becoming another user needs root");
    stored_init(&replica, scratch, NULL);
    scratch_mkdir(scratch, "parent");
    sandbox_drop_root();
    stored_destination(&replica, "parent/local", NULL);
    replica_assert(&replica, replica_load(&replica), B10_ERROR, B10_REASON_DENIED);
    assert_non_null(strstr(replica.error.message, scratch_path(scratch, "parent")));
    assert_false(scratch_exists(scratch, "parent/local"));
    stored_nothing_left(scratch);
    replica_release(&replica);
}

/* ---- the root `headers` elsewhere ---- */

IN_SANDBOX(headers_on_a_mount_inside_the_main_root_come_back)
{
    struct replica replica;
    start(&replica, context, "saved/precompiled_headers");
    mount_tmpfs(context, "local/precompiled_headers");
    stored_destination(&replica, "local", "local/precompiled_headers");
    stored_comes_back(&replica, "local");
    assert_int_equal(replica.report.roots_left_out, 0);
    replica_release(&replica);
}

IN_SANDBOX(headers_below_a_mount_inside_the_main_root_come_back)
{
    struct replica replica;
    start(&replica, context, "saved/a/precompiled_headers");
    mount_tmpfs(context, "local/a");
    stored_destination(&replica, "local", "local/a/precompiled_headers");
    stored_comes_back(&replica, "local");
    assert_int_equal(replica.report.roots_left_out, 0);
    replica_release(&replica);
}

IN_SANDBOX(headers_inside_a_main_root_that_is_a_mount_come_back)
{
    struct replica replica;
    start(&replica, context, "saved/precompiled_headers");
    mount_tmpfs(context, "local");
    stored_destination(&replica, "local", "local/precompiled_headers");
    stored_comes_and_goes(&replica, "local");
    assert_int_equal(replica.report.roots_left_out, 0);
    replica_release(&replica);
}

IN_SANDBOX(headers_on_one_mount_and_the_main_root_on_another_come_back)
{
    struct replica replica;
    start(&replica, context, "headers");
    mount_tmpfs(context, "main");
    mount_tmpfs(context, "further");
    stored_destination(&replica, "main/local", "further/precompiled_headers");
    stored_comes_back(&replica, "main/local");
    scratch_assert_same_tree(scratch_path(context, "headers"),
                             scratch_path(context, "further/precompiled_headers"));
    assert_int_equal(replica.report.roots_left_out, 0);
    replica_release(&replica);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(a_mount_point_is_filled),
        ROW(a_directory_below_a_mount_point_is_filled),
        ROW(a_bind_mount_of_the_same_file_system_is_filled),
        ROW(a_read_only_parent_does_not_matter_to_a_mount_point),
        ROW(an_empty_directory_of_the_lower_layer_is_filled),
        ROW(directories_of_the_lower_layer_are_filled),
        ROW(a_tree_of_the_lower_layer_is_cleared),
        ROW(a_tree_of_the_lower_layer_is_saved),
        ROW(an_xfs_file_system_is_filled),
        ROW(an_ext4_file_system_is_filled),
        ROW(staging_lies_in_the_work_directory_of_the_same_file_system),
        ROW(staging_lies_in_the_work_directory_inside_a_mount_point),
        ROW(staging_lies_beside_a_destination_on_another_file_system),
        ROW(staging_lies_beside_the_destination_when_the_work_directory_is_a_mount_point),
        ROW(staging_lies_inside_a_destination_that_is_a_mount_point),
        ROW(a_destination_in_a_parent_of_somebody_else_is_filled),
        ROW(a_destination_in_a_parent_of_somebody_else_is_filled_from_the_work_directory),
        ROW(a_destination_of_somebody_else_in_a_sticky_parent_is_filled),
        ROW(an_absent_destination_in_a_parent_of_somebody_else_is_denied),
        ROW(headers_on_a_mount_inside_the_main_root_come_back),
        ROW(headers_below_a_mount_inside_the_main_root_come_back),
        ROW(headers_inside_a_main_root_that_is_a_mount_come_back),
        ROW(headers_on_one_mount_and_the_main_root_on_another_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
