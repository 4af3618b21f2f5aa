/* Exported: the full calls, and the lists that two of them return. */
#include <stdlib.h>

#include "api/boundary.h"
#include "api/operation.h"
#include "base/guard.h"

enum b10_reason operation_no_argument(struct call *call, const char *function, const char *argument)
{
    return error_set(&call->error, B10_REASON_INTERNAL, "%s: argument '%s' is NULL", function,
                     argument);
}

/* ---- load, save, clear: with a report ---- */

enum b10_reason operation_check_report(const b10_report *report, struct call *call)
{
    if (report == NULL)
        return B10_REASON_OK;
    return boundary_check("b10_report", report->struct_size, FIRST_SIZE(struct b10_report, wall_ns),
                          &call->error);
}

void operation_report(b10_report *to, struct operation *operation, enum b10_reason reason,
                      const struct call *call, unsigned threads_left)
{
    struct b10_report nothing = B10_INIT(b10_report);
    struct b10_report *report = operation_result(operation);
    if (to == NULL)
        return;
    if (report == NULL)
        report = &nothing;
    report->reason = (uint32_t)reason;
    report->wall_ns = call_elapsed_ns(call);
    report->threads_left = threads_left;
    boundary_copy(to, report);
}

static OperationStatus run_reporting(const struct operation_kind *kind, const b10_config *config,
                                     const b10_options *options, b10_report *report,
                                     b10_error *error)
{
    SCOPED(call) struct call call;
    SCOPED(operation) struct operation *operation = NULL;
    unsigned threads_left = 0;
    enum b10_reason reason = call_begin(&call, options, error);
    if (reason == B10_REASON_OK)
        reason = operation_check_report(report, &call);
    if (reason != B10_REASON_OK)
        return call_end(&call, reason, B10_ERROR);

    reason = operation_prepare(&operation, kind, &call, config, NULL, NULL);
    if (reason == B10_REASON_OK)
        reason = operation_perform(&operation, &call, &threads_left);
    operation_report(report, operation, reason, &call, threads_left);
    return call_end(&call, reason, B10_DOES_NOT_EXIST);
}

OperationStatus full_load(const b10_config *config, const b10_options *options, b10_report *report,
                          b10_error *error)
{
    return run_reporting(&operation_load, config, options, report, error);
}

OperationStatus full_save(const b10_config *config, const b10_options *options, b10_report *report,
                          b10_error *error)
{
    return run_reporting(&operation_save, config, options, report, error);
}

OperationStatus full_clear(const b10_config *config, const b10_options *options, b10_report *report,
                           b10_error *error)
{
    return run_reporting(&operation_clear, config, options, report, error);
}

/* ---- info, list, verify, explain, copying: with a result of their own ---- */

/* *operation keeps the result; it is NULL after a failure that left it behind. */
static enum b10_reason run_plain(struct operation **operation, const struct operation_kind *kind,
                                 struct call *call, const b10_config *config, const char *first,
                                 const char *second)
{
    unsigned threads_left;
    TRY(operation_prepare(operation, kind, call, config, first, second));
    return operation_perform(operation, call, &threads_left);
}

static enum b10_reason info_steps(struct call *call, const b10_config *config,
                                  const b10_options *options, b10_cache_info *info,
                                  b10_error *error)
{
    SCOPED(operation) struct operation *operation = NULL;
    const struct b10_cache_info nothing = B10_INIT(b10_cache_info);
    TRY(call_begin(call, options, error));
    if (info == NULL)
        return operation_no_argument(call, "b10_info", "info");
    TRY(boundary_check("b10_cache_info", info->struct_size,
                       FIRST_SIZE(struct b10_cache_info, facts), &call->error));
    boundary_copy(info, &nothing);
    TRY(run_plain(&operation, &operation_info, call, config, NULL, NULL));
    boundary_copy(info, operation_result(operation));
    return B10_REASON_OK;
}

OperationStatus full_info(const b10_config *config, const b10_options *options,
                          b10_cache_info *info, b10_error *error)
{
    SCOPED(call) struct call call;
    enum b10_reason reason = info_steps(&call, config, options, info, error);
    return call_end(&call, reason, B10_ERROR);
}

/* `list`: argument of `function`, NULL or where its list goes. */
static OperationStatus run_listing(const struct operation_kind *kind, const char *function,
                                   const b10_config *config, const b10_options *options,
                                   void **list, b10_error *error)
{
    SCOPED(call) struct call call;
    SCOPED(operation) struct operation *operation = NULL;
    if (list != NULL)
        *list = NULL;
    enum b10_reason reason = call_begin(&call, options, error);
    if (reason == B10_REASON_OK && list == NULL)
        reason = operation_no_argument(&call, function, "list");
    if (reason == B10_REASON_OK)
        reason = run_plain(&operation, kind, &call, config, NULL, NULL);
    if (reason == B10_REASON_OK)
        *list = operation_take_result(operation);
    return call_end(&call, reason, B10_ERROR);
}

OperationStatus full_list(const b10_config *config, const b10_options *options,
                          b10_cache_list **list, b10_error *error)
{
    void *found = NULL;
    OperationStatus status = run_listing(&operation_list, "b10_list", config, options,
                                         list != NULL ? &found : NULL, error);
    if (list != NULL)
        *list = found;
    return status;
}

static OperationStatus full_diff(const b10_config *config, const b10_options *options,
                                 b10_diff_list **list, b10_error *error)
{
    void *found = NULL;
    OperationStatus status = run_listing(&operation_diff, "b10_diff", config, options,
                                         list != NULL ? &found : NULL, error);
    if (list != NULL)
        *list = found;
    return status;
}

static enum b10_reason verify_steps(struct call *call, const b10_config *config,
                                    const b10_options *options, const char *archive,
                                    b10_verify_report *result, b10_error *error)
{
    SCOPED(operation) struct operation *operation = NULL;
    TRY(call_begin(call, options, error));
    if (archive == NULL)
        return operation_no_argument(call, "b10_verify", "archive");
    if (result != NULL)
        TRY(boundary_check("b10_verify_report", result->struct_size,
                           FIRST_SIZE(struct b10_verify_report, facts), &call->error));
    const enum b10_reason reason =
        run_plain(&operation, &operation_verify, call, config, archive, NULL);
    if (result != NULL && operation != NULL) /* also what was learnt before it failed */
        boundary_copy(result, operation_result(operation));
    return reason;
}

static OperationStatus full_verify(const b10_config *config, const b10_options *options,
                                   const char *archive, b10_verify_report *result, b10_error *error)
{
    SCOPED(call) struct call call;
    enum b10_reason reason = verify_steps(&call, config, options, archive, result, error);
    return call_end(&call, reason, B10_DOES_NOT_EXIST);
}

static enum b10_reason prune_steps(struct call *call, const b10_config *config,
                                   const b10_options *options, const b10_prune_rules *rules,
                                   b10_prune_list **list, b10_error *error)
{
    SCOPED(operation) struct operation *operation = NULL;
    struct b10_prune_rules all = B10_INIT(b10_prune_rules);
    unsigned threads_left;
    TRY(call_begin(call, options, error));
    if (rules == NULL || list == NULL)
        return operation_no_argument(call, "b10_prune", rules == NULL ? "rules" : "list");
    TRY(boundary_check("b10_prune_rules", rules->struct_size,
                       FIRST_SIZE(struct b10_prune_rules, keep), &call->error));
    boundary_copy(&all, rules);
    TRY(operation_prepare(&operation, &operation_prune, call, config, NULL, NULL));
    operation_set_rules(operation, &all);
    TRY(operation_perform(&operation, call, &threads_left));
    *list = operation_take_result(operation);
    return B10_REASON_OK;
}

static enum b10_reason mark_steps(struct call *call, const b10_config *config,
                                  const b10_options *options, const char *archive_token,
                                  b10_error *error)
{
    SCOPED(operation) struct operation *operation = NULL;
    TRY(call_begin(call, options, error));
    if (archive_token == NULL)
        return operation_no_argument(call, "b10_mark_suspect", "archive_token");
    return run_plain(&operation, &operation_mark, call, config, archive_token, NULL);
}

static enum b10_reason transfer_steps(struct call *call, const b10_config *config,
                                      const b10_options *options, const char *source,
                                      const char *dest, b10_error *error)
{
    SCOPED(operation) struct operation *operation = NULL;
    TRY(call_begin(call, options, error));
    if (source == NULL || dest == NULL)
        return operation_no_argument(call, "b10_transfer_file", source == NULL ? "source" : "dest");
    return run_plain(&operation, &operation_transfer, call, config, source, dest);
}

/* ---- exported ---- */

OperationStatus b10_load(const b10_config *config, const b10_options *options, b10_report *report,
                         b10_error *error)
{
    return full_load(config, options, report, error);
}

OperationStatus b10_save(const b10_config *config, const b10_options *options, b10_report *report,
                         b10_error *error)
{
    return full_save(config, options, report, error);
}

OperationStatus b10_clear(const b10_config *config, const b10_options *options, b10_report *report,
                          b10_error *error)
{
    return full_clear(config, options, report, error);
}

OperationStatus b10_unload(const b10_config *config, const b10_options *options, b10_report *report,
                           b10_error *error)
{
    return run_reporting(&operation_unload, config, options, report, error);
}

OperationStatus b10_prune(const b10_config *config, const b10_options *options,
                          const b10_prune_rules *rules, b10_prune_list **list, b10_error *error)
{
    SCOPED(call) struct call call;
    if (list != NULL)
        *list = NULL;
    enum b10_reason reason = prune_steps(&call, config, options, rules, list, error);
    return call_end(&call, reason, B10_ERROR);
}

OperationStatus b10_mark_suspect(const b10_config *config, const b10_options *options,
                                 const char *archive_token, b10_error *error)
{
    SCOPED(call) struct call call;
    enum b10_reason reason = mark_steps(&call, config, options, archive_token, error);
    return call_end(&call, reason, B10_DOES_NOT_EXIST);
}

OperationStatus b10_info(const b10_config *config, const b10_options *options, b10_cache_info *info,
                         b10_error *error)
{
    return full_info(config, options, info, error);
}

OperationStatus b10_list(const b10_config *config, const b10_options *options,
                         b10_cache_list **list, b10_error *error)
{
    return full_list(config, options, list, error);
}

OperationStatus b10_verify(const b10_config *config, const b10_options *options,
                           const char *archive, b10_verify_report *result, b10_error *error)
{
    return full_verify(config, options, archive, result, error);
}

OperationStatus b10_explain(const b10_config *config, const b10_options *options,
                            b10_comparison_list **list, b10_error *error)
{
    void *found = NULL;
    OperationStatus status = run_listing(&operation_explain, "b10_explain", config, options,
                                         list != NULL ? &found : NULL, error);
    if (list != NULL)
        *list = found;
    return status;
}

OperationStatus b10_doctor(const b10_config *config, const b10_options *options,
                           b10_check_list **list, b10_error *error)
{
    void *found = NULL;
    OperationStatus status = run_listing(&operation_doctor, "b10_doctor", config, options,
                                         list != NULL ? &found : NULL, error);
    if (list != NULL)
        *list = found;
    return status;
}

OperationStatus b10_diff(const b10_config *config, const b10_options *options, b10_diff_list **list,
                         b10_error *error)
{
    return full_diff(config, options, list, error);
}

void b10_diff_list_free(b10_diff_list *list)
{
    free(list);
}

const b10_diff_file *b10_diff_list_at(const b10_diff_list *list, size_t index)
{
    if (list == NULL)
        return NULL;
    return boundary_item(list->files, list->new_files, list->entry_size, index);
}

OperationStatus b10_serve_flow(const b10_config *config, const b10_options *options,
                               b10_serve_report *report, b10_error *error)
{
    return full_serve(config, options, report, error);
}

OperationStatus b10_transfer_file(const b10_config *config, const b10_options *options,
                                  const char *source, const char *dest, b10_error *error)
{
    SCOPED(call) struct call call;
    enum b10_reason reason = transfer_steps(&call, config, options, source, dest, error);
    return call_end(&call, reason, B10_ERROR);
}

void b10_comparison_list_free(b10_comparison_list *list)
{
    free(list);
}

const b10_comparison *b10_comparison_list_at(const b10_comparison_list *list, size_t index)
{
    if (list == NULL)
        return NULL;
    return boundary_item(list->comparisons, list->total, list->entry_size, index);
}

void b10_prune_list_free(b10_prune_list *list)
{
    free(list);
}

const b10_pruned *b10_prune_list_at(const b10_prune_list *list, size_t index)
{
    if (list == NULL)
        return NULL;
    return boundary_item(list->archives, list->total, list->entry_size, index);
}

void b10_check_list_free(b10_check_list *list)
{
    free(list);
}

const b10_check *b10_check_list_at(const b10_check_list *list, size_t index)
{
    if (list == NULL)
        return NULL;
    return boundary_item(list->checks, list->total, list->entry_size, index);
}
