#include "api/call.h"

#include "api/boundary.h"
#include "api/token.h"
#include "base/clock.h"

static bool is_cancelled(const void *token)
{
    return token_is_cancelled(token);
}

static enum b10_reason take_options(struct call *call, const b10_options *options)
{
    struct b10_options all = B10_INIT(b10_options);
    if (options != NULL) {
        TRY(boundary_check("b10_options", options->struct_size,
                           FIRST_SIZE(struct b10_options, progress_user), &call->error));
        boundary_copy(&all, options);
    }
    call->listener = (struct job_listener){.log = all.log,
                                           .log_user = all.log_user,
                                           .progress = all.progress,
                                           .progress_user = all.progress_user};
    if (all.cancel == NULL)
        return B10_REASON_OK;
    call->listener.wants_stop = is_cancelled;
    call->listener.wants_stop_user = all.cancel;
    return token_check(all.cancel, &call->error);
}

/* A record that cannot be filled must not go unnoticed: the log is left to say so. */
static enum b10_reason take_error(struct call *call, b10_error *error)
{
    if (error == NULL)
        return B10_REASON_OK;
    enum b10_reason reason = boundary_check("b10_error", error->struct_size,
                                            FIRST_SIZE(struct b10_error, message), &call->error);
    if (reason == B10_REASON_OK)
        call->caller_error = error;
    else if (call->listener.log != NULL)
        call->listener.log(call->listener.log_user, B10_LOG_ERROR, call->error.message);
    return reason;
}

enum b10_reason call_begin(struct call *call, const b10_options *options, b10_error *error)
{
    *call = (struct call){.error = ERROR_NONE};
    call->started_ns = clock_now_ns();
    enum b10_reason options_reason = take_options(call, options);
    if (options_reason == B10_REASON_OK)
        return take_error(call, error);
    if (error != NULL && error->struct_size >= FIRST_SIZE(struct b10_error, message))
        call->caller_error = error;
    return options_reason;
}

enum b10_reason call_given(struct call *call, const b10_config *config)
{
    return given_take(&call->given, config, &call->error);
}

OperationStatus call_end(struct call *call, enum b10_reason reason, OperationStatus absent)
{
    if (reason == B10_REASON_OK) /* whatever was tried on the way */
        error_clear(&call->error);
    else
        error_complete(&call->error, reason);
    (void)error_copy(call->caller_error, &call->error);
    return boundary_status(reason, absent);
}

uint64_t call_elapsed_ns(const struct call *call)
{
    return clock_now_ns() - call->started_ns;
}

void call_guard(struct call *call)
{
    given_free(call->given);
}
