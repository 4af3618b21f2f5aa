#include "cache/load.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/reader.h"
#include "archive/unpack.h"
#include "base/guard.h"
#include "cache/attempt.h"
#include "cache/identity.h"
#include "cache/listing.h"
#include "cache/relocate.h"
#include "cache/report.h"
#include "cache/scan.h"
#include "cache/staging.h"
#include "cache/suspect.h"
#include "cache/watchdog.h"
#include "fs/path.h"
#include "fs/space.h"
#include "par/pool.h"

/* More than most hosts' idle processors: they also hide the volume's latency. */
enum { DEFAULT_THREADS = 8 };

/* Archives of similar keys whose tails are read, at most. */
enum { FALLBACKS_MAX = 16 };

/* What every step of one load shares. */
struct load {
    const struct settings *settings;
    struct log *log;
    struct progress *progress;
    struct b10_report *report;
    struct identity identity;    /* owned */
    struct volumes volumes;      /* owned: the search path */
    const struct volume *volume; /* where the archive that is tried lies */
    const char *key;             /* of that archive */
    bool admitted;               /* its facts allow it */
    char difference[512];        /* in what they differ */
    int looked_at;               /* similar ones so far */
    struct b10_error first;      /* see note_failure */
    struct b10_error nearest;
};

static void load_guard(struct load *load)
{
    identity_release(&load->identity);
    volumes_close(&load->volumes);
}

/* A filled local directory is left alone, without a look at the volume, unless what it lacks is asked
 * for; one that a dead load left half filled, entry by entry, is completed. */
static enum b10_reason require_local_absent(const struct settings *settings, struct log *log,
                                            struct progress *progress, struct b10_error *error)
{
    bool filled = false;
    enum install_marker marker = INSTALL_NO_MARKER;
    TRY(scan_has_files(settings, &filled, progress, error));
    TRY(install_marker_state(settings->local_dir, &marker, error));
    if (marker == INSTALL_MARKER_HELD)
        return error_set(error, B10_REASON_LOCAL_PRESENT, "another load is filling '%s'",
                         settings->local_dir);
    if (marker == INSTALL_MARKER_DEAD) {
        log_info(log, "completing '%s', which an interrupted load left partly filled",
                 settings->local_dir);
        return B10_REASON_OK;
    }
    if (filled && settings->load_mode != LOAD_MERGE)
        return error_set(error, B10_REASON_LOCAL_PRESENT, "'%s' already holds files",
                         settings->local_dir);
    return B10_REASON_OK;
}

static bool is_exact(const struct load *load)
{
    return load->key == load->identity.key.text;
}

/* Whether this archive may be used here: every fact that it was made under is this host's, or, of
 * another key, differs in a way that does no harm. */
static enum b10_reason admit_facts(struct load *load, const struct reader *archive,
                                   struct b10_error *error)
{
    const enum match wanted = is_exact(load) ? MATCH_EXACT : MATCH_FALLBACK;
    load->admitted = identity_compare(&load->identity, &archive->manifest, load->difference,
                                      sizeof(load->difference)) == wanted;
    if (!load->admitted)
        return error_set(error, B10_REASON_ABSENT, "'%s' is for another environment: %s",
                         archive->name, load->difference);
    if (is_exact(load) && load->difference[0] != '\0')
        log_info(load->log, "'%s' was made under other facts: %s", archive->name, load->difference);
    return B10_REASON_OK;
}

/* Intact as it is: servers died of it. */
static enum b10_reason refuse_suspect(const struct load *load, const struct reader *archive,
                                      struct b10_error *error)
{
    bool marked = false;
    TRY(suspect_is_marked(load->volume, load->key, &archive->manifest, &marked, error));
    if (!marked)
        return B10_REASON_OK;
    load->report->suspect++;
    return error_set(error, B10_REASON_ABSENT,
                     "'%s' is suspect: servers on %d hosts or more did not start with it",
                     archive->name, SUSPECT_BOOTS);
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
                        const struct unpack_counts *unpacked, const struct install *installed)
{
    struct b10_report *report = load->report;
    report_token(report, archive->manifest.token);
    report->archive_bytes = (uint64_t)archive->stat.st_size;
    report->content_bytes = unpacked->bytes;
    report->files = unpacked->files;
    report->directories = unpacked->directories;
    report->duplicates = unpacked->duplicates;
    report->existing = installed->existing;
}

/* While it unpacks. */
static enum b10_reason watch_space(struct watchdog **watchdog, const struct load *load,
                                   const struct staging *staging, const struct reader *archive,
                                   struct b10_error *error)
{
    const struct watchdog_ward ward = {.fds = staging_root_fds(staging),
                                       .fd_count = archive->manifest.root_count,
                                       .name = load->settings->local_dir,
                                       .floor_bytes = load->settings->min_local_bytes};
    return watchdog_start(watchdog, &ward, load->log, load->progress, error);
}

static enum b10_reason begin_relocation(struct relocation **relocation,
                                        const struct staging *staging, const struct reader *archive,
                                        struct b10_error *error)
{
    const struct manifest *manifest = &archive->manifest;
    SCOPED(heap) struct relocate_place *places = calloc(manifest->root_count, sizeof(*places));
    if (places == NULL)
        return error_no_memory(error);
    for (size_t i = 0; i < manifest->root_count; i++)
        places[i] = staging_place(staging, i);
    return relocation_begin(relocation, manifest, places, error);
}

static enum b10_reason finish_relocation(const struct load *load, struct relocation *relocation,
                                         struct b10_error *error)
{
    struct relocate_counts counts;
    TRY(relocation_finish(relocation, load->log, load->progress, &counts, error));
    load->report->relocated_files = counts.relocated;
    load->report->unrelocated_files = counts.unrelocated;
    return B10_REASON_OK;
}

/* The road, once. */
static enum b10_reason load_archive(struct load *load, struct b10_error *error)
{
    SCOPED(reader) struct reader archive = READER_CLOSED;
    SCOPED(staging) struct staging *staging = NULL; /* discarded unless committed */
    SCOPED(relocation) struct relocation *relocation = NULL;
    SCOPED(watchdog) struct watchdog *watchdog = NULL;
    struct unpack_counts unpacked = {0};
    struct install installed = {.progress = load->progress};
    struct cancel cancel = CANCEL_BELOW(load->progress->stop);
    const unsigned wanted = load->settings->threads;
    const unsigned threads = wanted == 0 ? DEFAULT_THREADS : pool_threads(wanted, POOL_THREADS_MAX);

    TRY(names_open_archive(&archive, load->volume, load->key, error));
    TRY(admit_facts(load, &archive, error));
    TRY(refuse_suspect(load, &archive, error));
    TRY(admit_size(load, &archive, error));
    TRY(staging_begin(&staging, load->settings, &archive.manifest, load->log, error));
    TRY(begin_relocation(&relocation, staging, &archive, error));
    TRY(watch_space(&watchdog, load, staging, &archive, error));
    TRY(unpack(&archive, staging_root_fds(staging), relocation_filter(relocation), threads, &cancel,
               load->progress, &unpacked, error));
    fd_guard(&archive.fd); /* its close may hang, and must not once everything is installed */
    TRY(progress_phase(load->progress, "install", 0, 0, error));
    TRY(finish_relocation(load, relocation, error));
    TRY(staging_commit(staging, load->log, &installed, error)); /* the only line that others see */
    load->report->roots_left_out = staging_roots_left_out(staging);
    report_load(load, &archive, &unpacked, &installed);
    return B10_REASON_OK;
}

static enum b10_reason load_once(void *user, struct b10_error *error)
{
    return load_archive(user, error);
}

/* Everything that is done about one archive. */
static enum b10_reason try_archive(struct load *load, const char *key, struct b10_error *error)
{
    const struct attempt attempt = {.volume = load->volume,
                                    .key = key,
                                    .log = load->log,
                                    .report = load->report,
                                    .load = load_once,
                                    .user = load};
    load->key = key;
    load->admitted = false;
    load->difference[0] = '\0';
    return attempt_run(&attempt, error);
}

/* ---- fallbacks ---- */

/* *listed: to be freed. */
static enum b10_reason list_similar(const struct load *load, struct listed **listed, size_t *count,
                                    struct b10_error *error)
{
    char prefix[B10_KEY_SIZE];
    key_fallback_prefix(prefix, &load->identity.key, &load->identity.facts);
    if (prefix[0] == '\0')
        return B10_REASON_OK;
    return listing_read(listed, count, load->volume, prefix, "", error);
}

/* Whether the next archive is tried after this failure of one. What is wrong with an archive that
 * may not even be for this host is no reason to stop. */
static bool leads_on(const struct load *load, enum b10_reason reason)
{
    switch (reason) {
    case B10_REASON_ABSENT:
    case B10_REASON_CORRUPT:
    case B10_REASON_UNSAFE:
    case B10_REASON_FORMAT:
        return true;
    case B10_REASON_NO_SPACE:
    case B10_REASON_TOO_LARGE:
        return !is_exact(load);
    case B10_REASON_DENIED:
        return !is_exact(load) && !load->admitted;
    default:
        return false;
    }
}

static void report_fallback(const struct load *load)
{
    struct b10_report *report = load->report;
    report->fallback = 1;
    snprintf(report->difference, sizeof(report->difference), "%s", load->difference);
    log_info(load->log, "%s; loaded '%s' in its place, which differs in %s", load->first.message,
             report->archive, load->difference);
}

/* `first`: the failure that counts in the end, that of the first archive which should have been
 * usable; `nearest`: of the first that is for another environment. */
static void note_failure(struct load *load, const struct b10_error *found)
{
    const bool should_fit = is_exact(load) || load->admitted;
    if (load->first.code == B10_REASON_OK ||
        (should_fit && load->first.code == B10_REASON_ABSENT && found->code != B10_REASON_ABSENT))
        load->first = *found;
    else if (found->code != B10_REASON_ABSENT)
        log_warn(load->log, "%s", found->message);
    else if (load->nearest.code == B10_REASON_OK && load->difference[0] != '\0')
        load->nearest = *found;
}

/* *done: no further archive is to be tried; the reason is what the load comes to. */
static enum b10_reason try_next(struct load *load, const char *key, bool *done,
                                struct b10_error *error)
{
    struct b10_error found = ERROR_NONE;
    const enum b10_reason reason = try_archive(load, key, &found);
    *done = reason == B10_REASON_OK || !leads_on(load, reason);
    if (reason == B10_REASON_OK) {
        report_archive(load->report, load->volume, key);
        if (!is_exact(load))
            report_fallback(load);
        return B10_REASON_OK;
    }
    if (*done)
        return error_copy(error, &found);
    note_failure(load, &found);
    return B10_REASON_OK;
}

/* The newest archives of this directory that may stand in for the exact one. */
static enum b10_reason try_similar(struct load *load, bool *done, struct b10_error *error)
{
    SCOPED(heap) struct listed *listed = NULL;
    size_t count = 0;
    TRY(list_similar(load, &listed, &count, error));
    for (size_t i = 0; i < count && !*done && load->looked_at < FALLBACKS_MAX; i++) {
        const char *key = listed[i].entry.environment_key;
        if (strcmp(key, load->identity.key.text) == 0)
            continue;
        load->looked_at++;
        TRY(try_next(load, key, done, error));
    }
    return B10_REASON_OK;
}

/* The exact key in every directory, then what is similar in every directory. */
static enum b10_reason search(struct load *load, struct b10_error *error)
{
    const struct volumes *volumes = &load->volumes;
    bool done = false;
    load->first = volumes->failure;
    for (size_t i = 0; i < volumes->count && !done; i++) {
        load->volume = &volumes->items[i];
        TRY(try_next(load, load->identity.key.text, &done, error));
    }
    for (size_t i = 0; i < volumes->count && !done; i++) {
        load->volume = &volumes->items[i];
        TRY(try_similar(load, &done, error));
    }
    if (done)
        return B10_REASON_OK;
    if (load->nearest.code != B10_REASON_OK)
        log_info(load->log, "the nearest archive does not fit: %s", load->nearest.message);
    return error_copy(error, &load->first);
}

enum b10_reason load_cache(const struct settings *settings, struct log *log,
                           struct progress *progress, struct b10_report *report,
                           struct b10_error *error)
{
    SCOPED(load)
    struct load load = {.settings = settings,
                        .log = log,
                        .progress = progress,
                        .report = report,
                        .identity = IDENTITY_NONE,
                        .nearest = ERROR_NONE};
    report_destination(report, settings->local_dir);
    staging_sweep(settings, log);
    TRY(require_local_absent(settings, log, progress, error));
    TRY(identity_collect(&load.identity, settings, error));
    report_key(report, load.identity.key.text);
    TRY(identity_require_device(&load.identity, B10_REASON_ABSENT, error));
    TRY(volumes_open(&load.volumes, settings, log, progress, error));
    report_archive(report, &load.volumes.items[0], load.identity.key.text);
    return search(&load, error);
}
