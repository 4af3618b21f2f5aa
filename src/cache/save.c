#include "cache/save.h"

#include <inttypes.h>
#include <string.h>

#include "archive/append.h"
#include "archive/pack.h"
#include "archive/same.h"
#include "archive/writer.h"
#include "base/guard.h"
#include "cache/describe.h"
#include "cache/report.h"
#include "cache/save_merged.h"
#include "cache/saving.h"
#include "cache/suspect.h"
#include "fs/space.h"
#include "fs/tempfile.h"
#include "par/pool.h"

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

static enum b10_reason describe(struct save *save, const char *token, struct b10_error *error)
{
    manifest_release(&save->manifest);
    if (save->merge.plan == MERGE_ADD)
        merge_take_books(&save->merge, &save->manifest);
    return describe_archive(&save->manifest, save->settings, &save->identity, &save->gather.tree,
                            token, error);
}

/* What others will read is read back before they can: its tail, its size, its token. */
static enum b10_reason read_back(const struct save *save, struct tempfile *file, uint64_t size,
                                 struct b10_error *error)
{
    SCOPED(reader) struct reader written = READER_CLOSED;
    TRY(reader_open(&written, file->dirfd, file->name, file->name, error));
    if ((uint64_t)written.stat.st_size != size ||
        strcmp(written.manifest.token, save->manifest.token) != 0)
        return error_set(error, B10_REASON_IO, "'%s/%s' does not read back as it was written",
                         save->volume.path, file->name);
    tempfile_seen(file, &written.stat);
    return B10_REASON_OK;
}

static void report_save(const struct save *save, const struct pack_counts *packed, uint64_t size)
{
    const struct manifest_totals *totals = &save->manifest.totals;
    const struct manifest_totals *before = &save->merge.before; /* merged: what was there */
    const struct scan_counts *scanned = &save->gather.scanned;
    struct b10_report *report = save->report;
    report_token(report, save->manifest.token);
    report->archive_bytes = size;
    report->content_bytes = totals->bytes - before->bytes;
    report->merged_files = before->files + before->symlinks;
    report->files = totals->files + totals->symlinks - report->merged_files;
    report->directories = totals->directories - before->directories;
    report->duplicates = totals->duplicates - before->duplicates;
    report->left_out_changed = packed->left_out_changed + scanned->left_out_changed;
    report->left_out_torn = packed->left_out_torn;
    report->left_out_unsafe = packed->left_out_unsafe + scanned->left_out_unsafe;
    report->roots_left_out = scanned->roots_left_out;
}

/* (archive that is there +) tree → temporary file, complete and synced. */
static enum b10_reason write_archive(struct save *save, struct tempfile *file, uint64_t *size,
                                     struct pack_counts *packed, struct b10_error *error)
{
    SCOPED(writer) struct writer *writer = NULL;
    struct cancel cancel = CANCEL_BELOW(save->progress->stop);
    SCOPED(append) struct append append = APPEND_NONE; /* ends before what it uses */
    const struct settings *settings = save->settings;
    const unsigned threads = pool_threads(settings->threads, POOL_THREADS_MAX);
    const bool is_beside = threads > 1;
    const bool is_added = save->merge.plan == MERGE_ADD;

    TRY(writer_open(&writer, file->fd, save->report->archive, settings->max_cache_bytes, is_beside,
                    save->progress, &save->manifest, error));
    if (is_added)
        append_begin(&append, writer, &save->merge.stored, &save->merge.index, is_beside, &cancel,
                     save->progress);
    if (!save->gather.compares)
        TRY(same_find(&save->gather.tree, threads, &cancel, save->progress, error));
    TRY(pack(&save->gather.tree, writer, &save->manifest, is_added ? &append : NULL,
             settings->compression_level, threads, &cancel, save->progress, packed, error));
    if (is_added)
        TRY(merge_end(&save->merge, &save->manifest, error));
    TRY(progress_phase(save->progress, "publish", 0, 0, error));
    TRY(writer_finish(writer, size, error));
    TRY(tempfile_sync(file, error));
    return progress_step(save->progress, error);
}

/* What a save packs, a load accepts. */
static enum b10_reason require_loadable(const struct save *save, struct b10_error *error)
{
    const uint64_t bytes = save->gather.tree.bytes;
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

/* Somebody else has published: what they did not have is not lost by publishing nothing, but what
 * they had would be by publishing. */
static enum b10_reason say_outdated(struct save *save, struct b10_error *error)
{
    save->outdated = true;
    return error_set(error, B10_REASON_IN_PROGRESS,
                     "'%s' was replaced by another saver while it was being added to",
                     save->report->archive);
}

static enum b10_reason require_current(struct save *save, struct b10_error *error)
{
    bool same = true;
    if (save->merge.stored.fd >= 0)
        TRY(merge_confirm(&save->merge, &save->volume, save->identity.key.text, &same, error));
    return same ? B10_REASON_OK : say_outdated(save, error);
}

static enum b10_reason publish(struct save *save, struct tempfile *file, struct b10_error *error)
{
    bool taken = false;
    const bool replace = save->replace || save->settings->save_mode == SAVE_REPLACE;
    TRY(tempfile_close(file, error));
    TRY(turn_confirm(&save->turn, error));
    TRY(progress_step(save->progress, error)); /* nobody publishes for a caller that has gone */
    save->is_offered = true;
    TRY(tempfile_publish(file, save->name, replace, &taken, error));
    if (taken && save->settings->save_mode == SAVE_MERGE)
        return say_outdated(save, error);
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

/* The second half of the road: from the tree to the volume. */
static enum b10_reason store_tree(struct save *save, struct b10_error *error)
{
    SCOPED(tempfile) struct tempfile file = TEMPFILE_NONE; /* discarded unless published */
    struct pack_counts packed = {0};
    uint64_t size = 0;

    TRY(require_loadable(save, error));
    TRY(begin_file(save, &file, error));
    TRY(describe(save, file.token, error));
    TRY(write_archive(save, &file, &size, &packed, error));
    TRY(require_packed(save, error));
    TRY(require_floor(save, error));
    TRY(read_back(save, &file, size, error));
    TRY(require_current(save, error));
    TRY(publish(save, &file, error)); /* the only line that changes what others see */
    report_save(save, &packed, size);
    suspect_forget(&save->volume, &save->turn.others.names, save->identity.key.text,
                   &save->manifest);
    return B10_REASON_OK;
}

/* The road. */
static enum b10_reason save_archive(struct save *save, struct b10_error *error)
{
    TRY(space_require(save->volume.dirfd, save->volume.path, 0, 1, save->settings->min_shared_bytes,
                      error));
    if (save->settings->save_mode == SAVE_MERGE)
        return save_merged(save, store_tree, error);
    TRY(gather_wait(&save->gather, error));
    return store_tree(save, error);
}

/* A look before the lock costs little, and is mostly the last. What is here is gathered meanwhile.
 * Merging, the turn is taken when it is clear that there is something to add. */
static enum b10_reason save_in_turn(struct save *save, struct b10_error *error)
{
    const enum save_mode mode = save->settings->save_mode;
    if (mode == SAVE_IF_ABSENT)
        TRY(saving_look(save, error));
    TRY(gather_begin(&save->gather, save->settings, mode != SAVE_MERGE, save->log, save->progress,
                     error));
    if (mode != SAVE_MERGE)
        TRY(saving_take_turn(save, error));
    if (mode == SAVE_IF_ABSENT)
        TRY(saving_look(save, error));
    if (mode == SAVE_REPLACE)
        TRY(saving_make_way(save, error));
    return save_archive(save, error);
}

/* Who stalled for so long that another saver took the turn may find its file swept away: that is no
 * failure of the volume. A file that is gone for no such reason is one. */
static enum b10_reason explain(struct save *save, const struct b10_error *found,
                               struct b10_error *error)
{
    struct b10_error lost = ERROR_NONE;
    struct b10_error failure = *found;
    const bool is_absence = found->code == B10_REASON_ABSENT;
    if (save->has_turn && (is_absence || found->code == B10_REASON_IO) &&
        turn_confirm(&save->turn, &lost) == B10_REASON_IN_PROGRESS)
        return error_copy(error, &lost);
    if (is_absence)
        failure.code = B10_REASON_IO;
    return error_copy(error, &failure);
}

enum b10_reason save_cache(const struct settings *settings, struct log *log,
                           struct progress *progress, struct b10_report *report,
                           struct b10_error *error)
{
    SCOPED(saving)
    struct save save = {.settings = settings,
                        .log = log,
                        .progress = progress,
                        .report = report,
                        .identity = IDENTITY_NONE,
                        .volume = VOLUME_CLOSED,
                        .turn = TURN_NONE,
                        .gather = GATHER_NONE,
                        .manifest = MANIFEST_EMPTY,
                        .merge = MERGE_NONE};
    report_destination(report, settings->local_dir);
    if (settings->save_mode == SAVE_NEVER)
        return error_set(error, B10_REASON_READ_ONLY, "B10_SAVE_MODE is 'never'");
    TRY(require_local_files(settings, progress, error));
    TRY(identity_collect(&save.identity, settings, error));
    report_key(report, save.identity.key.text);
    TRY(identity_require_device(&save.identity, B10_REASON_NO_KEY, error));
    names_archive(save.name, save.identity.key.text);
    TRY(saving_open_volume(&save, error));
    report_archive(report, &save.volume, save.identity.key.text);
    struct b10_error found = ERROR_NONE;
    enum b10_reason reason = save_in_turn(&save, &found);
    error_complete(&found, reason);
    return explain(&save, &found, error);
}
