/* Exported: load and save beside the caller's own work.
 *
 *     start ──▶ poll … wait ──▶ free        a thread of the operation does what b10_load and b10_save
 *                 └── cancel ──┘            do on the caller's: it waits for the job, and so always ends
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "api/boundary.h"
#include "api/operation.h"
#include "base/forked.h"
#include "base/guard.h"
#include "par/background.h"

/* Owned by the caller of b10_load_start or b10_save_start. */
struct b10_operation {
    struct fork_mark mark;
    struct background *background; /* owned: the thread */
    struct operation *operation;   /* owned; the thread's until it is done */
    struct call call;              /* likewise */
    enum b10_reason reason;        /* likewise */
    unsigned threads_left;         /* likewise */
    uint64_t wall_ns;              /* likewise */
    struct job_listener caller;    /* the caller's callbacks and token */
    atomic_bool cancelled;
    /* the last progress, for poll */
    _Atomic(const char *) phase;
    _Atomic uint64_t bytes_done, bytes_total, files_done, files_total;
};

/* ---- on the operation's thread ---- */

static int keep_progress(void *user, const struct b10_progress *progress)
{
    struct b10_operation *operation = user;
    const struct job_listener *caller = &operation->caller;
    atomic_store(&operation->phase, progress->phase);
    atomic_store(&operation->bytes_done, progress->bytes_done);
    atomic_store(&operation->bytes_total, progress->bytes_total);
    atomic_store(&operation->files_done, progress->files_done);
    atomic_store(&operation->files_total, progress->files_total);
    return caller->progress == NULL ? 0 : caller->progress(caller->progress_user, progress);
}

static bool wants_stop(const void *user)
{
    const struct b10_operation *operation = user;
    const struct job_listener *caller = &operation->caller;
    return atomic_load(&operation->cancelled) ||
           (caller->wants_stop != NULL && caller->wants_stop(caller->wants_stop_user));
}

static void perform(void *user)
{
    struct b10_operation *operation = user;
    struct job_listener *listener = &operation->call.listener;
    listener->progress = keep_progress;
    listener->progress_user = operation;
    listener->wants_stop = wants_stop;
    listener->wants_stop_user = operation;
    operation->reason =
        operation_perform(&operation->operation, &operation->call, &operation->threads_left);
    operation->wall_ns = call_elapsed_ns(&operation->call);
}

/* ---- start, free ---- */

static void async_free(struct b10_operation *operation)
{
    if (operation == NULL)
        return;
    operation_free(operation->operation);
    call_guard(&operation->call);
    fork_mark_release(&operation->mark);
    free(operation);
}

static void async_guard(struct b10_operation **operation)
{
    async_free(*operation);
}

/* The caller's error record is filled now, and by wait; never from the thread. */
static enum b10_reason start(struct b10_operation **out, struct call *call,
                             const struct operation_kind *kind, const b10_config *config,
                             const b10_options *options, b10_error *error)
{
    TRY(call_begin(call, options, error));
    SCOPED(async) struct b10_operation *operation = calloc(1, sizeof(*operation));
    if (operation == NULL)
        return error_no_memory(&call->error);
    fork_mark_init(&operation->mark);
    operation->phase = "";
    operation->caller = call->listener;
    operation->call = *call;
    operation->call.caller_error = NULL;
    TRY(operation_prepare(&operation->operation, kind, call, config, NULL, NULL));
    TRY(background_start(&operation->background, perform, operation, &call->error));
    *out = HEAP_TAKE(operation);
    return B10_REASON_OK;
}

static b10_operation *start_kind(const struct operation_kind *kind, const b10_config *config,
                                 const b10_options *options, b10_error *error)
{
    SCOPED(call) struct call call;
    struct b10_operation *operation = NULL;
    const enum b10_reason reason = start(&operation, &call, kind, config, options, error);
    (void)call_end(&call, reason, B10_ERROR);
    return operation;
}

b10_operation *b10_load_start(const b10_config *config, const b10_options *options,
                              b10_error *error)
{
    return start_kind(&operation_load, config, options, error);
}

b10_operation *b10_save_start(const b10_config *config, const b10_options *options,
                              b10_error *error)
{
    return start_kind(&operation_save, config, options, error);
}

void b10_operation_cancel(b10_operation *operation)
{
    if (operation != NULL)
        atomic_store(&operation->cancelled, true);
}

void b10_operation_free(b10_operation *operation)
{
    if (operation == NULL)
        return;
    if (fork_mark_crossed(&operation->mark)) {
        background_abandon(operation->background);
        operation->operation = NULL; /* the parent's thread may have been changing it */
    } else {
        atomic_store(&operation->cancelled, true);
        background_free(operation->background);
    }
    async_free(operation);
}

/* ---- poll, wait ---- */

int b10_operation_poll(b10_operation *operation, b10_progress *progress)
{
    if (operation == NULL || fork_mark_crossed(&operation->mark))
        return -1;
    const struct b10_progress now = {
        .struct_size = (uint32_t)sizeof(now),
        .phase = atomic_load(&operation->phase),
        .bytes_done = atomic_load(&operation->bytes_done),
        .bytes_total = atomic_load(&operation->bytes_total),
        .files_done = atomic_load(&operation->files_done),
        .files_total = atomic_load(&operation->files_total),
    };
    const bool done = background_is_done(operation->background);
    if (progress != NULL && progress->struct_size >= FIRST_SIZE(struct b10_progress, files_total))
        boundary_copy(progress, &now);
    return done;
}

static enum b10_reason wait_steps(b10_operation *operation, b10_report *report, struct call *call,
                                  b10_error *error)
{
    TRY(call_begin(call, NULL, error));
    if (operation == NULL)
        return operation_no_argument(call, "b10_operation_wait", "operation");
    TRY(fork_mark_check(&operation->mark, "b10_operation", &call->error));
    TRY(operation_check_report(report, call));
    background_wait(operation->background);
    operation_report(report, operation->operation, operation->reason, &operation->call,
                     operation->threads_left);
    if (report != NULL)
        report->wall_ns = operation->wall_ns;
    if (operation->reason != B10_REASON_OK)
        (void)error_copy(&call->error, &operation->call.error);
    return operation->reason;
}

OperationStatus b10_operation_wait(b10_operation *operation, b10_report *report, b10_error *error)
{
    SCOPED(call) struct call call;
    const enum b10_reason reason = wait_steps(operation, report, &call, error);
    return call_end(&call, reason, B10_DOES_NOT_EXIST);
}
