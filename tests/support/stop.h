/* A stop sign put up by a test. */
#ifndef SUPPORT_STOP_H
#define SUPPORT_STOP_H

#include "base/cancel.h"

static inline void stop_for(struct cancel *cancel, enum b10_reason reason)
{
    struct b10_error why = ERROR_NONE;
    error_set(&why, reason, "stopped by the test");
    (void)cancel_trip(cancel, &why);
}

#endif
