#include "base/cancel.h"

#include <stddef.h>

enum { CLEAR, BEING_WRITTEN, UP };

bool cancel_trip(struct cancel *cancel, const struct b10_error *why)
{
    int clear = CLEAR;
    if (!atomic_compare_exchange_strong(&cancel->state, &clear, BEING_WRITTEN))
        return false;
    cancel->why = *why;
    atomic_store(&cancel->state, UP);
    return true;
}

/* The topmost that is up: what stops the whole says more than what stops a part. */
static const struct cancel *find_up(const struct cancel *cancel)
{
    const struct cancel *up = NULL;
    for (; cancel != NULL; cancel = cancel->above)
        if (atomic_load(&cancel->state) == UP)
            up = cancel;
    return up;
}

bool cancel_tripped(const struct cancel *cancel)
{
    return find_up(cancel) != NULL;
}

enum b10_reason cancel_check(const struct cancel *cancel, struct b10_error *error)
{
    const struct cancel *up = find_up(cancel);
    return up == NULL ? B10_REASON_OK : error_copy(error, &up->why);
}
