#include "server/flow.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/guard.h"
#include "cache/diff.h"
#include "cache/load.h"
#include "cache/save.h"

void flow_init(struct flow *flow)
{
    memset(flow, 0, sizeof(*flow));
    flow->struct_size = (uint32_t)sizeof(*flow);
    flow->load.struct_size = (uint32_t)sizeof(flow->load);
    flow->save.struct_size = (uint32_t)sizeof(flow->save);
    flow->load_error.struct_size = (uint32_t)sizeof(flow->load_error);
    flow->save_error.struct_size = (uint32_t)sizeof(flow->save_error);
}

/* ---- words ---- */

static double mib(uint64_t bytes)
{
    return (double)bytes / (1024.0 * 1024.0);
}

static double seconds_since(uint64_t begun_ns)
{
    return (double)(clock_now_ns() - begun_ns) / 1e9;
}

/* What came of a phase that had nothing to do, or failed; the caller hears it as well. */
static void log_outcome(const struct log *log, const char *phase, uint64_t begun_ns,
                        const struct b10_error *error)
{
    const char *reason = error_name(error->code);
    switch (error->code) {
    case B10_REASON_ABSENT:
    case B10_REASON_LOCAL_PRESENT:
    case B10_REASON_ALREADY_SAVED:
    case B10_REASON_CHURN:
    case B10_REASON_READ_ONLY:
    case B10_REASON_NOTHING_LOCAL:
    case B10_REASON_IN_PROGRESS:
    case B10_REASON_BUSY:
        log_info(log, "%s: nothing to do after %.2f s: %s (%s)", phase, seconds_since(begun_ns),
                 error->message, reason);
        break;
    case B10_REASON_DISABLED: /* then nothing else is done: the caller says it */
    case B10_REASON_CONFIG:
    case B10_REASON_CANCELLED:
        break;
    default:
        log_warn(log, "%s: failed after %.2f s: %s (%s)", phase, seconds_since(begun_ns),
                 error->message, reason);
    }
}

/* ---- load ---- */

static void log_load(const struct log *log, uint64_t begun_ns, const struct b10_report *report)
{
    log_info(log, "load: %" PRIu64 " files, %.1f MiB in %.2f s from '%s'%s", report->files,
             mib(report->content_bytes), seconds_since(begun_ns), report->archive,
             report->existing > 0 ? "; what was here already stays" : "");
}

enum b10_reason flow_load(struct flow *flow, const struct settings *settings, struct log *log,
                          struct progress *progress, struct b10_error *error)
{
    const uint64_t begun_ns = clock_now_ns();
    TRY(progress_phase(progress, "load", 0, 0, error));
    const enum b10_reason reason =
        load_cache(settings, log, progress, &flow->load, &flow->load_error);
    if (reason == B10_REASON_OK)
        log_load(log, begun_ns, &flow->load);
    else
        log_outcome(log, "load", begun_ns, &flow->load_error);
    return reason == B10_REASON_OK ? reason : error_copy(error, &flow->load_error);
}

/* ---- wait ---- */

enum b10_reason flow_wait(struct flow *flow, const struct settings *settings, struct log *log,
                          struct progress *progress, struct b10_error *error)
{
    const uint64_t begun_ns = clock_now_ns();
    TRY(progress_phase(progress, "wait", 0, 0, error));
    TRY(await_server(settings, &flow->desk, log, progress, &flow->awaited, error));
    flow->ready = true;
    log_info(log, "wait: the server is ready after %.1f s, asked %" PRIu64 " times",
             seconds_since(begun_ns), flow->awaited.tries);
    return B10_REASON_OK;
}

/* ---- settle ---- */

enum b10_reason flow_settle(struct flow *flow, const struct settings *settings, struct log *log,
                            struct progress *progress, struct b10_error *error)
{
    const uint64_t begun_ns = clock_now_ns();
    struct settled *settled = &flow->settled;
    TRY(progress_phase(progress, "settle", 0, 0, error));
    TRY(settle_wait(settings, settled, progress, error));
    log_info(log, "settle: the cache is %s after %.1f s, %.1f MiB",
             settled->quiet ? "quiet" : "still being written", seconds_since(begun_ns),
             mib(settled->activity.bytes));
    return B10_REASON_OK;
}

/* ---- compare ---- */

static bool was_asked(const struct flow *flow, enum b10_serve_phase phase)
{
    return (flow->phases & (uint32_t)phase) != 0;
}

/* Without a load in this flow, or where it left a filled directory alone, what is stored decides. */
static bool has_loaded(const struct flow *flow)
{
    return !was_asked(flow, B10_SERVE_LOAD) || flow->load_error.code == B10_REASON_OK ||
           flow->load_error.code == B10_REASON_LOCAL_PRESENT;
}

static void judge_cold(struct flow *flow)
{
    const char *why = flow->load_error.code == B10_REASON_ABSENT
                          ? "no cache was stored for this environment"
                          : "the load failed";
    flow->warmth = B10_WARMTH_COLD;
    snprintf(flow->verdict, sizeof(flow->verdict), "cold: %s (%s); %" PRIu64 " files are here now",
             why, error_name(flow->load_error.code), flow->local_files);
}

static void judge_partly(struct flow *flow)
{
    const bool fallback = flow->load.fallback != 0;
    flow->warmth = B10_WARMTH_PARTLY;
    snprintf(flow->verdict, sizeof(flow->verdict),
             "partly: %" PRIu64 " new files in %" PRIu64 " entries, %" PRIu64 " of %" PRIu64
             " from the cache; key --explain%s%.250s",
             flow->new_files, flow->new_directories, flow->local_files - flow->new_files,
             flow->local_files, fallback ? ": " : " may tell why",
             fallback ? flow->load.difference : "");
}

void flow_judge(struct flow *flow)
{
    if (!has_loaded(flow)) {
        judge_cold(flow);
    } else if (flow->new_files > 0) {
        judge_partly(flow);
    } else {
        flow->warmth = B10_WARMTH_WARM;
        snprintf(flow->verdict, sizeof(flow->verdict),
                 "warm: %" PRIu64 " of %" PRIu64 " files from the cache", flow->local_files,
                 flow->local_files);
    }
}

static void list_guard(struct b10_diff_list **list)
{
    free(*list);
}

enum b10_reason flow_compare(struct flow *flow, const struct settings *settings, struct log *log,
                             struct progress *progress, struct b10_error *error)
{
    SCOPED(list) struct b10_diff_list *list = NULL;
    const bool loaded = was_asked(flow, B10_SERVE_LOAD) && flow->load_error.code == B10_REASON_OK;
    TRY(diff_cache(settings, loaded ? flow->load.archive : NULL, &list, log, progress, error));
    flow->local_files = list->local_files;
    flow->local_bytes = list->local_bytes;
    flow->new_files = list->new_files;
    flow->new_bytes = list->new_bytes;
    flow->new_directories = list->new_directories;
    flow_judge(flow);
    log_info(log, "%s", flow->verdict);
    return B10_REASON_OK;
}

/* ---- save ---- */

static void log_save(const struct log *log, uint64_t begun_ns, const struct b10_report *report)
{
    char before[64] = "";
    if (report->merged_files > 0)
        snprintf(before, sizeof(before), ", added to %" PRIu64 " files", report->merged_files);
    log_info(log, "save: %" PRIu64 " files, %.1f MiB%s in %.2f s, now %.1f MiB in '%s'",
             report->files, mib(report->content_bytes), before, seconds_since(begun_ns),
             mib(report->archive_bytes), report->archive);
}

enum b10_reason flow_save(struct flow *flow, const struct settings *settings, struct log *log,
                          struct progress *progress, struct b10_error *error)
{
    const uint64_t begun_ns = clock_now_ns();
    TRY(progress_phase(progress, "save", 0, 0, error));
    const enum b10_reason reason =
        save_cache(settings, log, progress, &flow->save, &flow->save_error);
    if (reason == B10_REASON_OK)
        log_save(log, begun_ns, &flow->save);
    else
        log_outcome(log, "save", begun_ns, &flow->save_error);
    return reason == B10_REASON_OK ? reason : error_copy(error, &flow->save_error);
}
