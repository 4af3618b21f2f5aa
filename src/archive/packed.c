#include "archive/packed.h"

#include <stdlib.h>

static struct packed *take_spare(struct packed_spares *spares)
{
    for (size_t i = 0; i < PACKED_SPARES; i++) {
        struct packed *packed = atomic_exchange(&spares->slots[i], NULL);
        if (packed != NULL)
            return packed;
    }
    return NULL;
}

static bool keep_spare(struct packed *packed)
{
    struct packed_spares *spares = packed->spares;
    for (size_t i = 0; packed->compressed.capacity <= PACKED_SPARE_SIZE && i < PACKED_SPARES; i++) {
        struct packed *empty = NULL;
        if (atomic_compare_exchange_strong(&spares->slots[i], &empty, packed))
            return true;
    }
    return false;
}

static void destroy(struct packed *packed)
{
    bytes_release(&packed->compressed);
    bytes_release(&packed->members);
    bytes_release(&packed->targets);
    free(packed);
}

enum b10_reason packed_new(struct packed **out, struct packed_spares *spares,
                           struct b10_error *error)
{
    *out = take_spare(spares);
    if (*out == NULL)
        *out = calloc(1, sizeof(**out));
    if (*out == NULL)
        return error_no_memory(error);
    (*out)->spares = spares;
    return B10_REASON_OK;
}

void packed_free(struct packed *packed)
{
    while (packed != NULL) {
        struct packed *next = packed->next;
        bytes_clear(&packed->compressed);
        bytes_clear(&packed->members);
        bytes_clear(&packed->targets);
        packed->next = NULL;
        packed->sliced = NULL;
        packed->last = false;
        if (!keep_spare(packed))
            destroy(packed);
        packed = next;
    }
}

void packed_guard(struct packed **packed)
{
    packed_free(*packed);
    *packed = NULL;
}

const struct packed_member *packed_members(const struct packed *packed)
{
    return (const struct packed_member *)(const void *)packed->members.data;
}

void packed_spares_release(struct packed_spares *spares)
{
    for (struct packed *packed; (packed = take_spare(spares)) != NULL;)
        destroy(packed);
}
