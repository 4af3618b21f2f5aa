/* How far an operation is, and whether it may go on: counters that workers raise, told to the
 * caller's callback, and the operation's stop sign.
 *
 *     the operation on the caller's own thread   progress_phase and progress_tick call the callback
 *     the operation on a thread of its own       progress_phase hands its report over and waits for the
 *     (par/job.h)                                answer; the caller's thread reads the counters itself
 *
 * A non-zero return of the callback trips the stop sign with CANCELLED. Whoever calls the volume
 * says progress_moved when an answer came, so that a silence can be told from a long operation, and
 * looks at the sign (progress_check) before going on.
 * Threads: progress_add, _moved, _check, _thread and _read any; everything else the operation's
 * main one.
 */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"

enum { PROGRESS_INTERVAL_MS = 100 };

struct progress {
    b10_progress_fn fn; /* NULL: nobody listens */
    void *user;
    bool handed_over;    /* fn only for phases: the listener reads the rest itself */
    struct cancel *stop; /* borrowed: of the operation; NULL: nothing stops it */
    _Atomic(const char *) phase;
    _Atomic uint64_t bytes_total;
    _Atomic uint64_t files_total;
    _Atomic uint64_t bytes_done;
    _Atomic uint64_t files_done;
    _Atomic uint64_t moves;   /* answers of volume and disk so far */
    _Atomic uint64_t limit_s; /* of the whole operation; 0: until nothing moves any more */
    _Atomic unsigned threads; /* that work for it at the moment */
    uint64_t last_ns;         /* of the last call of fn */
};

/* Counters to zero, new phase and totals; calls fn once. */
MUST_CHECK enum b10_reason progress_phase(struct progress *progress, const char *phase,
                                          uint64_t bytes_total, uint64_t files_total,
                                          struct b10_error *error);

/* Also counts as a move. */
void progress_add(struct progress *progress, uint64_t bytes, uint64_t files);

/* The volume or the disk has answered. */
void progress_moved(struct progress *progress);

/* `change` threads more (or fewer) work for the operation. */
void progress_thread(struct progress *progress, int change);

/* What the whole operation may take; 0: until nothing moves any more. */
void progress_limit(struct progress *progress, unsigned limit_s);

/* OK while the operation may go on, else why it must stop. */
MUST_CHECK enum b10_reason progress_check(const struct progress *progress, struct b10_error *error);

/* progress_moved and progress_check: what follows every call of the volume. */
MUST_CHECK enum b10_reason progress_step(struct progress *progress, struct b10_error *error);

/* Calls fn if PROGRESS_INTERVAL_MS have passed since its last call, then as progress_check. */
MUST_CHECK enum b10_reason progress_tick(struct progress *progress, struct b10_error *error);

/* The last report of an operation that succeeded; its answer is ignored. */
void progress_final(struct progress *progress);

/* The counters as a report. */
void progress_read(const struct progress *progress, struct b10_progress *now);

#endif
