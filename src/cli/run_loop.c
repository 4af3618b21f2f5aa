#include "cli/run_loop.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "cli/run_steps.h"

enum { DRAIN_MS = 5000 }; /* for output that nobody reads */

/* While no server runs a signal is for us. */
static void take_signal(struct run *run, int number)
{
    if (!supervise_is_end(number))
        return;
    if (run->asked_ms == 0)
        run->asked_ms = aide_now_ms();
    if (run->supervisor.pid > 0)
        return;
    if (!run->record->ready || !run->supervisor.ended) /* it has not run to an end worth telling */
        run->code = EXIT_CODE_SIGNAL + number;
    if (run->aide.pid > 0 && !run->stopping)
        run_stop_aide(run, number == SIGQUIT ? SIGTERM : number);
    else
        run_finish(run, run->code);
}

static void take_signals(struct run *run)
{
    int number;
    const bool ran = run->supervisor.pid > 0;
    while (!run->over && (number = supervise_next(&run->supervisor)) != 0)
        take_signal(run, number);
    if (ran && !run->over && run->supervisor.ended)
        run_after_server(run);
}

static void take_words(struct run *run)
{
    char reason[REFUSAL_REASON];
    if (relay_read(&run->relay, reason) != RELAY_REFUSED)
        return;
    snprintf(run->record->refused, sizeof run->record->refused, "%s", reason);
    run_say(run, B10_LOG_WARN, "loaded but refused: %s", reason);
}

static void take_deadline(struct run *run)
{
    if (run->deadline_ms == 0 || aide_now_ms() < run->deadline_ms)
        return;
    if (run->stopping) {
        aide_leave(&run->aide);
        run_finish(run, run->code);
        return;
    }
    run_say(run, B10_LOG_WARN, "save: it takes too long and is given up");
    run_stop_aide(run, SIGTERM);
}

static int patience_ms(const struct run *run)
{
    if (run->deadline_ms == 0)
        return -1;
    const int64_t left = run->deadline_ms - aide_now_ms();
    return left > 0 ? (int)left : 0;
}

static void look(struct run *run)
{
    struct pollfd ready[] = {{.fd = run->supervisor.signals_fd, .events = POLLIN},
                             {.fd = run->aide.fd, .events = POLLIN},
                             {.fd = run->relay.told, .events = POLLIN},
                             {.fd = run->aide.log, .events = POLLIN}};
    (void)!poll(ready, 4, patience_ms(run));
    aide_pass_log(&run->aide);
    take_signals(run);
    if (!run->over && ready[1].revents != 0 && run->aide.fd == ready[1].fd && aide_read(&run->aide))
        run_after_aide(run);
    if (ready[2].revents != 0)
        take_words(run);
    if (!run->over)
        take_deadline(run);
}

/* What the server wrote comes before what we say at the end. */
static void drain(struct run *run)
{
    char reason[REFUSAL_REASON];
    const int64_t end = aide_now_ms() + DRAIN_MS;
    relay_ask(&run->relay);
    while (run->relay.told >= 0 && aide_now_ms() < end) {
        struct pollfd ready = {.fd = run->relay.told, .events = POLLIN};
        (void)!poll(&ready, 1, 100);
        const enum relay_word word = relay_read(&run->relay, reason);
        if (word == RELAY_DRAINED)
            break;
        if (word == RELAY_REFUSED)
            snprintf(run->record->refused, sizeof run->record->refused, "%s", reason);
    }
    relay_leave(&run->relay);
}

static void record_init(struct run_record *record)
{
    memset(record, 0, sizeof *record);
    record->start_seconds = record->load_seconds = record->ready_seconds = -1;
    record->settle_seconds = record->save_seconds = record->final_save_seconds = -1;
}

int run_loop(struct session *session, struct run_record *record)
{
    struct run run = {.session = session, .record = record, .relay = RELAY_NONE, .aide = AIDE_NONE};
    run.begun_ms = aide_now_ms();
    record_init(record);
    if (!supervise_init(&run.supervisor, session->options->pipe_ignored)) {
        run_say(&run, B10_LOG_ERROR, "cannot take signals: %s", strerror(errno));
        return EXIT_CODE_FAILED;
    }
    relay_start(&run.relay);
    if (!run_begin_load(&run))
        run_start_server(&run);
    while (!run.over)
        look(&run);
    drain(&run);
    record->seconds = run_seconds_since(run.begun_ms);
    record->exit_code = run.code;
    return run.code;
}
