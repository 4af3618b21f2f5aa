/* Exported: names of codes, version. */
#include <stddef.h>

#include "base/error.h"

static const char unknown[] = "UNKNOWN";

const char *b10_reason_name(uint32_t reason)
{
    return error_name(reason);
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
