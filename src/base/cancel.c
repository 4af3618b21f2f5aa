#include "base/cancel.h"

void cancel_trip(struct cancel *cancel, enum b10_reason reason)
{
    int clear = B10_REASON_OK;
    atomic_compare_exchange_strong(&cancel->reason, &clear, (int)reason);
}

bool cancel_tripped(const struct cancel *cancel)
{
    return atomic_load(&cancel->reason) != B10_REASON_OK;
}
