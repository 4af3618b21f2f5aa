/* A bounded number of threads that take tasks until there are none, and report the first error.
 *
 *     next (serialised, cheap) ──▶ work (parallel) ──▶ … until next says no, a task fails, or the stop sign is up
 *
 * Tasks are taken in order, so a consumer that wants results in order (window.h) never waits for a
 * task that nobody has begun. Threads live only during pool_run, have all signals blocked, and are
 * joined before it returns. With threads == 1, or when no thread can be created, everything runs on
 * the calling thread, which then ticks the progress between tasks; otherwise the calling thread
 * only waits and ticks.
 *
 * As many threads as there are processors begin. The others, up to the number asked for, join once
 * a task has spent its time waiting for a disk instead of computing, or none has ended for
 * PROGRESS_INTERVAL_MS: they hide the latency of a volume, but where there is none they cost 10 %.
 *
 * First error wins: its record is copied to `error`, `cancel` is tripped,
 * tasks in flight end, no new one begins.
 */
#ifndef PAR_POOL_H
#define PAR_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cancel.h"
#include "base/error.h"
#include "base/progress.h"

enum { POOL_THREADS_MAX = 64 };

struct pool_work {
    /* Size of one task in bytes; each worker owns one, zeroed before every `next`. */
    size_t task_size;
    /* Takes the next task; *more false: there are none. Called under the pool's lock. */
    enum b10_reason (*next)(void *context, void *task, bool *more, struct b10_error *error);
    /* Does it. `worker` is 0 ≤ worker < threads, for state of its own. */
    enum b10_reason (*work)(void *context, unsigned worker, void *task, struct b10_error *error);
};

/* Runs all tasks. progress may be NULL. CANCELLED if the callback said so; the reason in `cancel`
 * if somebody else tripped it. A task that fails with CANCELLED does not hide the failure that
 * stopped it. */
MUST_CHECK enum b10_reason pool_run(const struct pool_work *work, void *context, unsigned threads,
                                    struct cancel *cancel, struct progress *progress,
                                    struct b10_error *error);

/* The plain case: task i of 0 … count-1. */
typedef enum b10_reason (*pool_each_fn)(void *context, unsigned worker, size_t index,
                                        struct b10_error *error);
MUST_CHECK enum b10_reason pool_each(pool_each_fn each, void *context, size_t count,
                                     unsigned threads, struct cancel *cancel,
                                     struct progress *progress, struct b10_error *error);

/* `wanted`, or for 0 the number of processors this process may use, at least 1, at most `most`. */
unsigned pool_threads(unsigned wanted, unsigned most);

#endif
