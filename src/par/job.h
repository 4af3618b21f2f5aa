/* A call that may never return, because a volume hangs: done on a thread that its caller can leave
 * behind.
 *
 *     run ──▶ [ thread: task ] ◀──listens── caller: log lines, progress, its wish to stop, the deadline
 *      │
 *      ├── the task ends ──────────────────────────▶ joined; the state is the caller's again
 *      └── deadline or cancelled: stop sign up; the task has a moment to end by itself
 *               └── it is inside a system call ────▶ abandoned: the thread owns the state, does
 *                                                    nothing but clean up when the call returns,
 *                                                    and releases it
 *
 * So the state must own all that the task touches, and the task must look at the stop sign
 * (progress_step) after every call that may hang, above all before it changes what others see.
 * Nothing of the caller's is touched from the job's thread: callbacks run on the caller's.
 *
 * Where no thread can be had the task runs on the caller's, and nothing can leave it behind.
 * Threads: run any.
 */
#ifndef PAR_JOB_H
#define PAR_JOB_H

#include <stdbool.h>

#include "base/log.h"
#include "base/progress.h"

enum {
    JOB_QUIET_S = 60,             /* without an explicit limit: so long nothing may move */
    JOB_TIMEOUT_GRACE_MS = 500,   /* to end by itself after the deadline */
    JOB_CANCELLED_GRACE_MS = 3000 /* after a cancellation, since something moved last */
};

struct job_task {
    enum b10_reason (*run)(void *state, struct log *log, struct progress *progress,
                           struct b10_error *error);
    /* frees the state of a job that was abandoned; else it is the caller's */
    void (*release)(void *state);
};

/* All borrowed for the call. */
struct job_listener {
    b10_log_fn log; /* NULL: silent */
    void *log_user;
    b10_progress_fn progress; /* NULL: nobody listens */
    void *progress_user;
    bool (*wants_stop)(const void *user); /* asked every PROGRESS_INTERVAL_MS; NULL: never */
    const void *wants_stop_user;
};

/* Runs the task to its end or to its deadline: progress.limit_s, which the task may set, in all;
 * while that is 0, until nothing has moved for JOB_QUIET_S. `object` (borrowed) is what the message
 * of a TIMEOUT names.
 * *left: how many threads stay behind, 0 if the task has ended; otherwise the state is the
 * job's.  TIMEOUT, CANCELLED, else what the task returned. */
MUST_CHECK enum b10_reason job_run(const struct job_task *task, void *state,
                                   const struct job_listener *listener, const char *object,
                                   unsigned *left, struct b10_error *error);

#endif
