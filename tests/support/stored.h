/* A replica whose volume holds an archive of saved/, and the question whether a load brings that
 * tree back.
 *
 *     stored_init(&replica, scratch, NULL);  replica_set(…where…);  stored_comes_back(&replica, "where");
 *
 * Fails the test (in a sandbox: ends the child) where the answer is no.
 */
#ifndef SUPPORT_STORED_H
#define SUPPORT_STORED_H

#include "support/replica.h"

/* replica_init, saved/ filled by replica_fill and a large duplicate, and saved. The destination is
 * local/, which is absent. Unless it is NULL, `headers` is where the root `headers` lies while it
 * is saved: a path below the scratch directory. */
void stored_init(struct replica *replica, const struct scratch *scratch, const char *headers);

/* The destination becomes `main_root`, and that of the root `headers` (NULL: no such root), below
 * the scratch directory. */
void stored_destination(struct replica *replica, const char *main_root, const char *headers);

/* A load succeeds, `destination` is the same tree as saved/, and nothing is left. */
void stored_comes_back(struct replica *replica, const char *destination);

/* The same, then a clear leaves no file in it and nothing is left, and a second load brings the
 * tree back once more. */
void stored_comes_and_goes(struct replica *replica, const char *destination);

/* Saves saved/, of which nothing may be left out, verifies the archive, and has it come and go at local/. */
void stored_round_trip(struct replica *replica);

/* No staging, marker or temporary file anywhere below the scratch directory, whatever is mounted
 * there. */
void stored_nothing_left(const struct scratch *scratch);

/* Entries of `relative` that are staging directories. */
size_t stored_staging_in(const struct scratch *scratch, const char *relative);

#endif
