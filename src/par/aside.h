/* One step of an operation on a thread of its own, beside the one that began it.
 *
 *     begin ──▶ (the step) ──▶ wait      what it said; also a second time
 *
 * Where it is not to run beside, or no thread can be had, begin does the step. Whoever cannot wait any
 * longer trips what the step looks at (cancel.h) and waits all the same: what the step uses must
 * outlive it.
 * Threads: one at a time.
 */
#ifndef PAR_ASIDE_H
#define PAR_ASIDE_H

#include "base/progress.h"
#include "par/background.h"

typedef enum b10_reason (*aside_fn)(void *user, struct b10_error *error);

struct aside {
    aside_fn step;
    void *user;
    struct progress *progress;     /* borrowed; counts the thread */
    struct background *background; /* owned; NULL: ended, or not begun */
    enum b10_reason reason;
    struct b10_error failure;
};

#define ASIDE_NONE                                                                                 \
    {                                                                                              \
        .failure = ERROR_NONE                                                                      \
    }

/* One that has ended or was never begun may begin (again); it must not move then. progress may be
 * NULL. */
void aside_begin(struct aside *aside, bool is_beside, aside_fn step, void *user,
                 struct progress *progress);

/* The step is, or may be, still going on. */
bool aside_is_going_on(const struct aside *aside);

/* OK too if it was never begun. */
MUST_CHECK enum b10_reason aside_wait(struct aside *aside, struct b10_error *error);

/* Waits, whatever it says. */
void aside_guard(struct aside *aside);

#endif
