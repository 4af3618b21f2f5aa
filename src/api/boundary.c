#include "api/boundary.h"

#include <inttypes.h>
#include <string.h>

OperationStatus boundary_status(enum b10_reason reason, OperationStatus absent)
{
    switch (reason) {
    case B10_REASON_OK:
        return B10_SUCCESS;
    case B10_REASON_ABSENT:
        return absent;
    case B10_REASON_LOCAL_PRESENT:
    case B10_REASON_READ_ONLY:
    case B10_REASON_NOTHING_LOCAL:
    case B10_REASON_ALREADY_SAVED:
    case B10_REASON_NO_KEY:
    case B10_REASON_IN_PROGRESS:
    case B10_REASON_BUSY:
    case B10_REASON_CHURN:
        return B10_SKIPPED;
    default:
        return B10_ERROR;
    }
}

enum b10_reason boundary_check(const char *name, uint32_t struct_size, size_t first,
                               struct b10_error *error)
{
    if (struct_size >= first)
        return B10_REASON_OK;
    return error_set(error, B10_REASON_INTERNAL,
                     "struct_size of %s is %" PRIu32
                     ", not its size: initialize it with B10_INIT(%s)",
                     name, struct_size, name);
}

static size_t size_of(const void *record)
{
    uint32_t size;
    memcpy(&size, record, sizeof(size));
    return size;
}

void boundary_copy(void *to, const void *from)
{
    size_t size = size_of(to) < size_of(from) ? size_of(to) : size_of(from);
    if (size > sizeof(uint32_t))
        memcpy((char *)to + sizeof(uint32_t), (const char *)from + sizeof(uint32_t),
               size - sizeof(uint32_t));
}

const void *boundary_item(const void *first, uint64_t total, uint32_t stride, size_t index)
{
    return index < total ? (const char *)first + index * stride : NULL;
}
