/* The flow beside a server: its phases one after the other, each as a job of its own. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/boundary.h"
#include "api/operation.h"
#include "base/clock.h"
#include "base/guard.h"
#include "server/flow.h"

enum { PHASES_ALL = B10_SERVE_LOAD | B10_SERVE_WAIT | B10_SERVE_SETTLE | B10_SERVE_SAVE };

struct serve {
    struct call *call;
    const b10_config *config;
    struct flow flow; /* what is known so far; every job has a copy */
    struct b10_serve_report report;
    b10_ready_fn ready; /* NULL: the server is asked at its URL */
    void *ready_user;
    uint32_t wanted;                 /* b10_serve_phase bits */
    struct operation *operations[5]; /* owned: prepared before the first begins */
};

struct phase {
    const struct operation_kind *kind;
    uint32_t bit;
    size_t ns; /* offset in the report */
};

static const struct phase phases[] = {
    {&operation_flow_load, B10_SERVE_LOAD, offsetof(struct b10_serve_report, load_ns)},
    {&operation_flow_wait, B10_SERVE_WAIT, offsetof(struct b10_serve_report, wait_ns)},
    {&operation_flow_settle, B10_SERVE_SETTLE, offsetof(struct b10_serve_report, settle_ns)},
    {&operation_flow_compare, B10_SERVE_SETTLE, offsetof(struct b10_serve_report, settle_ns)},
    {&operation_flow_save, B10_SERVE_SAVE, offsetof(struct b10_serve_report, save_ns)},
};
enum { PHASE_LOAD, PHASE_WAIT, PHASE_SETTLE, PHASE_COMPARE, PHASE_SAVE, PHASE_COUNT };

/* On the heap: two reports are too much for a caller's small stack. */
static void serve_guard(struct serve **serve)
{
    if (*serve == NULL)
        return;
    for (size_t i = 0; i < PHASE_COUNT; i++)
        operation_free((*serve)->operations[i]);
    free(*serve);
}

/* ---- the host says whether the server is ready ---- */

/* Asked by the job, on the caller's thread. */
struct host {
    const struct job_listener *caller;
    struct desk *desk; /* borrowed from the operation, which is alive while it is listened to */
    b10_ready_fn ready;
    void *ready_user;
};

static bool answer_and_ask(const void *user)
{
    const struct host *host = user;
    const struct job_listener *caller = host->caller;
    if (host->ready != NULL)
        desk_look(host->desk, host->ready, host->ready_user);
    return caller->wants_stop != NULL && caller->wants_stop(caller->wants_stop_user);
}

/* ---- one phase ---- */

static void add_elapsed(struct serve *serve, const struct phase *phase, uint64_t begun_ns)
{
    uint64_t total_ns;
    char *field = (char *)&serve->report + phase->ns;
    memcpy(&total_ns, field, sizeof(total_ns));
    total_ns += clock_now_ns() - begun_ns;
    memcpy(field, &total_ns, sizeof(total_ns));
}

/* A job that was left behind can no longer log. */
static void tell_left(const struct serve *serve, unsigned left, const struct b10_error *error)
{
    const struct job_listener *listener = &serve->call->listener;
    if (left > 0 && listener->log != NULL)
        listener->log(listener->log_user, B10_LOG_ERROR, error->message);
}

static enum b10_reason run_phase(struct serve *serve, size_t index, struct b10_error *error)
{
    const uint64_t begun_ns = clock_now_ns();
    struct operation **operation = &serve->operations[index];
    struct flow *copy = operation_result(*operation);
    struct call call = {.listener = serve->call->listener, .error = ERROR_NONE};
    struct host host = {.caller = &serve->call->listener,
                        .desk = &copy->desk,
                        .ready = index == PHASE_WAIT ? serve->ready : NULL,
                        .ready_user = serve->ready_user};
    unsigned left = 0;
    serve->flow.phases |= phases[index].bit;
    memcpy(copy, &serve->flow, sizeof(*copy));
    call.listener.wants_stop = answer_and_ask;
    call.listener.wants_stop_user = &host;
    const enum b10_reason reason = operation_perform(operation, &call, &left);
    if (left == 0)
        memcpy(&serve->flow, copy, sizeof(*copy));
    serve->report.threads_left += left;
    tell_left(serve, left, &call.error);
    add_elapsed(serve, &phases[index], begun_ns);
    return reason == B10_REASON_OK ? reason : error_copy(error, &call.error);
}

/* ---- one after the other ---- */

/* A failure that lets the server go on, and what it compiles be saved. */
static bool is_bearable(enum b10_reason reason)
{
    switch (reason) {
    case B10_REASON_DISABLED:
    case B10_REASON_CONFIG:
    case B10_REASON_CANCELLED:
    case B10_REASON_NO_MEMORY:
    case B10_REASON_INTERNAL:
    case B10_REASON_FORKED:
        return false;
    default:
        return true;
    }
}

static bool is_wanted(const struct serve *serve, size_t index)
{
    return (serve->wanted & phases[index].bit) != 0;
}

static bool is_last(const struct serve *serve, size_t index)
{
    size_t last = 0;
    for (size_t i = 0; i < PHASE_COUNT; i++)
        last = is_wanted(serve, i) ? i : last;
    return index == last;
}

/* What a load or a save came to, also one that was left behind. */
static void note_outcome(struct serve *serve, size_t index, enum b10_reason reason,
                         const struct b10_error *found)
{
    struct b10_serve_report *report = &serve->report;
    if (index == PHASE_LOAD) {
        serve->flow.load_error = *found;
        report->load_status = (uint32_t)boundary_status(reason, B10_DOES_NOT_EXIST);
    } else if (index == PHASE_SAVE) {
        serve->flow.save_error = *found;
        report->save_status = (uint32_t)boundary_status(reason, B10_DOES_NOT_EXIST);
    }
}

static enum b10_reason run_phases(struct serve *serve, struct b10_error *error)
{
    for (size_t i = 0; i < PHASE_COUNT; i++) {
        struct b10_error found = ERROR_NONE;
        if (!is_wanted(serve, i))
            continue;
        const enum b10_reason reason = run_phase(serve, i, &found);
        note_outcome(serve, i, reason, &found);
        const bool optional = i == PHASE_LOAD || i == PHASE_COMPARE;
        if (reason != B10_REASON_OK &&
            (!optional || !is_bearable(reason) || (i == PHASE_LOAD && is_last(serve, i))))
            return error_copy(error, &found);
    }
    return B10_REASON_OK;
}

/* ---- the report ---- */

static void fill_report(const struct serve *serve, enum b10_reason reason,
                        struct b10_serve_report *report)
{
    const struct flow *flow = &serve->flow;
    report->reason = (uint32_t)reason;
    report->phases = flow->phases;
    report->load_reason = flow->load_error.code;
    report->save_reason = flow->save_error.code;
    report->ready = flow->ready;
    report->http_status = (uint32_t)flow->awaited.status;
    report->quiet = flow->settled.quiet;
    report->warmth = flow->warmth;
    report->tries = flow->awaited.tries;
    report->wall_ns = call_elapsed_ns(serve->call);
    report->local_files = flow->local_files;
    report->local_bytes = flow->local_bytes;
    report->new_files = flow->new_files;
    report->new_bytes = flow->new_bytes;
    report->new_directories = flow->new_directories;
    memcpy(report->verdict, flow->verdict, sizeof(report->verdict));
    snprintf(report->load_message, sizeof(report->load_message), "%.511s",
             flow->load_error.message);
    snprintf(report->save_message, sizeof(report->save_message), "%.511s",
             flow->save_error.message);
}

static void hand_over_part(b10_report *to, struct b10_report *part, const struct b10_error *error,
                           uint64_t wall_ns)
{
    if (to == NULL)
        return;
    part->reason = error->code;
    part->wall_ns = wall_ns;
    boundary_copy(to, part);
}

/* The caller's own pointers stay as they are. */
static void hand_over(struct serve *serve, enum b10_reason reason, b10_serve_report *to)
{
    struct b10_serve_report *report = &serve->report;
    struct flow *flow = &serve->flow;
    if (to == NULL)
        return;
    report->load = to->load;
    report->save = to->save;
    fill_report(serve, reason, report);
    boundary_copy(to, report);
    if ((report->phases & B10_SERVE_LOAD) != 0)
        hand_over_part(to->load, &flow->load, &flow->load_error, report->load_ns);
    if ((report->phases & B10_SERVE_SAVE) != 0)
        hand_over_part(to->save, &flow->save, &flow->save_error, report->save_ns);
}

/* ---- the whole ---- */

static enum b10_reason check_report(const b10_serve_report *report, struct b10_error *error)
{
    if (report == NULL)
        return B10_REASON_OK;
    TRY(boundary_check("b10_serve_report", report->struct_size,
                       FIRST_SIZE(struct b10_serve_report, save_message), error));
    const b10_report *parts[] = {report->load, report->save};
    for (size_t i = 0; i < 2; i++)
        if (parts[i] != NULL)
            TRY(boundary_check("b10_report", parts[i]->struct_size,
                               FIRST_SIZE(struct b10_report, wall_ns), error));
    return B10_REASON_OK;
}

static enum b10_reason take_options(struct serve *serve, const b10_options *options)
{
    struct b10_options all = B10_INIT(b10_options);
    if (options != NULL)
        boundary_copy(&all, options);
    serve->ready = all.ready;
    serve->ready_user = all.ready_user;
    atomic_store(&serve->flow.desk.open, all.ready != NULL);
    serve->wanted = all.serve_phases != 0 ? all.serve_phases : PHASES_ALL;
    if ((serve->wanted & ~(uint32_t)PHASES_ALL) != 0)
        return error_set(&serve->call->error, B10_REASON_INTERNAL,
                         "serve_phases of b10_options holds unknown bits");
    return B10_REASON_OK;
}

/* Configuration and environment are read now, whatever happens to them while the server starts. */
static enum b10_reason prepare(struct serve *serve)
{
    for (size_t i = 0; i < PHASE_COUNT; i++) {
        given_guard(&serve->call->given);
        if (is_wanted(serve, i))
            TRY(operation_prepare(&serve->operations[i], phases[i].kind, serve->call, serve->config,
                                  NULL, NULL));
    }
    return B10_REASON_OK;
}

static void tell_the_end(const struct serve *serve)
{
    const struct job_listener *listener = &serve->call->listener;
    const struct b10_progress end = {.struct_size = (uint32_t)sizeof(end),
                                     .phase_is_final = 1,
                                     .phase = "save"};
    if (listener->progress != NULL)
        (void)listener->progress(listener->progress_user, &end);
}

static enum b10_reason run(struct serve *serve, const b10_options *options)
{
    TRY(take_options(serve, options));
    TRY(prepare(serve));
    TRY(run_phases(serve, &serve->call->error));
    tell_the_end(serve);
    return B10_REASON_OK;
}

static enum b10_reason serve_new(struct serve **out, struct call *call, const b10_config *config)
{
    struct serve *serve = calloc(1, sizeof(*serve));
    if (serve == NULL)
        return error_no_memory(&call->error);
    serve->call = call;
    serve->config = config;
    serve->report.struct_size = (uint32_t)sizeof(serve->report);
    flow_init(&serve->flow);
    *out = serve;
    return B10_REASON_OK;
}

static enum b10_reason serve_steps(struct serve **serve, struct call *call,
                                   const b10_config *config, const b10_options *options,
                                   const b10_serve_report *report, b10_error *error)
{
    TRY(call_begin(call, options, error));
    TRY(check_report(report, &call->error));
    TRY(serve_new(serve, call, config));
    return run(*serve, options);
}

OperationStatus full_serve(const b10_config *config, const b10_options *options,
                           b10_serve_report *report, b10_error *error)
{
    SCOPED(call) struct call call;
    SCOPED(serve) struct serve *serve = NULL;
    const enum b10_reason reason = serve_steps(&serve, &call, config, options, report, error);
    if (serve != NULL)
        hand_over(serve, reason, report);
    return call_end(&call, reason, B10_DOES_NOT_EXIST);
}
