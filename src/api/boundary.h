/* What crosses the boundary between the caller and the library: statuses, and structs of two
 * versions.
 *
 * A caller may be built against an older or a newer header. Either way nobody reads or writes more
 * of a struct than its struct_size and our own sizeof allow; what the caller has beyond ours stays
 * as it was.
 */
#ifndef API_BOUNDARY_H
#define API_BOUNDARY_H

#include <stddef.h>

#include "base/error.h"

/* Size of a struct as it was when it first appeared, which ended with `last`: no caller can have
 * less. */
#define FIRST_SIZE(type, last) (offsetof(type, last) + sizeof(((type *)NULL)->last))

/* The status that goes with a reason; `absent` is what ABSENT means to this operation. */
OperationStatus boundary_status(enum b10_reason reason, OperationStatus absent);

/* INTERNAL, naming the struct, unless struct_size is at least `first`. */
MUST_CHECK enum b10_reason boundary_check(const char *name, uint32_t struct_size, size_t first,
                                          struct b10_error *error);

/* Both structs begin with their struct_size, which is neither changed nor copied. */
void boundary_copy(void *to, const void *from);

/* Item `index` of `total` that lie `stride` bytes apart, NULL beyond the end: a caller built against
 * an older header cannot step by its own sizeof. */
const void *boundary_item(const void *first, uint64_t total, uint32_t stride, size_t index);

#endif
