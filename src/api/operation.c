#include "api/operation.h"

#include <stdlib.h>
#include <string.h>

#include "api/boundary.h"
#include "api/call.h"
#include "base/guard.h"
#include "cache/clear.h"
#include "cache/explain.h"
#include "cache/inspect.h"
#include "cache/load.h"
#include "cache/save.h"
#include "cache/transfer.h"

static enum b10_reason no_argument(struct call *call, const char *function, const char *argument)
{
    return error_set(&call->error, B10_REASON_INTERNAL, "%s: argument '%s' is NULL", function,
                     argument);
}

/* *record: an empty struct of `size` bytes that begins with its struct_size. On the heap: a caller's
 * thread may have little stack. */
static enum b10_reason new_record(void **record, size_t size, struct call *call)
{
    const uint32_t struct_size = (uint32_t)size;
    *record = calloc(1, size);
    if (*record == NULL)
        return error_no_memory(&call->error);
    memcpy(*record, &struct_size, sizeof(struct_size));
    return B10_REASON_OK;
}

/* Load, save and clear: what they do, and when the volume must be on for it. */
struct reporting {
    enum b10_reason (*work)(const struct settings *settings, struct log *log,
                            struct progress *progress, struct b10_report *report,
                            struct b10_error *error);
    enum settings_need need;
};

static enum b10_reason report_steps(struct call *call, const struct reporting *operation,
                                    const b10_config *config, struct b10_report *report)
{
    TRY(call_settings(call, config, operation->need));
    TRY(operation->work(&call->settings, &call->log, &call->progress, report, &call->error));
    progress_final(&call->progress);
    return B10_REASON_OK;
}

static OperationStatus run_reporting(const struct reporting *operation, const b10_config *config,
                                     const b10_options *options, b10_report *caller_report,
                                     b10_error *error)
{
    SCOPED(call) struct call call;
    struct b10_report report = B10_INIT(b10_report);
    enum b10_reason reason = call_begin(&call, options, error);
    if (reason == B10_REASON_OK && caller_report != NULL)
        reason = boundary_check("b10_report", caller_report->struct_size,
                                FIRST_SIZE(struct b10_report, wall_ns), &call.error);
    if (reason != B10_REASON_OK)
        return call_end(&call, reason, B10_ERROR);

    reason = report_steps(&call, operation, config, &report);
    report.reason = (uint32_t)reason;
    report.wall_ns = call_elapsed_ns(&call);
    if (caller_report != NULL)
        boundary_copy(caller_report, &report);
    return call_end(&call, reason, B10_DOES_NOT_EXIST);
}

OperationStatus operation_load(const b10_config *config, const b10_options *options,
                               b10_report *report, b10_error *error)
{
    static const struct reporting load = {load_cache, SETTINGS_VOLUME};
    return run_reporting(&load, config, options, report, error);
}

OperationStatus operation_save(const b10_config *config, const b10_options *options,
                               b10_report *report, b10_error *error)
{
    static const struct reporting save = {save_cache, SETTINGS_VOLUME};
    return run_reporting(&save, config, options, report, error);
}

static enum b10_reason clear_cache(const struct settings *settings, struct log *log,
                                   struct progress *progress, struct b10_report *report,
                                   struct b10_error *error)
{
    (void)progress;
    return clear_local(settings, log, report, error);
}

OperationStatus operation_clear(const b10_config *config, const b10_options *options,
                                b10_report *report, b10_error *error)
{
    static const struct reporting clear = {clear_cache, SETTINGS_LOCAL};
    return run_reporting(&clear, config, options, report, error);
}

static enum b10_reason info_steps(struct call *call, const b10_config *config,
                                  const b10_options *options, b10_cache_info *caller_info,
                                  b10_error *error)
{
    SCOPED(heap) struct b10_cache_info *info = NULL;
    TRY(call_begin(call, options, error));
    if (caller_info == NULL)
        return no_argument(call, "b10_info", "info");
    TRY(boundary_check("b10_cache_info", caller_info->struct_size,
                       FIRST_SIZE(struct b10_cache_info, facts), &call->error));
    TRY(new_record((void **)&info, sizeof(*info), call));
    boundary_copy(caller_info, info);
    TRY(call_settings(call, config, SETTINGS_LOCAL));
    TRY(inspect_info(&call->settings, &call->log, info, &call->error));
    boundary_copy(caller_info, info);
    return B10_REASON_OK;
}

OperationStatus operation_info(const b10_config *config, const b10_options *options,
                               b10_cache_info *info, b10_error *error)
{
    SCOPED(call) struct call call;
    enum b10_reason reason = info_steps(&call, config, options, info, error);
    return call_end(&call, reason, B10_ERROR);
}

static enum b10_reason list_steps(struct call *call, const b10_config *config,
                                  const b10_options *options, b10_cache_list **list,
                                  b10_error *error)
{
    if (list != NULL)
        *list = NULL;
    TRY(call_begin(call, options, error));
    if (list == NULL)
        return no_argument(call, "b10_list", "list");
    TRY(call_settings(call, config, SETTINGS_LOCAL));
    return inspect_list(&call->settings, list, &call->error);
}

OperationStatus operation_list(const b10_config *config, const b10_options *options,
                               b10_cache_list **list, b10_error *error)
{
    SCOPED(call) struct call call;
    enum b10_reason reason = list_steps(&call, config, options, list, error);
    return call_end(&call, reason, B10_ERROR);
}

static enum b10_reason verify_steps(struct call *call, const b10_config *config,
                                    const b10_options *options, const char *archive,
                                    b10_verify_report *result, b10_error *error)
{
    SCOPED(heap) struct b10_verify_report *found = NULL;
    TRY(call_begin(call, options, error));
    if (archive == NULL)
        return no_argument(call, "b10_verify", "archive");
    if (result != NULL)
        TRY(boundary_check("b10_verify_report", result->struct_size,
                           FIRST_SIZE(struct b10_verify_report, facts), &call->error));
    TRY(new_record((void **)&found, sizeof(*found), call));
    TRY(call_settings(call, config, SETTINGS_LOCAL));
    enum b10_reason reason =
        inspect_verify(&call->settings, archive, &call->log, &call->progress, found, &call->error);
    if (result != NULL) /* also what was learnt before it failed */
        boundary_copy(result, found);
    if (reason == B10_REASON_OK)
        progress_final(&call->progress);
    return reason;
}

OperationStatus operation_verify(const b10_config *config, const b10_options *options,
                                 const char *archive, b10_verify_report *result, b10_error *error)
{
    SCOPED(call) struct call call;
    enum b10_reason reason = verify_steps(&call, config, options, archive, result, error);
    return call_end(&call, reason, B10_DOES_NOT_EXIST);
}

static enum b10_reason explain_steps(struct call *call, const b10_config *config,
                                     const b10_options *options, b10_comparison_list **list,
                                     b10_error *error)
{
    if (list != NULL)
        *list = NULL;
    TRY(call_begin(call, options, error));
    if (list == NULL)
        return no_argument(call, "b10_explain", "list");
    TRY(call_settings(call, config, SETTINGS_LOCAL));
    return explain_archives(&call->settings, list, &call->error);
}

OperationStatus operation_explain(const b10_config *config, const b10_options *options,
                                  b10_comparison_list **list, b10_error *error)
{
    SCOPED(call) struct call call;
    enum b10_reason reason = explain_steps(&call, config, options, list, error);
    return call_end(&call, reason, B10_ERROR);
}

static enum b10_reason transfer_steps(struct call *call, const b10_config *config,
                                      const b10_options *options, const char *source,
                                      const char *dest, b10_error *error)
{
    TRY(call_begin(call, options, error));
    if (source == NULL || dest == NULL)
        return no_argument(call, "b10_transfer_file", source == NULL ? "source" : "dest");
    TRY(call_settings(call, config, SETTINGS_LOCAL));
    TRY(transfer_file(&call->settings, source, dest, &call->progress, &call->error));
    progress_final(&call->progress);
    return B10_REASON_OK;
}

OperationStatus operation_transfer_file(const b10_config *config, const b10_options *options,
                                        const char *source, const char *dest, b10_error *error)
{
    SCOPED(call) struct call call;
    enum b10_reason reason = transfer_steps(&call, config, options, source, dest, error);
    return call_end(&call, reason, B10_ERROR);
}
