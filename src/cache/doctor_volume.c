/* doctor_volume.c: what a save does on the volume, one operation after the other, each judged. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/guard.h"
#include "cache/doctor.h"
#include "fs/dirs.h"
#include "fs/io.h"

enum { PROBE_NAMES = 2, PATTERN_SIZE = 65536 };

/* One examination of an open shared directory. */
struct probe {
    struct findings *findings;
    const struct settings *settings;
    struct volume volume; /* owned */
    bool made;            /* the directory itself */
    char names[PROBE_NAMES][DOCTOR_NAME_SIZE];
};

/* Nothing stays behind, however it ended. */
static void probe_guard(struct probe *probe)
{
    for (size_t i = 0; i < PROBE_NAMES && probe->volume.dirfd >= 0; i++)
        if (probe->names[i][0] != '\0')
            (void)!unlinkat(probe->volume.dirfd, probe->names[i], 0);
    if (probe->made)
        (void)!rmdir(probe->volume.path);
    volume_close(&probe->volume);
}

static enum b10_reason step(const struct probe *probe, struct b10_error *error)
{
    return progress_step(probe->volume.progress, error);
}

static void add(const struct probe *probe, const char *name, enum b10_verdict verdict,
                const char *message)
{
    findings_add(probe->findings, name, verdict, "%s", message);
}

/* `failed`: errno value. */
static void add_failure(const struct probe *probe, const char *name, enum b10_verdict verdict,
                        const char *message, int failed)
{
    findings_add_errno(probe->findings, name, verdict, failed, "%s", message);
}

static int create(const struct probe *probe, const char *name)
{
    return openat(probe->volume.dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}

/* ---- the directory ---- */

static void judge_device(const struct probe *probe)
{
    struct stat root;
    if (stat("/", &root) == 0 && root.st_dev == probe->volume.stat.st_dev)
        add(probe, "volume.mount", B10_VERDICT_WARN,
            "lies on the same file system as '/': if a shared volume belongs there, it is not "
            "mounted, and other replicas see nothing of it");
    else
        add(probe, "volume.mount", B10_VERDICT_OK, "lies on a file system of its own");
}

/* *open false: there is nothing to look at, and that has been told. */
static enum b10_reason open_directory(struct probe *probe, bool *open, struct progress *progress,
                                      struct b10_error *error)
{
    struct b10_error found = ERROR_NONE;
    *open = false;
    enum b10_reason reason = volume_open(&probe->volume, probe->settings, false, progress, &found);
    if (reason == B10_REASON_ABSENT) {
        reason = volume_open(&probe->volume, probe->settings, true, progress, &found);
        probe->made = reason == B10_REASON_OK;
    }
    TRY(progress_step(progress, error));
    if (reason == B10_REASON_CONFIG || reason == B10_REASON_NO_MEMORY)
        return error_copy(error, &found);
    *open = reason == B10_REASON_OK;
    if (!*open)
        findings_add(probe->findings, "volume.directory", B10_VERDICT_FAIL,
                     "%.800s: is the volume mounted, and is B10FS_CACHE_DIR right?", found.message);
    else if (probe->made)
        add(probe, "volume.directory", B10_VERDICT_OK, "does not exist; the first save makes it");
    else
        add(probe, "volume.directory", B10_VERDICT_OK, "is there");
    if (*open)
        judge_device(probe);
    return B10_REASON_OK;
}

static enum b10_reason check_same(const struct probe *probe, struct b10_error *error)
{
    struct b10_error found = ERROR_NONE;
    const enum b10_reason reason = volume_confirm(&probe->volume, &found);
    TRY(step(probe, error));
    if (reason == B10_REASON_OK)
        add(probe, "volume.stays", B10_VERDICT_OK, "is the same directory after all that");
    else
        findings_add(probe->findings, "volume.stays", B10_VERDICT_FAIL, "%s", found.message);
    return B10_REASON_OK;
}

/* ---- files ---- */

/* *fd stays -1 where nothing can be made; then only loads can work here. */
static enum b10_reason check_create(const struct probe *probe, int *fd, struct b10_error *error)
{
    *fd = create(probe, probe->names[0]);
    const int failed = *fd < 0 ? errno : 0;
    TRY(step(probe, error));
    if (failed == 0) {
        add(probe, "volume.write", B10_VERDICT_OK, "files can be made");
        return B10_REASON_OK;
    }
    if (error_reason_of(failed) != B10_REASON_DENIED) {
        add_failure(probe, "volume.write", B10_VERDICT_FAIL, "no file can be made", failed);
        return B10_REASON_OK;
    }
    probe->findings->list.load_only = 1;
    add_failure(probe, "volume.write",
                probe->settings->save_mode == SAVE_NEVER ? B10_VERDICT_OK : B10_VERDICT_WARN,
                "load only: loads work, saves end with DENIED (B10_SAVE_MODE=never says that this "
                "is meant); no file can be made",
                failed);
    return B10_REASON_OK;
}

static enum b10_reason check_exclusive(const struct probe *probe, struct b10_error *error)
{
    SCOPED(fd) int second = create(probe, probe->names[0]);
    const int failed = second < 0 ? errno : 0;
    TRY(step(probe, error));
    if (failed == EEXIST)
        add(probe, "volume.exclusive", B10_VERDICT_OK,
            "a name can be taken only once: of two savers one gets the lock");
    else if (failed == 0)
        add(probe, "volume.exclusive", B10_VERDICT_FAIL,
            "a name can be taken twice: two savers may write the same temporary file");
    else
        add_failure(probe, "volume.exclusive", B10_VERDICT_WARN,
                    "a name that is taken is refused with an unusual error", failed);
    return B10_REASON_OK;
}

static enum b10_reason read_again(const struct probe *probe, const unsigned char *expected,
                                  bool *same, struct b10_error *error)
{
    SCOPED(heap) unsigned char *found = malloc(PATTERN_SIZE);
    SCOPED(fd)
    int fd = openat(probe->volume.dirfd, probe->names[0], O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    size_t got = 0;
    if (found == NULL)
        return error_no_memory(error);
    *same = fd >= 0 && io_pread(fd, found, PATTERN_SIZE, 0, &got, "", NULL) == B10_REASON_OK &&
            got == PATTERN_SIZE && memcmp(found, expected, PATTERN_SIZE) == 0;
    return step(probe, error);
}

static enum b10_reason check_content(const struct probe *probe, int fd, struct b10_error *error)
{
    SCOPED(heap) unsigned char *pattern = malloc(PATTERN_SIZE);
    struct b10_error found = ERROR_NONE;
    bool same = false;
    if (pattern == NULL)
        return error_no_memory(error);
    for (size_t i = 0; i < PATTERN_SIZE; i++)
        pattern[i] = (unsigned char)(i * 31 + i / 256);
    const enum b10_reason written = io_write_full(fd, pattern, PATTERN_SIZE, "a file", &found);
    TRY(step(probe, error));
    if (written != B10_REASON_OK) {
        findings_add(probe->findings, "volume.read_back", B10_VERDICT_FAIL, "%s", found.message);
        return B10_REASON_OK;
    }
    TRY(read_again(probe, pattern, &same, error));
    if (same)
        add(probe, "volume.read_back", B10_VERDICT_OK,
            "what was written is read back the same through a second descriptor");
    else
        add(probe, "volume.read_back", B10_VERDICT_FAIL,
            "what was written is not what a second descriptor reads: every save ends with IO");
    return B10_REASON_OK;
}

static enum b10_reason check_sync(const struct probe *probe, int fd, struct b10_error *error)
{
    const int file = fsync(fd) == 0 ? 0 : errno;
    TRY(step(probe, error));
    const int directory = fsync(probe->volume.dirfd) == 0 ? 0 : errno;
    TRY(step(probe, error));
    if (file == 0)
        add(probe, "volume.fsync", B10_VERDICT_OK, "a file can be made durable");
    else
        add_failure(probe, "volume.fsync", B10_VERDICT_FAIL,
                    "a file cannot be made durable, and saves end with IO", file);
    if (directory == 0)
        add(probe, "volume.fsync_directory", B10_VERDICT_OK, "a name can be made durable");
    else if (directory == EINVAL || directory == ENOTSUP)
        add(probe, "volume.fsync_directory", B10_VERDICT_WARN,
            "has no fsync of directories: after a power failure of the volume the last archive may "
            "be missing");
    else
        add_failure(probe, "volume.fsync_directory", B10_VERDICT_FAIL,
                    "a name cannot be made durable, and saves end with IO", directory);
    return B10_REASON_OK;
}

static enum b10_reason check_mtime(const struct probe *probe, int fd, struct b10_error *error)
{
    static const long steps_ns[] = {1, 100, 1000, 1000000, 1000000000};
    const long wanted = 123456700 + 89;
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                      {.tv_sec = 1700000001, .tv_nsec = wanted}};
    struct stat stat;
    const bool set = futimens(fd, times) == 0 && fstat(fd, &stat) == 0;
    TRY(step(probe, error));
    for (size_t i = 0; set && i < sizeof(steps_ns) / sizeof(*steps_ns); i++) {
        if (stat.st_mtim.tv_sec != 1700000001 ||
            stat.st_mtim.tv_nsec != wanted - wanted % steps_ns[i])
            continue;
        const bool coarse = steps_ns[i] > 1000000;
        add(probe, "volume.mtime", coarse ? B10_VERDICT_WARN : B10_VERDICT_OK,
            coarse ? "keeps modification times in whole seconds: of two archives of one second "
                     "either may count as the newer one"
                   : "keeps modification times finely enough");
        findings_measure(probe->findings, (double)steps_ns[i], "ns");
        return B10_REASON_OK;
    }
    add(probe, "volume.mtime", B10_VERDICT_WARN,
        "does not keep a modification time that is set: the order of `list` may be wrong");
    return B10_REASON_OK;
}

/* ---- names ---- */

static enum b10_reason check_link(const struct probe *probe, struct b10_error *error)
{
    const int dirfd = probe->volume.dirfd;
    const int failed = linkat(dirfd, probe->names[0], dirfd, probe->names[1], 0) == 0 ? 0 : errno;
    TRY(step(probe, error));
    if (failed == 0)
        add(probe, "volume.link", B10_VERDICT_OK,
            "has hard links: of savers at the same moment exactly one publishes");
    else
        add_failure(probe, "volume.link", B10_VERDICT_WARN,
                    "has no hard links: taking a lock relies on exclusive creation instead",
                    failed);
    (void)!unlinkat(dirfd, probe->names[1], 0);
    return step(probe, error);
}

/* 0 or errno. Done, it is undone: the rest needs the file under its first name. */
static int rename_noreplace(const struct probe *probe)
{
    const int dirfd = probe->volume.dirfd;
    if (renameat2(dirfd, probe->names[0], dirfd, probe->names[1], RENAME_NOREPLACE) != 0)
        return errno;
    (void)!renameat(dirfd, probe->names[1], dirfd, probe->names[0]);
    return 0;
}

/* To a free name first: that a name is taken the kernel says itself, without asking the volume. */
static enum b10_reason check_noreplace(const struct probe *probe, struct b10_error *error)
{
    const int to_free = rename_noreplace(probe);
    TRY(step(probe, error));
    SCOPED(fd) int other = create(probe, probe->names[1]);
    TRY(step(probe, error));
    const int to_taken = rename_noreplace(probe);
    TRY(step(probe, error));
    if (to_taken == 0)
        add(probe, "volume.rename_noreplace", B10_VERDICT_FAIL,
            "says to have RENAME_NOREPLACE, and replaces");
    else if (to_free == 0 && to_taken == EEXIST)
        add(probe, "volume.rename_noreplace", B10_VERDICT_OK,
            "has RENAME_NOREPLACE: a name that is taken is left alone");
    else
        add_failure(probe, "volume.rename_noreplace", B10_VERDICT_WARN,
                    "has no RENAME_NOREPLACE: link(), or a look before the rename, does its work; "
                    "with neither a save that loses a race replaces a complete archive by another",
                    to_free != 0 ? to_free : to_taken);
    return step(probe, error);
}

/* names[1] exists, and is replaced. */
static enum b10_reason check_rename(const struct probe *probe, struct b10_error *error)
{
    const int dirfd = probe->volume.dirfd;
    struct stat moved;
    struct stat now;
    const bool known = fstatat(dirfd, probe->names[0], &moved, AT_SYMLINK_NOFOLLOW) == 0;
    TRY(step(probe, error));
    const int failed = renameat(dirfd, probe->names[0], dirfd, probe->names[1]) == 0 ? 0 : errno;
    TRY(step(probe, error));
    const bool there = fstatat(dirfd, probe->names[1], &now, AT_SYMLINK_NOFOLLOW) == 0;
    const bool gone = faccessat(dirfd, probe->names[0], F_OK, AT_SYMLINK_NOFOLLOW) != 0;
    TRY(step(probe, error));
    if (failed != 0)
        add_failure(probe, "volume.rename", B10_VERDICT_FAIL,
                    "a file cannot replace another by rename, and no save can publish", failed);
    else if (!known || !there || moved.st_size != now.st_size || !gone)
        add(probe, "volume.rename", B10_VERDICT_WARN,
            "a rename is not seen at once: another replica may for a moment see the old archive, "
            "or none");
    else
        add(probe, "volume.rename", B10_VERDICT_OK,
            "a file replaces another in one step: readers see the old archive or the new one");
    return B10_REASON_OK;
}

/* `expected`: a name that is there, NULL: none is known. */
static enum b10_reason check_listing(const struct probe *probe, const char *expected,
                                     struct b10_error *error)
{
    SCOPED(dirs_names) struct dirs_names names = {0};
    struct b10_error found = ERROR_NONE;
    bool seen = expected == NULL;
    const enum b10_reason reason =
        dirs_list(&names, probe->volume.dirfd, probe->volume.path, &found);
    TRY(step(probe, error));
    if (reason == B10_REASON_NO_MEMORY)
        return error_copy(error, &found);
    if (reason != B10_REASON_OK) {
        findings_add(probe->findings, "volume.listing", B10_VERDICT_FAIL, "%s", found.message);
        return B10_REASON_OK;
    }
    for (size_t i = 0; i < names.count && !seen; i++)
        seen = strcmp(names.names[i], expected) == 0;
    if (seen)
        add(probe, "volume.listing", B10_VERDICT_OK,
            expected == NULL ? "can be listed" : "a listing shows what was just made");
    else
        add(probe, "volume.listing", B10_VERDICT_WARN,
            "a listing does not show what was just made: another replica may for a moment not see "
            "a new archive, and more savers than MAX_CONCURRENT_SAVES may run");
    findings_measure(probe->findings, (double)names.count, "names");
    return B10_REASON_OK;
}

/* ---- all of it ---- */

static enum b10_reason check_files(const struct probe *probe, int fd, struct b10_error *error)
{
    TRY(check_exclusive(probe, error));
    TRY(check_content(probe, fd, error));
    TRY(check_sync(probe, fd, error));
    TRY(check_mtime(probe, fd, error));
    TRY(check_link(probe, error));
    TRY(check_noreplace(probe, error));
    TRY(check_rename(probe, error));
    TRY(check_listing(probe, probe->names[1], error));
    return doctor_space(probe->findings, "volume", probe->volume.dirfd,
                        probe->settings->min_shared_bytes, "MIN_B10FS_SPACE_MB", "saves end",
                        probe->volume.progress, error);
}

enum b10_reason doctor_volume(struct findings *findings, const struct settings *settings,
                              struct progress *progress, struct b10_error *error)
{
    SCOPED(probe)
    struct probe probe = {.findings = findings, .settings = settings, .volume = VOLUME_CLOSED};
    SCOPED(fd) int fd = -1;
    bool open;
    TRY(open_directory(&probe, &open, progress, error));
    if (!open)
        return B10_REASON_OK;
    for (size_t i = 0; i < PROBE_NAMES; i++)
        TRY(doctor_name(probe.names[i], error));
    TRY(check_create(&probe, &fd, error));
    TRY(fd >= 0 ? check_files(&probe, fd, error) : check_listing(&probe, NULL, error));
    TRY(doctor_latency(findings, &probe.volume, fd >= 0, error));
    return check_same(&probe, error);
}
