/* Finds identical files, so that the archive stores each content once.
 *
 * Files of one size are compared byte by byte with representatives of that size; the first of each kind in tree order
 * becomes the `original` of the others. Only files of the same root are compared, empty ones never. The work is
 * bounded: SAME_REPRESENTATIVES per size and SAME_MEMORY of them in memory; what is beyond is simply stored again.
 * What is found here is a proposal: pack compares again against the bytes it really packed. A file that cannot be read
 * has no original; pack will count it.
 */
#ifndef ARCHIVE_SAME_H
#define ARCHIVE_SAME_H

#include "archive/tree.h"
#include "base/cancel.h"
#include "base/progress.h"

enum { SAME_REPRESENTATIVES = 64, SAME_MEMORY = 4 << 20 };

/* Sets `original` of every item. An original is never itself a duplicate. */
MUST_CHECK enum b10_reason same_find(struct tree *tree, unsigned threads, struct cancel *cancel,
                                     struct progress *progress, struct b10_error *error);

#endif
