/* The frame of one operation: from the caller's arguments to what the modules below work with, and
 * back.
 *
 *     call_begin ──▶ call_given ──▶ (the operation, as a job) ──▶ call_end
 *         └───────────────┴───────────────┴────────────▶ whatever failed, its record is the caller's
 *
 * Threads: one each.
 */
#ifndef API_CALL_H
#define API_CALL_H

#include "par/job.h"
#include "settings/config.h"

struct call {
    struct job_listener listener; /* the caller's callbacks and cancel token */
    struct given *given;          /* owned */
    struct b10_error error;
    struct b10_error *caller_error; /* the caller's; NULL if there is none to fill */
    uint64_t started_ns;
};

/* Takes over callbacks and clock. INTERNAL when one of the caller's structs has no size, FORKED for
 * a parent's cancel token. */
MUST_CHECK enum b10_reason call_begin(struct call *call, const b10_options *options,
                                      b10_error *error);

/* Reads configuration and environment, without judging them. */
MUST_CHECK enum b10_reason call_given(struct call *call, const b10_config *config);

/* Fills the caller's record; the status that goes with `reason`. */
OperationStatus call_end(struct call *call, enum b10_reason reason, OperationStatus absent);

/* Nanoseconds since call_begin. */
uint64_t call_elapsed_ns(const struct call *call);

void call_guard(struct call *call);

#endif
