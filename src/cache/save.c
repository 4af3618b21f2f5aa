#include "cache/save.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/pack.h"
#include "archive/reader.h"
#include "archive/same.h"
#include "archive/writer.h"
#include "base/clock.h"
#include "base/guard.h"
#include "cache/identity.h"
#include "cache/names.h"
#include "cache/report.h"
#include "cache/scan.h"
#include "cache/watchdog.h"
#include "fs/space.h"
#include "fs/tempfile.h"
#include "par/pool.h"

/* What every step of one save shares. */
struct save {
    const struct settings *settings;
    struct log *log;
    struct progress *progress;
    struct b10_report *report;
    struct identity identity; /* owned */
    struct volume volume;     /* owned */
    struct tree tree;         /* owned: what is here */
    struct manifest manifest; /* owned: what is written */
    char name[NAMES_SIZE];    /* of the archive */
    bool replace;             /* an archive is there, and it is to be replaced */
};

static void save_guard(struct save *save)
{
    identity_release(&save->identity);
    volume_close(&save->volume);
    tree_release(&save->tree);
    manifest_release(&save->manifest);
}

static enum b10_reason require_local_files(const struct settings *settings,
                                           struct progress *progress, struct b10_error *error)
{
    bool filled = false;
    TRY(scan_has_files(settings, &filled, progress, error));
    if (!filled)
        return error_set(error, B10_REASON_NOTHING_LOCAL, "'%s' holds nothing to save",
                         settings->local_dir);
    return B10_REASON_OK;
}

/* A shared directory that cannot be there is, for a save, a volume that failed. */
static enum b10_reason open_volume(struct save *save, struct b10_error *error)
{
    struct b10_error found = ERROR_NONE;
    enum b10_reason reason =
        volume_open(&save->volume, save->settings, true, save->progress, &found);
    if (reason == B10_REASON_ABSENT)
        found.code = B10_REASON_IO;
    return error_copy(error, &found);
}

/* A directory in the archive's place cannot be replaced by a rename: it is moved aside. */
static enum b10_reason remove_obstacle(struct save *save, struct b10_error *error)
{
    struct stat stat;
    bool done;
    if (fstatat(save->volume.dirfd, save->name, &stat, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISDIR(stat.st_mode))
        return B10_REASON_OK;
    return names_set_aside(&save->volume, save->identity.key.text, &stat, &done, error);
}

/* Usable: its tail is valid and its facts are this host's, or it is of a newer format. One that
 * cannot be read at all is never replaced: the fault may be this host's. */
static enum b10_reason look_at_stored(struct save *save, struct b10_error *error)
{
    SCOPED(reader) struct reader stored = READER_CLOSED;
    struct b10_error found = ERROR_NONE;
    char difference[512];
    enum b10_reason reason =
        names_open_archive(&stored, &save->volume, save->identity.key.text, &found);
    switch (reason) {
    case B10_REASON_ABSENT:
        return B10_REASON_OK;
    case B10_REASON_FORMAT:
        return error_set(error, B10_REASON_ALREADY_SAVED, "%s", found.message);
    case B10_REASON_CORRUPT:
    case B10_REASON_UNSAFE:
        log_warn(save->log, "%s; it will be replaced", found.message);
        save->replace = true;
        return remove_obstacle(save, error);
    case B10_REASON_OK:
        break;
    default:
        return error_copy(error, &found);
    }
    if (identity_compare(&save->identity, &stored.manifest, difference, sizeof(difference)) ==
        MATCH_EXACT)
        return error_set(error, B10_REASON_ALREADY_SAVED, "'%s' exists", stored.name);
    log_warn(save->log, "'%s' is for another environment and will be replaced: %s", stored.name,
             difference);
    save->replace = true;
    return B10_REASON_OK;
}

/* *to, *made: of the manifest, none before. */
static enum b10_reason copy_facts(struct fact **to, size_t *made, const struct fact *from,
                                  size_t count, struct b10_error *error)
{
    *to = calloc(count + 1, sizeof(**to));
    if (*to == NULL)
        return error_no_memory(error);
    for (; *made < count; ++*made)
        TRY(fact_copy(&(*to)[*made], from[*made].name, from[*made].value, error));
    return B10_REASON_OK;
}

static enum b10_reason describe_environment(struct save *save, struct b10_error *error)
{
    const struct facts *facts = &save->identity.facts;
    const struct recorded *recorded = &save->settings->recorded;
    struct manifest *manifest = &save->manifest;
    manifest->is_recorded = true;
    TRY(copy_facts(&manifest->facts, &manifest->fact_count, facts->items, facts->count, error));
    return copy_facts(&manifest->recorded, &manifest->recorded_count, recorded->items,
                      recorded->count, error);
}

static enum b10_reason describe_roots(struct save *save, struct b10_error *error)
{
    const struct tree *tree = &save->tree;
    struct manifest *manifest = &save->manifest;
    manifest->roots = calloc(tree->root_count, sizeof(*manifest->roots));
    if (manifest->roots == NULL)
        return error_no_memory(error);
    manifest->root_count = tree->root_count;
    for (size_t i = 0; i < tree->root_count; i++) {
        struct manifest_root *root = &manifest->roots[i];
        root->name = strdup(tree->roots[i].name);
        root->origins = calloc(1, sizeof(*root->origins));
        if (root->name == NULL || root->origins == NULL)
            return error_no_memory(error);
        root->origin_count = 1;
        root->origins[0] = strdup(tree->roots[i].origin);
        if (root->origins[0] == NULL)
            return error_no_memory(error);
    }
    return B10_REASON_OK;
}

static enum b10_reason describe(struct save *save, const char *token, struct b10_error *error)
{
    struct manifest *manifest = &save->manifest;
    manifest->format = ARCHIVE_FORMAT;
    manifest->created_s = clock_epoch_s();
    manifest->kind = strdup(save->settings->kind);
    manifest->key = strdup(save->identity.key.text);
    manifest->creator = strdup("b10transfer " B10_VERSION_TEXT);
    if (manifest->kind == NULL || manifest->key == NULL || manifest->creator == NULL)
        return error_no_memory(error);
    memcpy(manifest->token, token, sizeof(manifest->token));
    TRY(describe_environment(save, error));
    return describe_roots(save, error);
}

/* What others will read is read back before they can: its tail, its size, its token. */
static enum b10_reason read_back(const struct save *save, const struct tempfile *file,
                                 uint64_t size, struct b10_error *error)
{
    SCOPED(reader) struct reader written = READER_CLOSED;
    TRY(reader_open(&written, file->dirfd, file->name, file->name, error));
    if ((uint64_t)written.stat.st_size != size ||
        strcmp(written.manifest.token, save->manifest.token) != 0)
        return error_set(error, B10_REASON_IO, "'%s/%s' does not read back as it was written",
                         save->volume.path, file->name);
    return B10_REASON_OK;
}

static void report_save(const struct save *save, const struct pack_counts *packed,
                        const struct scan_counts *scanned, uint64_t size)
{
    const struct manifest_totals *totals = &save->manifest.totals;
    struct b10_report *report = save->report;
    report->archive_bytes = size;
    report->content_bytes = totals->bytes;
    report->files = totals->files + totals->symlinks;
    report->directories = totals->directories;
    report->duplicates = totals->duplicates;
    report->left_out_changed = packed->left_out_changed + scanned->left_out_changed;
    report->left_out_torn = packed->left_out_torn;
    report->left_out_unsafe = packed->left_out_unsafe + scanned->left_out_unsafe;
    report->roots_left_out = scanned->roots_left_out;
}

/* tree → temporary file, complete and synced. */
static enum b10_reason write_archive(struct save *save, struct tempfile *file, uint64_t *size,
                                     struct pack_counts *packed, struct b10_error *error)
{
    SCOPED(writer) struct writer *writer = NULL;
    struct cancel cancel = CANCEL_BELOW(save->progress->stop);
    const struct settings *settings = save->settings;
    const unsigned threads = pool_threads(settings->threads, POOL_THREADS_MAX);

    TRY(writer_open(&writer, file->fd, save->report->archive, settings->max_cache_bytes,
                    save->progress, &save->manifest, error));
    TRY(same_find(&save->tree, threads, &cancel, save->progress, error));
    TRY(pack(&save->tree, writer, &save->manifest, settings->compression_level, threads, &cancel,
             save->progress, packed, error));
    TRY(progress_phase(save->progress, "publish", 0, 0, error));
    TRY(writer_finish(writer, size, error));
    TRY(tempfile_sync(file, error));
    return progress_step(save->progress, error);
}

/* What a save packs, a load accepts. */
static enum b10_reason require_loadable(const struct save *save, struct b10_error *error)
{
    const uint64_t bytes = save->tree.bytes;
    if (bytes / UNPACKED_PER_PACKED > save->settings->max_cache_bytes)
        return error_set(error, B10_REASON_TOO_LARGE,
                         "'%s' holds %" PRIu64 " bytes, more than %d times MAX_CACHE_SIZE_MB",
                         save->settings->local_dir, bytes, UNPACKED_PER_PACKED);
    return B10_REASON_OK;
}

static enum b10_reason require_packed(const struct save *save, struct b10_error *error)
{
    if (save->manifest.totals.files + save->manifest.totals.symlinks > 0)
        return B10_REASON_OK;
    return error_set(error, B10_REASON_NOTHING_LOCAL,
                     "nothing of '%s' could be packed: every file changed, vanished or is torn",
                     save->settings->local_dir);
}

/* Looks once more: a writer that is done within an interval of its watch never saw what it used. */
static enum b10_reason require_floor(const struct save *save, struct b10_error *error)
{
    return space_require(save->volume.dirfd, save->volume.path, 0, 0,
                         save->settings->min_shared_bytes, error);
}

static enum b10_reason publish(const struct save *save, struct tempfile *file,
                               struct b10_error *error)
{
    bool taken = false;
    const bool replace = save->replace || save->settings->save_mode == SAVE_REPLACE;
    TRY(progress_step(save->progress, error)); /* nobody publishes for a caller that has gone */
    TRY(tempfile_publish(file, save->name, replace, &taken, error));
    if (taken)
        return error_set(error, B10_REASON_ALREADY_SAVED,
                         "'%s' was published by another saver meanwhile", save->report->archive);
    return volume_confirm(&save->volume, error);
}

/* The temporary name alone does not tell which volume refuses it. */
static enum b10_reason begin_file(const struct save *save, struct tempfile *file,
                                  struct b10_error *error)
{
    struct b10_error found = ERROR_NONE;
    enum b10_reason reason =
        tempfile_begin(file, save->volume.dirfd, save->identity.key.text, 0666, &found);
    if (reason != B10_REASON_OK && found.sys_errno != 0)
        return error_errno(error, found.sys_errno, "cannot create a file in '%s'",
                           save->volume.path);
    return error_copy(error, &found);
}

/* From the first byte to the last look before publishing. */
static enum b10_reason watch(struct watchdog **watchdog, const struct save *save,
                             struct b10_error *error)
{
    const struct watchdog_ward ward = {.fds = &save->volume.dirfd,
                                       .fd_count = 1,
                                       .name = save->volume.path,
                                       .floor_bytes = save->settings->min_shared_bytes};
    return watchdog_start(watchdog, &ward, save->log, save->progress, error);
}

/* The road. */
static enum b10_reason save_archive(struct save *save, struct b10_error *error)
{
    SCOPED(tempfile) struct tempfile file = TEMPFILE_NONE; /* discarded unless published */
    SCOPED(watchdog) struct watchdog *watchdog = NULL;
    struct scan_counts scanned = {0};
    struct pack_counts packed = {0};
    uint64_t size = 0;

    TRY(space_require(save->volume.dirfd, save->volume.path, 0, 1, save->settings->min_shared_bytes,
                      error));
    TRY(progress_phase(save->progress, "scan", 0, 0, error));
    TRY(scan_roots(save->settings, &save->tree, &scanned, save->log, save->progress, error));
    TRY(require_loadable(save, error));
    TRY(begin_file(save, &file, error));
    TRY(watch(&watchdog, save, error));
    TRY(describe(save, file.token, error));
    TRY(write_archive(save, &file, &size, &packed, error));
    TRY(require_packed(save, error));
    TRY(require_floor(save, error));
    TRY(read_back(save, &file, size, error));
    TRY(publish(save, &file, error)); /* the only line that changes what others see */
    report_save(save, &packed, &scanned, size);
    return B10_REASON_OK;
}

enum b10_reason save_cache(const struct settings *settings, struct log *log,
                           struct progress *progress, struct b10_report *report,
                           struct b10_error *error)
{
    SCOPED(save)
    struct save save = {.settings = settings,
                        .log = log,
                        .progress = progress,
                        .report = report,
                        .identity = IDENTITY_NONE,
                        .volume = VOLUME_CLOSED,
                        .tree = TREE_EMPTY,
                        .manifest = MANIFEST_EMPTY};
    report_destination(report, settings->local_dir);
    if (settings->save_mode == SAVE_NEVER)
        return error_set(error, B10_REASON_READ_ONLY, "B10_SAVE_MODE is 'never'");
    TRY(require_local_files(settings, progress, error));
    TRY(identity_collect(&save.identity, settings, error));
    report_key(report, save.identity.key.text);
    TRY(identity_require_device(&save.identity, B10_REASON_NO_KEY, error));
    names_archive(save.name, save.identity.key.text);
    TRY(open_volume(&save, error));
    report_archive(report, &save.volume, save.identity.key.text);
    if (settings->save_mode == SAVE_IF_ABSENT)
        TRY(look_at_stored(&save, error));
    else
        TRY(remove_obstacle(&save, error));
    return save_archive(&save, error);
}
