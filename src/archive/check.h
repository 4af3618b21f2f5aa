/* Verifies a whole archive without writing: every frame decoded, every member compared with its
 * line in the index, the totals with the manifest, and what the file system would find out during a
 * load: no name twice, every member in a directory of the manifest. One thread; memory of one run,
 * the index payload and 16 bytes a member.
 */
#ifndef ARCHIVE_CHECK_H
#define ARCHIVE_CHECK_H

#include "archive/reader.h"
#include "base/progress.h"

/* OK: intact. CORRUPT or UNSAFE name file and member. progress may be NULL; its phase becomes
 * "verify". */
MUST_CHECK enum b10_reason check_archive(const struct reader *reader, struct progress *progress,
                                         struct b10_error *error);

#endif
