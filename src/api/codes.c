/* Exported: names of codes, version. */
#include <stddef.h>

#include "b10transfer.h"

static const char unknown[] = "UNKNOWN";

static const char *const reason_names[] = {
    [B10_REASON_OK] = "OK",
    [B10_REASON_DISABLED] = "DISABLED",
    [B10_REASON_CONFIG] = "CONFIG",
    [B10_REASON_LOCAL_PRESENT] = "LOCAL_PRESENT",
    [B10_REASON_ABSENT] = "ABSENT",
    [B10_REASON_NO_SPACE] = "NO_SPACE",
    [B10_REASON_TOO_LARGE] = "TOO_LARGE",
    [B10_REASON_CORRUPT] = "CORRUPT",
    [B10_REASON_UNSAFE] = "UNSAFE",
    [B10_REASON_FORMAT] = "FORMAT",
    [B10_REASON_READ_ONLY] = "READ_ONLY",
    [B10_REASON_NOTHING_LOCAL] = "NOTHING_LOCAL",
    [B10_REASON_ALREADY_SAVED] = "ALREADY_SAVED",
    [B10_REASON_IO] = "IO",
    [B10_REASON_DENIED] = "DENIED",
    [B10_REASON_NO_MEMORY] = "NO_MEMORY",
    [B10_REASON_CANCELLED] = "CANCELLED",
    [B10_REASON_INTERNAL] = "INTERNAL",
    [B10_REASON_NO_KEY] = "NO_KEY",
    [B10_REASON_IN_PROGRESS] = "IN_PROGRESS",
    [B10_REASON_BUSY] = "BUSY",
    [B10_REASON_CHURN] = "CHURN",
    [B10_REASON_TIMEOUT] = "TIMEOUT",
    [B10_REASON_FORKED] = "FORKED",
};

const char *b10_reason_name(uint32_t reason)
{
    return reason < sizeof(reason_names) / sizeof(reason_names[0]) ? reason_names[reason] : unknown;
}

const char *b10_status_name(OperationStatus status)
{
    switch (status) {
    case B10_SUCCESS:
        return "SUCCESS";
    case B10_ERROR:
        return "ERROR";
    case B10_DOES_NOT_EXIST:
        return "DOES_NOT_EXIST";
    case B10_SKIPPED:
        return "SKIPPED";
    default:
        return unknown;
    }
}

const char *b10_version(void)
{
    return B10_VERSION_TEXT;
}
