/* Full disks: wherever the space ends, nothing partial stays, and the next operation with space
 * succeeds. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/replica.h"
#include "support/sandbox.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

/* What a progress callback does once, in one phase. */
struct intruder {
    const char *phase; /* in which it comes */
    const char *path;  /* of the file it writes */
    uint64_t leave;    /* bytes it leaves free */
    bool came;
    bool unpacked; /* a phase that writes has been seen */
};

struct rig {
    struct scratch *scratch;
    struct replica replica;
    struct intruder intruder;
};

/* Writes `path` until only `leave` bytes are free there. */
static void fill(const char *path, uint64_t leave)
{
    static const char zeros[4096];
    struct statvfs space;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    CHECK(fd >= 0 && fstatvfs(fd, &space) == 0);
    uint64_t left = space.f_bavail * space.f_frsize;
    for (; left > leave; left -= sizeof(zeros))
        CHECK(write(fd, zeros, sizeof(zeros)) == sizeof(zeros));
    close(fd);
}

static int intrude(void *user, const b10_progress *progress)
{
    struct intruder *intruder = user;
    intruder->unpacked = intruder->unpacked || strcmp(progress->phase, "unpack") == 0;
    if (intruder->phase != NULL && !intruder->came &&
        strcmp(progress->phase, intruder->phase) == 0) {
        intruder->came = true;
        fill(intruder->path, intruder->leave);
    }
    return 0;
}

static void aim(struct rig *rig, const char *local)
{
    replica_set(&rig->replica, "torchinductor_cache_dir", scratch_path(rig->scratch, local));
}

static void require_no_space(struct rig *rig, OperationStatus status)
{
    replica_assert(&rig->replica, status, B10_ERROR, B10_REASON_NO_SPACE);
    CHECK(rig->replica.error.message[0] != '\0');
}

static void require_success(struct rig *rig, OperationStatus status)
{
    replica_assert(&rig->replica, status, B10_SUCCESS, B10_REASON_OK);
}

/* local/ to save from (1.4 MB that do not compress, and small files), the same in copy/; place/ to
 * load into; volume/. */
static void rig_init(struct rig *rig, struct scratch *scratch)
{
    memset(rig, 0, sizeof(*rig));
    rig->scratch = scratch;
    replica_init(&rig->replica, scratch);
    rig->replica.options.progress = intrude;
    rig->replica.options.progress_user = &rig->intruder;
    scratch_random(scratch, "local/zz/large.bin", 1100000, 5);
    scratch_random(scratch, "local/zz/other.bin", 300000, 6);
    scratch_text(scratch, "local/ab/cab.py", "import torch\n");
    scratch_text(scratch, "local/ab/copy.py", "import torch\n");
    scratch_mkdir(scratch, "place");
    require_success(rig, replica_save(&rig->replica));
    aim(rig, "copy");
    require_success(rig, replica_load(&rig->replica));
    aim(rig, "local");
    rig->intruder.unpacked = false;
}

static void without_archive(struct rig *rig)
{
    CHECK(unlink(replica_archive(&rig->replica)) == 0);
}

/* The archive, read completely. */
static void require_whole_archive(struct rig *rig)
{
    CHECK(replica_volume_entries(&rig->replica) == 1);
    require_success(rig, b10_verify(replica_config(&rig->replica), NULL,
                                    replica_archive(&rig->replica), NULL, &rig->replica.error));
}

static void mount_at(struct rig *rig, const char *relative, const char *options)
{
    sandbox_tmpfs(scratch_path(rig->scratch, relative), options);
}

static void unmount(struct rig *rig, const char *relative)
{
    CHECK(umount(scratch_path(rig->scratch, relative)) == 0);
}

static void more_room(struct rig *rig, const char *relative)
{
    CHECK(mount(NULL, scratch_path(rig->scratch, relative), NULL, MS_REMOUNT,
                "size=16m,nr_inodes=1000") == 0);
}

/* Runs `fn` in a mount namespace of its own, if it makes one; afterwards local/ must be as it was.
 * */
static void in_child(void (*fn)(void *rig))
{
    struct rig rig;
    struct scratch *scratch = NULL;
    assert_int_equal(scratch_setup((void **)&scratch), 0);
    rig_init(&rig, scratch);
    sandbox_run(fn, &rig);
    scratch_assert_same_tree(scratch_path(rig.scratch, "copy"), scratch_path(rig.scratch, "local"));
    replica_release(&rig.replica);
    scratch_teardown((void **)&scratch);
}

/* ---- save ---- */

/* One save onto a tmpfs with `options`, which may be too small; then again with room. */
static bool save_onto(struct rig *rig, const char *options)
{
    mount_at(rig, "volume", options);
    OperationStatus status = replica_save(&rig->replica);
    const bool fitted = status == B10_SUCCESS;
    if (fitted) {
        require_whole_archive(rig);
    } else {
        require_no_space(rig, status);
        CHECK(replica_volume_entries(&rig->replica) == 0);
        more_room(rig, "volume");
        require_success(rig, replica_save(&rig->replica));
        require_whole_archive(rig);
    }
    unmount(rig, "volume");
    return fitted;
}

static void save_onto_every_size(void *context)
{
    struct rig *rig = context;
    unsigned fitted = 0;
    unsigned refused = 0;
    sandbox_private_mounts(rig->scratch);
    for (unsigned kib = 16; kib <= 2048; kib += kib < 128 ? 16 : kib < 1300 ? 196 : 36) {
        char options[64];
        snprintf(options, sizeof(options), "size=%uk,nr_inodes=100", kib);
        if (save_onto(rig, options))
            fitted++;
        else
            refused++;
    }
    CHECK(fitted > 5 && refused > 5);
}

static void a_volume_of_any_size_holds_a_whole_archive_or_none(void **state)
{
    (void)state;
    in_child(save_onto_every_size);
}

static void save_onto_every_inode_count(void *context)
{
    struct rig *rig = context;
    sandbox_private_mounts(rig->scratch);
    CHECK(!save_onto(rig, "size=16m,nr_inodes=1")); /* the root directory */
    (void)save_onto(rig, "size=16m,nr_inodes=2");
    CHECK(save_onto(rig, "size=16m,nr_inodes=3"));
}

static void a_volume_without_inodes_holds_no_archive(void **state)
{
    (void)state;
    in_child(save_onto_every_inode_count);
}

static void save_onto_a_full_volume(void *context)
{
    struct rig *rig = context;
    sandbox_private_mounts(rig->scratch);
    mount_at(rig, "volume", "size=4m");
    fill(scratch_path(rig->scratch, "volume/other"), 256 * KIB);
    require_no_space(rig, replica_save(&rig->replica));
    CHECK(replica_volume_entries(&rig->replica) == 1);
    CHECK(unlink(scratch_path(rig->scratch, "volume/other")) == 0);
    require_success(rig, replica_save(&rig->replica));
    require_whole_archive(rig);
}

static void what_did_not_fit_fits_once_space_is_free(void **state)
{
    (void)state;
    in_child(save_onto_a_full_volume);
}

/* The archive fits, but what must stay free does not any more. */
static void cross_the_floor(void *context)
{
    struct rig *rig = context;
    sandbox_private_mounts(rig->scratch);
    mount_at(rig, "volume", "size=16m");
    replica_set(&rig->replica, "min_b10fs_space_mb", "8");
    rig->intruder = (struct intruder){.phase = "pack", .leave = 6 * MIB};
    rig->intruder.path = scratch_path(rig->scratch, "volume/other");
    require_no_space(rig, replica_save(&rig->replica));
    CHECK(rig->intruder.came);
    CHECK(strstr(rig->replica.error.message, "stay free") != NULL);
    CHECK(replica_volume_entries(&rig->replica) == 1);
}

static void a_floor_crossed_by_another_writer_ends_a_save(void **state)
{
    (void)state;
    in_child(cross_the_floor);
}

static void cross_the_floor_late(void *context)
{
    struct rig *rig = context;
    sandbox_private_mounts(rig->scratch);
    mount_at(rig, "volume", "size=16m");
    replica_set(&rig->replica, "min_b10fs_space_mb", "8");
    rig->intruder = (struct intruder){.phase = "publish", .leave = 6 * MIB};
    rig->intruder.path = scratch_path(rig->scratch, "volume/other");
    require_no_space(rig, replica_save(&rig->replica));
    CHECK(rig->intruder.came);
    CHECK(replica_volume_entries(&rig->replica) == 1);
}

static void a_floor_crossed_just_before_publication_ends_a_save(void **state)
{
    (void)state;
    in_child(cross_the_floor_late);
}

static void cross_the_floor_alone(void *context)
{
    struct rig *rig = context;
    sandbox_private_mounts(rig->scratch);
    mount_at(rig, "volume", "size=9m");
    replica_set(&rig->replica, "min_b10fs_space_mb", "8");
    require_no_space(rig, replica_save(&rig->replica));
    CHECK(replica_volume_entries(&rig->replica) == 0);
}

static void a_save_does_not_cross_the_floor_itself(void **state)
{
    (void)state;
    in_child(cross_the_floor_alone);
}

/* ---- load ---- */

/* One load onto a tmpfs with `options`, which may be too small: then nothing is even begun. */
static bool load_onto(struct rig *rig, const char *options)
{
    mount_at(rig, "place", options);
    rig->intruder.unpacked = false;
    OperationStatus status = replica_load(&rig->replica);
    const bool fitted = status == B10_SUCCESS;
    if (!fitted) {
        require_no_space(rig, status);
        CHECK(!rig->intruder.unpacked);
        CHECK(scratch_count(rig->scratch, "place") == 0);
        more_room(rig, "place");
        require_success(rig, replica_load(&rig->replica));
    }
    CHECK(scratch_count(rig->scratch, "place") == 1 + 6);
    scratch_assert_same_tree(scratch_path(rig->scratch, "copy"),
                             scratch_path(rig->scratch, "place/cache"));
    CHECK(scratch_exists(rig->scratch,
                         replica_archive(&rig->replica) + strlen(rig->scratch->path) + 1));
    unmount(rig, "place");
    return fitted;
}

static void load_onto_every_size(void *context)
{
    struct rig *rig = context;
    unsigned fitted = 0;
    unsigned refused = 0;
    sandbox_private_mounts(rig->scratch);
    aim(rig, "place/cache");
    for (unsigned kib = 16; kib <= 2048; kib += kib < 128 ? 16 : kib < 1300 ? 196 : 36) {
        char options[64];
        snprintf(options, sizeof(options), "size=%uk,nr_inodes=100", kib);
        if (load_onto(rig, options))
            fitted++;
        else
            refused++;
    }
    CHECK(fitted > 5 && refused > 5);
}

static void a_disk_of_any_size_gets_the_whole_tree_or_nothing(void **state)
{
    (void)state;
    in_child(load_onto_every_size);
}

static void load_onto_every_inode_count(void *context)
{
    struct rig *rig = context;
    sandbox_private_mounts(rig->scratch);
    aim(rig, "place/cache");
    for (unsigned inodes = 1; inodes <= 6; inodes++) {
        char options[64];
        snprintf(options, sizeof(options), "size=16m,nr_inodes=%u", inodes);
        CHECK(!load_onto(rig, options));
    }
    CHECK(load_onto(rig, "size=16m,nr_inodes=20"));
}

static void a_disk_without_inodes_gets_nothing(void **state)
{
    (void)state;
    in_child(load_onto_every_inode_count);
}

static void fill_the_disk_meanwhile(void *context)
{
    struct rig *rig = context;
    sandbox_private_mounts(rig->scratch);
    aim(rig, "place/cache");
    mount_at(rig, "place", "size=4m");
    rig->intruder = (struct intruder){.phase = "unpack", .leave = 256 * KIB};
    rig->intruder.path = scratch_path(rig->scratch, "place/other");
    require_no_space(rig, replica_load(&rig->replica));
    CHECK(rig->intruder.came);
    CHECK(scratch_count(rig->scratch, "place") == 1);
    CHECK(unlink(scratch_path(rig->scratch, "place/other")) == 0);
    require_success(rig, replica_load(&rig->replica));
    scratch_assert_same_tree(scratch_path(rig->scratch, "copy"),
                             scratch_path(rig->scratch, "place/cache"));
}

static void a_disk_that_fills_up_during_a_load_is_left_as_it_was(void **state)
{
    (void)state;
    in_child(fill_the_disk_meanwhile);
}

/* The same, when the destination already holds something. */
static void fill_a_used_disk_meanwhile(void *context)
{
    struct rig *rig = context;
    sandbox_private_mounts(rig->scratch);
    aim(rig, "place/cache");
    mount_at(rig, "place", "size=4m");
    scratch_text(rig->scratch, "place/cache/locks/one.lock", "x");
    rig->intruder = (struct intruder){.phase = "unpack", .leave = 256 * KIB};
    rig->intruder.path = scratch_path(rig->scratch, "place/other");
    require_no_space(rig, replica_load(&rig->replica));
    CHECK(rig->intruder.came);
    CHECK(scratch_count(rig->scratch, "place") == 1 + 3);
}

static void a_used_destination_is_left_as_it_was(void **state)
{
    (void)state;
    in_child(fill_a_used_disk_meanwhile);
}

/* ---- limits other than the disk's ---- */

static void limit_file_size(rlim_t size)
{
    const struct rlimit limit = {size, size};
    CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static void save_beyond_a_file_size(void *context)
{
    struct rig *rig = context;
    without_archive(rig);
    limit_file_size(512 * KIB);
    require_no_space(rig, replica_save(&rig->replica));
    CHECK(replica_volume_entries(&rig->replica) == 0);
}

static void an_archive_beyond_the_file_size_limit_is_not_written(void **state)
{
    (void)state;
    in_child(save_beyond_a_file_size);
}

static void load_beyond_a_file_size(void *context)
{
    struct rig *rig = context;
    aim(rig, "place/cache");
    limit_file_size(512 * KIB);
    require_no_space(rig, replica_load(&rig->replica));
    CHECK(scratch_count(rig->scratch, "place") == 0);
}

static void a_tree_beyond_the_file_size_limit_is_not_installed(void **state)
{
    (void)state;
    in_child(load_beyond_a_file_size);
}

/* What a file system with quotas, or one that allocates late, answers to a call that stores data.
 * */
static void save_beyond_a_quota(struct rig *rig, long number)
{
    without_archive(rig);
    sandbox_deny(EDQUOT, number);
    require_no_space(rig, replica_save(&rig->replica));
    CHECK(replica_volume_entries(&rig->replica) == 0);
}

static void save_with_a_quota_at_write(void *context)
{
    save_beyond_a_quota(context, SYS_write);
}

static void save_with_a_quota_at_fsync(void *context)
{
    save_beyond_a_quota(context, SYS_fsync);
}

static void save_with_a_quota_at_open(void *context)
{
    struct rig *rig = context;
    without_archive(rig);
    sandbox_deny_argument(EDQUOT, SYS_openat, 2,
                          O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC);
    require_no_space(rig, replica_save(&rig->replica));
    CHECK(replica_volume_entries(&rig->replica) == 0);
}

static void an_archive_beyond_the_quota_is_not_published(void **state)
{
    (void)state;
    in_child(save_with_a_quota_at_write);
    in_child(save_with_a_quota_at_fsync);
    in_child(save_with_a_quota_at_open);
}

static void load_beyond_a_quota(struct rig *rig, long number)
{
    aim(rig, "place/cache");
    sandbox_deny(EDQUOT, number);
    require_no_space(rig, replica_load(&rig->replica));
    CHECK(scratch_count(rig->scratch, "place") == 0);
}

static void load_with_a_quota_at_write(void *context)
{
    sandbox_deny(EDQUOT, SYS_write);
    load_beyond_a_quota(context, SYS_pwrite64);
}

static void load_with_a_quota_at_mkdir(void *context)
{
    load_beyond_a_quota(context, SYS_mkdirat);
}

static void a_tree_beyond_the_quota_is_not_installed(void **state)
{
    (void)state;
    in_child(load_with_a_quota_at_write);
    in_child(load_with_a_quota_at_mkdir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_volume_of_any_size_holds_a_whole_archive_or_none),
        cmocka_unit_test(a_volume_without_inodes_holds_no_archive),
        cmocka_unit_test(what_did_not_fit_fits_once_space_is_free),
        cmocka_unit_test(a_floor_crossed_by_another_writer_ends_a_save),
        cmocka_unit_test(a_floor_crossed_just_before_publication_ends_a_save),
        cmocka_unit_test(a_save_does_not_cross_the_floor_itself),
        cmocka_unit_test(a_disk_of_any_size_gets_the_whole_tree_or_nothing),
        cmocka_unit_test(a_disk_without_inodes_gets_nothing),
        cmocka_unit_test(a_disk_that_fills_up_during_a_load_is_left_as_it_was),
        cmocka_unit_test(a_used_destination_is_left_as_it_was),
        cmocka_unit_test(an_archive_beyond_the_file_size_limit_is_not_written),
        cmocka_unit_test(a_tree_beyond_the_file_size_limit_is_not_installed),
        cmocka_unit_test(an_archive_beyond_the_quota_is_not_published),
        cmocka_unit_test(a_tree_beyond_the_quota_is_not_installed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
