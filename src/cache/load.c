#include "cache/load.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/check.h"
#include "archive/reader.h"
#include "archive/unpack.h"
#include "base/guard.h"
#include "cache/identity.h"
#include "cache/names.h"
#include "cache/report.h"
#include "cache/scan.h"
#include "cache/staging.h"
#include "fs/path.h"
#include "fs/space.h"
#include "par/pool.h"

/* More than most hosts' idle processors: they also hide the volume's latency. */
enum { DEFAULT_THREADS = 8 };

/* What every step of one load shares. */
struct load {
    const struct settings *settings;
    struct log *log;
    struct progress *progress;
    struct b10_report *report;
    struct identity identity; /* owned */
    struct volume volume;     /* owned */
};

static void load_guard(struct load *load)
{
    identity_release(&load->identity);
    volume_close(&load->volume);
}

/* A filled local directory is left alone, without a look at the volume; one that a dead load left
 * half filled, entry by entry, is completed. */
static enum b10_reason require_local_absent(const struct settings *settings, struct log *log,
                                            struct b10_error *error)
{
    bool filled = false;
    enum install_marker marker = INSTALL_NO_MARKER;
    TRY(scan_has_files(settings, &filled, error));
    TRY(install_marker_state(settings->local_dir, &marker, error));
    if (marker == INSTALL_MARKER_HELD)
        return error_set(error, B10_REASON_LOCAL_PRESENT, "another load is filling '%s'",
                         settings->local_dir);
    if (marker == INSTALL_MARKER_DEAD) {
        log_info(log, "completing '%s', which an interrupted load left partly filled",
                 settings->local_dir);
        return B10_REASON_OK;
    }
    if (filled)
        return error_set(error, B10_REASON_LOCAL_PRESENT, "'%s' already holds files",
                         settings->local_dir);
    return B10_REASON_OK;
}

/* Whether this archive belongs here: every fact that it was made under is this host's. */
static enum b10_reason admit_facts(const struct load *load, const struct reader *archive,
                                   struct b10_error *error)
{
    char difference[512];
    if (key_matches(&load->identity.key, &load->identity.facts, archive->manifest.facts,
                    archive->manifest.fact_count, difference, sizeof(difference))) {
        if (difference[0] != '\0')
            log_info(load->log, "'%s' was made under other facts: %s", archive->name, difference);
        return B10_REASON_OK;
    }
    return error_set(error, B10_REASON_ABSENT, "'%s' is for another environment: %s", archive->name,
                     difference);
}

/* The nearest existing directory at or above `path`: where what will be written there lands. */
static enum b10_reason open_nearest(int *fd, const char *path, struct b10_error *error)
{
    SCOPED(heap) char *place = NULL;
    TRY(path_join(&place, "", path, error));
    while ((*fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 &&
           (errno == ENOENT || errno == ENOTDIR) && strcmp(place, "/") != 0) {
        char *parent = NULL;
        TRY(path_parent(&parent, place, error));
        heap_guard(&place);
        place = parent;
    }
    if (*fd < 0)
        return error_errno(error, errno, "cannot open '%s'", place);
    return B10_REASON_OK;
}

/* Whether this host can afford what the manifest announces. */
static enum b10_reason admit_size(const struct load *load, const struct reader *archive,
                                  struct b10_error *error)
{
    const struct settings *settings = load->settings;
    const struct manifest_totals *totals = &archive->manifest.totals;
    SCOPED(fd) int place = -1;
    if (totals->bytes / UNPACKED_PER_PACKED > settings->max_cache_bytes)
        return error_set(error, B10_REASON_TOO_LARGE,
                         "'%s' unpacks to %" PRIu64 " bytes, more than %d times MAX_CACHE_SIZE_MB",
                         archive->name, totals->bytes, UNPACKED_PER_PACKED);
    TRY(open_nearest(&place, settings->local_dir, error));
    return space_require(place, settings->local_dir, totals->disk_bytes,
                         totals->files + totals->symlinks + totals->directories,
                         settings->min_local_bytes, error);
}

static void report_load(const struct load *load, const struct reader *archive,
                        const struct unpack_counts *unpacked,
                        const struct install_counts *installed)
{
    struct b10_report *report = load->report;
    report->archive_bytes = (uint64_t)archive->stat.st_size;
    report->content_bytes = unpacked->bytes;
    report->files = unpacked->files;
    report->directories = unpacked->directories;
    report->duplicates = unpacked->duplicates;
    report->existing = installed->existing;
}

/* The road, once. */
static enum b10_reason load_archive(const struct load *load, struct b10_error *error)
{
    SCOPED(reader) struct reader archive = READER_CLOSED;
    SCOPED(staging) struct staging *staging = NULL; /* discarded unless committed */
    struct unpack_counts unpacked = {0};
    struct install_counts installed = {0};
    struct cancel cancel = CANCEL_CLEAR;
    const unsigned wanted = load->settings->threads;
    const unsigned threads = wanted == 0 ? DEFAULT_THREADS : pool_threads(wanted, POOL_THREADS_MAX);

    TRY(names_open_archive(&archive, &load->volume, load->identity.key.text, error));
    TRY(admit_facts(load, &archive, error));
    TRY(admit_size(load, &archive, error));
    TRY(staging_begin(&staging, load->settings, &archive.manifest, load->log, error));
    TRY(unpack(&archive, staging_root_fds(staging), threads, &cancel, load->progress, &unpacked,
               error));
    TRY(progress_phase(load->progress, "install", 0, 0, error));
    TRY(staging_commit(staging, load->log, &installed, error)); /* the only line that others see */
    load->report->roots_left_out = staging_roots_left_out(staging);
    report_load(load, &archive, &unpacked, &installed);
    return B10_REASON_OK;
}

/* ESTALE in the middle: the file was replaced on another host. Opened again it is the new one. */
static enum b10_reason load_current(const struct load *load, struct b10_error *error)
{
    struct b10_error found = ERROR_NONE;
    enum b10_reason reason = load_archive(load, &found);
    if (reason == B10_REASON_OK)
        return B10_REASON_OK;
    if (reason != B10_REASON_IO || found.sys_errno != ESTALE)
        return error_copy(error, &found);
    log_info(load->log, "%s; opening it again", found.message);
    return load_archive(load, error);
}

static bool is_damage(enum b10_reason reason)
{
    return reason == B10_REASON_CORRUPT || reason == B10_REASON_UNSAFE;
}

/* Forgets what this host has cached of the archive, so that the second look asks the volume. */
static void drop_cached_pages(const struct load *load, const char *name)
{
    SCOPED(fd)
    int fd = openat(load->volume.dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
        log_debug(load->log, "cannot drop the cached pages of '%s'", name);
}

/* What a load met may be the local disk's doing: names that differ only in case there, a staging
 * directory that somebody empties. The archive itself is judged without that disk. */
static bool is_damaged_itself(const struct load *load)
{
    SCOPED(reader) struct reader archive = READER_CLOSED;
    struct b10_error found = ERROR_NONE;
    enum b10_reason reason =
        names_open_archive(&archive, &load->volume, load->identity.key.text, &found);
    if (reason == B10_REASON_OK)
        reason = check_archive(&archive, load->progress, &found);
    return is_damage(reason);
}

static void set_aside(const struct load *load, const struct stat *judged)
{
    bool done = false;
    struct b10_error error = ERROR_NONE;
    if (!is_damaged_itself(load)) {
        log_warn(load->log, "the archive of '%s' itself is intact", load->identity.key.text);
        return;
    }
    if (names_set_aside(&load->volume, load->identity.key.text, judged, &done, &error) !=
        B10_REASON_OK) {
        log_warn(load->log, "cannot set the damaged archive aside: %s", error.message);
        return;
    }
    if (done) {
        load->report->archives_set_aside++;
        log_warn(load->log, "the damaged archive of '%s' is set aside; the next save replaces it",
                 load->identity.key.text);
    }
}

/* Damage is believed only when it is seen twice through two separate opens of the same file: a
 * replica with a passing fault neither destroys a good archive nor starts cold because of it. */
static enum b10_reason load_again(const struct load *load, const struct stat *first,
                                  const struct b10_error *damage, struct b10_error *error)
{
    char name[NAMES_SIZE];
    struct stat second;
    struct b10_error again = ERROR_NONE;
    log_warn(load->log, "%s; reading it once more", damage->message);
    names_archive(name, load->identity.key.text);
    drop_cached_pages(load, name);
    const bool known = fstatat(load->volume.dirfd, name, &second, AT_SYMLINK_NOFOLLOW) == 0;
    enum b10_reason reason = load_current(load, &again);
    if (reason == B10_REASON_OK)
        return B10_REASON_OK;
    if (reason == B10_REASON_CANCELLED)
        return error_copy(error, &again);
    if (is_damage(reason) && known && first->st_dev == second.st_dev &&
        first->st_ino == second.st_ino)
        set_aside(load, &second);
    return error_copy(error, damage);
}

enum b10_reason load_cache(const struct settings *settings, struct log *log,
                           struct progress *progress, struct b10_report *report,
                           struct b10_error *error)
{
    SCOPED(load)
    struct load load = {settings, log, progress, report, IDENTITY_NONE, VOLUME_CLOSED};
    struct b10_error damage = ERROR_NONE;
    struct stat judged;

    report_destination(report, settings->local_dir);
    staging_sweep(settings, log);
    TRY(require_local_absent(settings, log, error));
    TRY(identity_collect(&load.identity, settings, error));
    report_key(report, load.identity.key.text);
    TRY(volume_open(&load.volume, settings, false, error));
    report_archive(report, &load.volume, load.identity.key.text);

    char name[NAMES_SIZE];
    names_archive(name, load.identity.key.text);
    const bool known = fstatat(load.volume.dirfd, name, &judged, AT_SYMLINK_NOFOLLOW) == 0;
    enum b10_reason reason = load_current(&load, &damage);
    if (is_damage(reason) && known)
        return load_again(&load, &judged, &damage, error);
    return reason == B10_REASON_OK ? B10_REASON_OK : error_copy(error, &damage);
}
