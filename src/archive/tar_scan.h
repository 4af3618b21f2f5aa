/* What a member of this format may look like, judged on the raw blocks before libarchive sees them.
 *
 *     [ pax header 'x' (512) | its records, padded to 512 ] | ustar header (512) | content, padded to 512
 *
 * Only the types file, hard link, symlink and directory; only the pax keys path, linkpath, mtime,
 * size and hdrcharset, each once; sizes in octal and inside the frame. So nothing reaches
 * libarchive that it would read in a second way: no sparse maps, no global headers, no GNU or
 * Solaris extensions, no access control lists. What libarchive then makes of the member is compared
 * with what was seen here.
 * Threads: any.
 */
#ifndef ARCHIVE_TAR_SCAN_H
#define ARCHIVE_TAR_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* A run of bytes inside the frame; not NUL-terminated. */
struct tar_text {
    const char *data; /* borrowed; NULL if there is none */
    size_t size;
};

struct tar_member {
    char type;      /* '0', '1', '2' or '5' */
    uint32_t mode;  /* 0 to 0777 */
    uint64_t size;  /* of the content */
    size_t content; /* where it begins in the frame */
    /* first byte behind its padding; in a header frame: behind the header */
    size_t end;
    struct tar_text path; /* from the pax record or from the name field */
    /* ustar: goes before path with a '/' between; empty if path is a pax record */
    struct tar_text prefix;
    struct tar_text linkpath; /* from the pax record or the linkname field */
};

/* Scans the member that begins at `position` of the frame. `name` names the frame in messages. */
MUST_CHECK enum b10_reason tar_scan(const unsigned char *frame, size_t size, size_t position,
                                    bool header_only, struct tar_member *member, const char *name,
                                    struct b10_error *error);

#endif
