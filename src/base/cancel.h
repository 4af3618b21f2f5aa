/* The stop sign of one operation: tripped once, seen by every worker.
 *
 * The first trip wins; its reason is what the operation ends with. Threads: any.
 */
#ifndef BASE_CANCEL_H
#define BASE_CANCEL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/error.h"

struct cancel {
    _Atomic int reason; /* B10_REASON_OK until tripped */
};

#define CANCEL_CLEAR                                                                               \
    {                                                                                              \
        0                                                                                          \
    }

void cancel_trip(struct cancel *cancel, enum b10_reason reason);
bool cancel_tripped(const struct cancel *cancel);

#endif
