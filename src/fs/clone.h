/* One file's content into another: a reflink where the file system has it, else a copy.
 *
 * Threads: any.
 */
#ifndef FS_CLONE_H
#define FS_CLONE_H

#include <stdint.h>

#include "base/error.h"

/* Called between pieces; a reason other than OK ends the copy. */
typedef enum b10_reason (*clone_check_fn)(void *user, uint64_t copied, struct b10_error *error);

/* Copies the first `size` bytes of `from` (open for reading; fewer is IO) to `to` (open for
 * writing, empty). Holes may be written as zeros. `copied` counts from the beginning. check may be
 * NULL. */
MUST_CHECK enum b10_reason clone_file(int from, int to, uint64_t size, const char *name,
                                      clone_check_fn check, void *user, struct b10_error *error);

#endif
