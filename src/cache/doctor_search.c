/* doctor_search.c: the directories that a load searches beyond B10FS_CACHE_DIR. One that is of no use
 * keeps no load from the others, so nothing here is more than a warning. */
#include "base/clock.h"
#include "base/guard.h"
#include "cache/doctor.h"
#include "fs/dirs.h"

static const char check[] = "read.directory";

static void judge_listing(struct findings *findings, const char *path, double ms)
{
    if (ms > DOCTOR_SLOW_MS)
        findings_add(findings, check, B10_VERDICT_WARN,
                     "'%.800s' is slow to list: every load that finds nothing better waits for it",
                     path);
    else
        findings_add(findings, check, B10_VERDICT_OK, "'%.800s' can be read and listed", path);
    findings_measure(findings, ms, "ms");
}

static enum b10_reason list_it(struct findings *findings, const struct volume *volume,
                               struct b10_error *error)
{
    SCOPED(dirs_names) struct dirs_names names = {0};
    struct b10_error found = ERROR_NONE;
    const uint64_t began_ns = clock_now_ns();
    const enum b10_reason reason = dirs_list(&names, volume->dirfd, volume->path, &found);
    const double ms = (double)(clock_now_ns() - began_ns) / 1e6;
    TRY(progress_step(volume->progress, error));
    if (reason == B10_REASON_NO_MEMORY)
        return error_copy(error, &found);
    if (reason == B10_REASON_OK)
        judge_listing(findings, volume->path, ms);
    else
        findings_add(findings, check, B10_VERDICT_WARN,
                     "%.700s: only the archive of exactly this environment is found there",
                     found.message);
    return B10_REASON_OK;
}

static enum b10_reason look_at(struct findings *findings, const struct settings *settings,
                               size_t number, struct progress *progress, struct b10_error *error)
{
    SCOPED(volume) struct volume volume = VOLUME_CLOSED;
    struct b10_error found = ERROR_NONE;
    const enum b10_reason reason = volume_open_further(&volume, settings, number, progress, &found);
    TRY(progress_check(progress, error));
    if (reason == B10_REASON_CONFIG || reason == B10_REASON_NO_MEMORY)
        return error_copy(error, &found);
    if (reason == B10_REASON_OK)
        return list_it(findings, &volume, error);
    findings_add(findings, check, B10_VERDICT_WARN, "%.800s: loads pass it over (B10_READ_DIRS)",
                 found.message);
    return B10_REASON_OK;
}

enum b10_reason doctor_search(struct findings *findings, const struct settings *settings,
                              struct progress *progress, struct b10_error *error)
{
    for (size_t i = 0; i < settings->read_dir_count; i++)
        TRY(look_at(findings, settings, i, progress, error));
    return B10_REASON_OK;
}
