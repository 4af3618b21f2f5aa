#include "api/call.h"

#include "api/boundary.h"
#include "base/clock.h"

static enum b10_reason take_options(struct call *call, const b10_options *options)
{
    struct b10_options all = B10_INIT(b10_options);
    if (options != NULL) {
        TRY(boundary_check("b10_options", options->struct_size,
                           FIRST_SIZE(struct b10_options, progress_user), &call->error));
        boundary_copy(&all, options);
    }
    call->log = (struct log){.fn = all.log, .user = all.log_user, .level = B10_LOG_INFO};
    call->progress.fn = all.progress;
    call->progress.user = all.progress_user;
    return B10_REASON_OK;
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
    else
        log_error(&call->log, "%s", call->error.message);
    return reason;
}

enum b10_reason call_begin(struct call *call, const b10_options *options, b10_error *error)
{
    *call = (struct call){.settings = SETTINGS_NONE, .error = ERROR_NONE};
    call->started_ns = clock_now_ns();
    enum b10_reason options_reason = take_options(call, options);
    if (options_reason == B10_REASON_OK)
        return take_error(call, error);
    if (error != NULL && error->struct_size >= FIRST_SIZE(struct b10_error, message))
        call->caller_error = error;
    return options_reason;
}

enum b10_reason call_settings(struct call *call, const b10_config *config, enum settings_need need)
{
    return settings_read(&call->settings, config, need, &call->log, &call->error);
}

OperationStatus call_end(struct call *call, enum b10_reason reason, OperationStatus absent)
{
    if (reason == B10_REASON_OK) /* whatever was tried on the way */
        error_clear(&call->error);
    else if (call->error.code != (uint32_t)reason)
        error_set(&call->error, reason, "no details are known");
    (void)error_copy(call->caller_error, &call->error);
    return boundary_status(reason, absent);
}

uint64_t call_elapsed_ns(const struct call *call)
{
    return clock_now_ns() - call->started_ns;
}

void call_guard(struct call *call)
{
    settings_release(&call->settings);
}
