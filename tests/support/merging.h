/* A replica that saves and loads in mode `merge`, and what must hold for the archive it adds to.
 *
 * Failures fail the test.
 */
#ifndef SUPPORT_MERGING_H
#define SUPPORT_MERGING_H

#include "archive/reader.h"
#include "support/replica.h"

/* replica_init, both modes `merge`, local/ filled by replica_fill (54 files) and saved. */
void merging_begin(struct replica *replica, const struct scratch *scratch);

/* The local directory becomes `local`, below the scratch directory. */
void merging_aim(struct replica *replica, const char *local);

/* The archive is whole, and nothing is beside it. */
void merging_intact(struct replica *replica);

/* Also, a host with nothing makes the tree `expected` of it. The local directory is local/ then. */
void merging_holds(struct replica *replica, const char *expected);

/* A save adds exactly so many files and directories to what was there. */
void merging_adds(struct replica *replica, uint64_t files, uint64_t directories);

/* *archive is to be closed. */
void merging_open(const struct replica *replica, struct reader *archive);

#endif
