/* What is never packed: locks and temporaries of Inductor and Triton, our own staging and markers,
 * and everything that is not a regular file, a directory or a symlink.
 *
 *     *.lock   lock   locks/   tmp.pid_*   tmp.<uuid>*   .<pid>.<tid>.tmp   *.pkl.tmp   .b10transfer*
 */
#ifndef CACHE_EXCLUDE_H
#define CACHE_EXCLUDE_H

#include <stdbool.h>
#include <sys/types.h>

#define EXCLUDE_PARTIAL_MARKER ".b10transfer.partial"
#define EXCLUDE_STAGING_PREFIX ".b10transfer-staging-"

/* By name and mode (st_mode) of an entry. */
bool exclude_name(const char *name, mode_t mode);

#endif
