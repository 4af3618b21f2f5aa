/* One fact of an environment: a name and a value, as env/ finds them and the manifest stores
 * them. */
#ifndef BASE_FACT_H
#define BASE_FACT_H

#include <stddef.h>

#include "base/error.h"

struct fact {
    char *name;  /* owned */
    char *value; /* owned */
};

/* *to becomes a copy; after a failure it is empty. Only NO_MEMORY. */
MUST_CHECK enum b10_reason fact_copy(struct fact *to, const char *name, const char *value,
                                     struct b10_error *error);
void fact_release(struct fact *fact); /* harmless on an empty one */

/* Releases an array on the heap and all in it; NULL is fine. */
void fact_list_free(struct fact *facts, size_t count);

/* The value of the fact with this name, NULL if there is none. */
const char *fact_value(const struct fact *facts, size_t count, const char *name);

/* By name, for qsort. */
int fact_order(const void *a, const void *b);

#endif
