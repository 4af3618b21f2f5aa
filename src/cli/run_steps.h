/* The steps of `run` (run_loop.h): what an aide or the server came to, and what is begun because of it.
 *
 * Threads: none may exist.
 */
#ifndef CLI_RUN_STEPS_H
#define CLI_RUN_STEPS_H

#include "cli/run_loop.h"

struct run {
    struct session *session;
    struct run_record *record;
    struct supervisor supervisor;
    struct relay relay;
    struct aide aide;
    int64_t begun_ms;
    int64_t started_ms;  /* the server, the last time */
    int64_t asked_ms;    /* when it was first asked to end; 0: it was not */
    int64_t deadline_ms; /* of the aide that works; 0: none */
    pid_t group;         /* of the last start */
    bool retried;        /* it was started once more, without the cache */
    bool stopping;       /* the aide was asked to stop */
    bool is_final;       /* the save that works is the last one */
    bool over;
    int code;
};

/* One line of the log. */
__attribute__((format(printf, 3, 4))) void run_say(const struct run *run, b10_log_level level,
                                                   const char *format, ...);

double run_seconds_since(int64_t begun_ms);

/* The first two steps; false: no process can be had for the load. */
bool run_begin_load(struct run *run);
void run_start_server(struct run *run);

/* run->aide has ended; the server has. */
void run_after_aide(struct run *run);
void run_after_server(struct run *run);

/* run->aide is asked to stop; when it has ended, or has not in time, that is the end, with run->code. */
void run_stop_aide(struct run *run, int number);

void run_finish(struct run *run, int code);

#endif
