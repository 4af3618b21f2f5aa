/* Finds identical files, so that the archive stores each content once.
 *
 *     files of equal size ──▶ fingerprint of each content ──▶ the first of equals is the `original` of the others
 *
 * Only files of the same root are compared, empty ones never. Each candidate is read once, whatever
 * the number of files of its size, and nothing of it is kept but 64 bits. What is found here is a
 * proposal: pack compares byte by byte against what it really packed. A file that cannot be read
 * has no original; pack will count it.
 */
#ifndef ARCHIVE_SAME_H
#define ARCHIVE_SAME_H

#include "archive/tree.h"
#include "base/cancel.h"
#include "base/progress.h"

/* Sets `original` of every item. An original is never itself a duplicate. progress may be NULL. */
MUST_CHECK enum b10_reason same_find(struct tree *tree, unsigned threads, struct cancel *cancel,
                                     struct progress *progress, struct b10_error *error);

#endif
