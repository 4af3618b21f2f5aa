/* How far an operation is: counters that workers raise, told to the caller's callback on the
 * caller's own thread.
 *
 * progress_tick is called by whoever waits on the calling thread (the pool) about every 100 ms; a
 * non-zero return of the callback becomes CANCELLED.
 * Threads: progress_add any; everything else the calling thread.
 */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/error.h"

enum { PROGRESS_INTERVAL_MS = 100 };

struct progress {
    b10_progress_fn fn; /* NULL: nobody listens */
    void *user;
    const char *phase;
    uint64_t bytes_total;
    uint64_t files_total;
    _Atomic uint64_t bytes_done;
    _Atomic uint64_t files_done;
    uint64_t last_ns; /* of the last call of fn */
};

/* Counters to zero, new phase and totals; calls fn once. */
MUST_CHECK enum b10_reason progress_phase(struct progress *progress, const char *phase,
                                          uint64_t bytes_total, uint64_t files_total,
                                          struct b10_error *error);
void progress_add(struct progress *progress, uint64_t bytes, uint64_t files);

/* Calls fn if PROGRESS_INTERVAL_MS have passed since its last call. CANCELLED if it returned
 * non-zero. */
MUST_CHECK enum b10_reason progress_tick(struct progress *progress, struct b10_error *error);

/* The last report of an operation that succeeded; its answer is ignored. */
void progress_final(struct progress *progress);

#endif
