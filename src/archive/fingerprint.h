/* 64 bits that tell byte strings apart quickly: which files are worth comparing, whether a file was
 * touched.
 *
 * Not a digest: whoever wants two strings with one fingerprint can make them. What must be certain
 * is compared byte by byte.
 * Threads: any.
 */
#ifndef ARCHIVE_FINGERPRINT_H
#define ARCHIVE_FINGERPRINT_H

#include <stddef.h>
#include <stdint.h>

/* `previous` is 0, or the fingerprint of what came before; the same bytes cut in the same places
 * give the same value. */
uint64_t fingerprint(uint64_t previous, const void *data, size_t size);

#endif
