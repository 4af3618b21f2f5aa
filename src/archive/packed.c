#include "archive/packed.h"

#include <stdlib.h>

void packed_free(struct packed *packed)
{
    while (packed != NULL) {
        struct packed *next = packed->next;
        bytes_release(&packed->compressed);
        bytes_release(&packed->targets);
        free(packed->members);
        free(packed);
        packed = next;
    }
}

void packed_guard(struct packed **packed)
{
    packed_free(*packed);
    *packed = NULL;
}
