/* The stop sign of an operation, or of one part of it: tripped once, seen by every worker.
 *
 * The first trip wins; its reason and words are what the operation ends with. A sign below another
 * one is up when that one is, too: a part can fail without stopping the whole.
 * Threads: any.
 */
#ifndef BASE_CANCEL_H
#define BASE_CANCEL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/error.h"

struct cancel {
    _Atomic int state;          /* clear, being written, up */
    const struct cancel *above; /* borrowed; NULL: none */
    struct b10_error why;       /* readable once it is up */
};

#define CANCEL_BELOW(sign)                                                                         \
    {                                                                                              \
        .above = (sign), .why = ERROR_NONE                                                         \
    }
#define CANCEL_CLEAR CANCEL_BELOW(NULL)

/* `why`: its code is the reason, never OK. True for the one whose trip it is. */
bool cancel_trip(struct cancel *cancel, const struct b10_error *why);
bool cancel_tripped(const struct cancel *cancel); /* NULL: never */

/* OK until it is up, then the reason of the trip, its words in `error`. */
MUST_CHECK enum b10_reason cancel_check(const struct cancel *cancel, struct b10_error *error);

#endif
