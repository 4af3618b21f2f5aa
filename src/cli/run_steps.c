#include "cli/run_steps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    CLEAN_UP_MS = 4500, /* for an aide that was asked to stop: 3 s where the volume hangs */
    HASTE_MS = 300      /* when whoever asked us to end soon waits no longer */
};

/* ---- words ---- */

/* As the library judges its own lines. */
static bool is_wanted(const struct session *session, b10_log_level level)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    char set[16] = "";
    if (b10_config_get(session->config, "B10_LOG_LEVEL", set, sizeof set, NULL, NULL) !=
        B10_SUCCESS)
        return true;
    for (int i = 0; i < (int)level; i++)
        if (strcmp(set, names[i]) == 0)
            return false;
    return true;
}

void run_say(const struct run *run, b10_log_level level, const char *format, ...)
{
    char line[1200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (is_wanted(run->session, level))
        run->session->callbacks.log(run->session->callbacks.log_user, level, line);
}

double run_seconds_since(int64_t begun_ms)
{
    return (double)(aide_now_ms() - begun_ms) / 1000;
}

static void say_how_it_ended(const struct run *run)
{
    const int code = supervise_code(&run->supervisor);
    const double seconds = run_seconds_since(run->started_ms);
    if (code > 128)
        run_say(run, B10_LOG_INFO, "server: ended by signal %d (%s) after %.1f s", code - 128,
                strsignal(code - 128), seconds);
    else
        run_say(run, B10_LOG_INFO, "server: ended with exit code %d after %.1f s", code, seconds);
}

/* ---- the steps ---- */

void run_finish(struct run *run, int code)
{
    run->over = true;
    run->code = code;
}

void run_stop_aide(struct run *run, int number)
{
    const int64_t now = aide_now_ms();
    const int64_t killed = run->asked_ms + RUN_GRACE_MS + CLEAN_UP_MS;
    aide_stop(&run->aide, number);
    run->stopping = true;
    run->deadline_ms = now + CLEAN_UP_MS;
    if (run->asked_ms != 0 && killed < run->deadline_ms)
        run->deadline_ms = killed > now + HASTE_MS ? killed : now + HASTE_MS;
}

/* False: no process can be had; the step is left out. */
static bool begin(struct run *run, struct aide_order order)
{
    run->stopping = false;
    run->deadline_ms = 0;
    if (aide_start(&run->aide, &order, run->session, &run->relay, &run->supervisor.before))
        return true;
    run_say(run, B10_LOG_WARN, "no process can be started: %s", strerror(errno));
    return false;
}

void run_start_server(struct run *run)
{
    char *const *argv = run->session->options->argv;
    struct run_record *record = run->record;
    record->starts++;
    run->started_ms = aide_now_ms();
    if (!supervise_start(&run->supervisor, argv, &run->relay)) {
        run_say(run, B10_LOG_ERROR, "cannot execute '%s': %s", argv[0],
                strerror(run->supervisor.exec_error));
        run_finish(run, supervise_code(&run->supervisor));
        return;
    }
    run->group = run->supervisor.pid;
    if (record->starts == 1)
        record->start_seconds = run_seconds_since(run->begun_ms);
    run_say(run, B10_LOG_INFO, "start: '%s' is process %ld, %.2f s after the beginning", argv[0],
            (long)run->group, run_seconds_since(run->begun_ms));
    (void)begin(run, (struct aide_order){.work = AIDE_WAIT});
}

bool run_begin_load(struct run *run)
{
    return begin(run, (struct aide_order){.work = AIDE_LOAD});
}

static void begin_settle(struct run *run)
{
    (void)begin(run,
                (struct aide_order){.work = AIDE_SETTLE, .cold = !run->record->loaded_something});
}

/* After a start without the cache nothing is added to an archive that may be the culprit. */
static void begin_save(struct run *run)
{
    (void)begin(run, (struct aide_order){.work = AIDE_SAVE, .only_if_absent = run->retried});
}

/* The time that is left after the server has ended. */
static int64_t left_ms(const struct run *run)
{
    int64_t left = RUN_FINAL_SAVE_MS;
    if (run->asked_ms != 0) {
        const int64_t grace = run->asked_ms + RUN_GRACE_MS - aide_now_ms();
        left = grace < left ? grace : left;
    }
    return left;
}

static void begin_final_save(struct run *run)
{
    const int64_t left = left_ms(run);
    run->is_final = true;
    if (left < 1000) {
        run_say(run, B10_LOG_WARN, "save: no time is left to save again");
        run_finish(run, supervise_code(&run->supervisor));
        return;
    }
    const struct aide_order order = {.work = AIDE_SAVE,
                                     .only_if_absent = run->retried,
                                     .limit_s = (unsigned)(left / 1000)};
    if (begin(run, order))
        run->deadline_ms = aide_now_ms() + left;
    else
        run_finish(run, supervise_code(&run->supervisor));
}

/* ---- an aide has ended ---- */

static bool is_hit(const struct aide_result *result)
{
    return result->status == B10_SUCCESS || result->error.code == B10_REASON_LOCAL_PRESENT;
}

static void after_load(struct run *run)
{
    struct run_record *record = run->record;
    const struct aide_result *result = &run->aide.result;
    const uint32_t reason = result->error.code;
    record->load = *result;
    record->load_seconds = run_seconds_since(run->aide.begun_ms);
    record->loaded_something = result->status == B10_SUCCESS && result->report.files > 0;
    if (reason == B10_REASON_DISABLED || reason == B10_REASON_CONFIG ||
        reason == B10_REASON_INTERNAL)
        run_say(run, B10_LOG_WARN, "load: %s (%s)", result->error.message, b10_reason_name(reason));
    if (!run->session->options->require_hit || is_hit(result)) {
        run_start_server(run);
        return;
    }
    run_say(run, B10_LOG_ERROR,
            "the server is not started, because nothing was loaded (--require-hit)");
    run_finish(run, reason == B10_REASON_DISABLED || reason == B10_REASON_CONFIG
                        ? EXIT_CODE_USAGE
                        : EXIT_CODE_ABSENT);
}

static void after_wait(struct run *run)
{
    struct run_record *record = run->record;
    struct aide_order order = {.work = AIDE_MARK};
    if (run->aide.result.status != B10_SUCCESS) {
        if (run->aide.result.error.code != B10_REASON_DISABLED)
            run_say(run, B10_LOG_WARN, "wait: %s; nothing will be saved",
                    run->aide.result.error.message);
        return;
    }
    record->ready = true;
    record->ready_seconds = run_seconds_since(run->started_ms);
    if (!run->retried) {
        begin_settle(run);
        return;
    }
    memcpy(order.archive_token, record->load.report.archive_token, sizeof order.archive_token);
    if (!begin(run, order))
        begin_settle(run);
}

static void after_mark(struct run *run)
{
    const struct aide_result *result = &run->aide.result;
    run->record->marked = result->status == B10_SUCCESS;
    if (!run->record->marked)
        run_say(run, B10_LOG_WARN, "the archive could not be marked as suspect: %s",
                result->error.message);
    begin_settle(run);
}

static void after_settle(struct run *run)
{
    struct run_record *record = run->record;
    const b10_serve_report *serve = &run->aide.result.serve;
    record->settle = run->aide.result;
    record->settle_seconds = run_seconds_since(run->aide.begun_ms);
    record->settled = run->aide.result.status == B10_SUCCESS;
    if (record->settled && !record->loaded_something) {
        snprintf(record->verdict, sizeof record->verdict,
                 "cold: nothing was loaded (%s); %" PRIu64 " files are here now",
                 run->retried ? "the server did not start with it"
                              : b10_reason_name(record->load.error.code),
                 serve->local_files);
        run_say(run, B10_LOG_INFO, "%s", record->verdict);
    } else if (record->settled) {
        snprintf(record->verdict, sizeof record->verdict, "%s", serve->verdict);
    }
    begin_save(run);
}

static void note_save(struct run *run)
{
    struct run_record *record = run->record;
    const bool was_final = run->is_final;
    *(was_final ? &record->final_save : &record->save) = run->aide.result;
    *(was_final ? &record->final_saved : &record->saved) = true;
    *(was_final ? &record->final_save_seconds : &record->save_seconds) =
        run_seconds_since(run->aide.begun_ms);
}

static void after_save(struct run *run)
{
    note_save(run);
    if (run->is_final)
        run_finish(run, supervise_code(&run->supervisor));
    else if (run->supervisor.ended)
        begin_final_save(run);
}

static void after_unload(struct run *run)
{
    const struct aide_result *result = &run->aide.result;
    if (result->status != B10_SUCCESS) {
        run_say(run, B10_LOG_ERROR, "the loaded cache cannot be taken out: %s",
                result->error.message);
        run_finish(run, supervise_code(&run->supervisor));
        return;
    }
    run->record->unloaded_files = result->report.files;
    run->record->loaded_something = false;
    run->retried = true;
    run_start_server(run);
}

void run_after_aide(struct run *run)
{
    if (run->stopping) { /* by a signal, or out of time */
        if (run->aide.order.work == AIDE_SAVE)
            note_save(run);
        run_finish(run, run->code);
        return;
    }
    switch (run->aide.order.work) {
    case AIDE_LOAD:
        after_load(run);
        break;
    case AIDE_WAIT:
        after_wait(run);
        break;
    case AIDE_MARK:
        after_mark(run);
        break;
    case AIDE_SETTLE:
        after_settle(run);
        break;
    case AIDE_SAVE:
        after_save(run);
        break;
    case AIDE_UNLOAD:
        after_unload(run);
        break;
    }
}

/* ---- the server has ended ---- */

static bool may_retry(const struct run *run)
{
    return !run->record->ready && run->record->loaded_something && !run->retried &&
           supervise_failed(&run->supervisor) && !run->session->options->no_retry_cold;
}

static void retry(struct run *run)
{
    aide_leave(&run->aide);
    supervise_kill_rest(run->group);
    run_say(run, B10_LOG_WARN,
            "it failed before it was ready, with a loaded cache: taking that out, and "
            "starting it once more");
    if (!begin(run, (struct aide_order){.work = AIDE_UNLOAD}))
        run_finish(run, run->code);
}

/* A process that was killed in the middle may have left half of a file. */
static bool is_worth_saving(const struct run *run)
{
    const bool crashed =
        supervise_failed(&run->supervisor) && supervise_code(&run->supervisor) > 128;
    return run->record->ready && !crashed;
}

void run_after_server(struct run *run)
{
    run->code = supervise_code(&run->supervisor);
    say_how_it_ended(run);
    const bool saves = run->aide.pid > 0 && run->aide.order.work == AIDE_SAVE;
    if (may_retry(run)) {
        retry(run);
    } else if (!is_worth_saving(run) && saves) {
        run_stop_aide(run, SIGTERM); /* what it has on the volume is removed */
    } else if (!is_worth_saving(run)) {
        aide_leave(&run->aide);
        run_finish(run, run->code);
    } else if (saves) {
        run->deadline_ms = aide_now_ms() + left_ms(run);
    } else {
        aide_leave(&run->aide);
        begin_final_save(run);
    }
}
