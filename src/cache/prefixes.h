/* Which paths of an archive's saver are which paths here.
 *
 *     manifest's origins × places here ──▶ prefixes_make ──▶ prefixes_find for every path met
 *
 * A path belongs to the longest origin that it begins with, by whole components; of equal ones to
 * that of the root it was found in. Origins come from the archive: one that is not absolute, has
 * `..` or fewer than two components is never replaced, and at most PREFIXES_LIMIT count. A place
 * here whose path would have to be escaped in JSON or Python (a quote, a backslash, a control
 * character, no UTF-8) is never put in.
 * Threads: read-only use from any number.
 */
#ifndef CACHE_PREFIXES_H
#define CACHE_PREFIXES_H

#include <stdbool.h>
#include <stddef.h>

#include "archive/manifest.h"

enum { PREFIXES_LIMIT = 1024 };

/* Where a root of the manifest lies now, and where it will be installed. All borrowed. */
struct relocate_place {
    int fd;            /* its staged directory; -1: it is left out */
    const char *path;  /* absolute, resolved */
    const char *named; /* the same before its symlinks were resolved; NULL: as path */
};

enum prefix_state {
    PREFIX_STAYS, /* it is the same here */
    PREFIX_MOVED,
    PREFIX_REFUSED /* it is another one here, but cannot be replaced */
};

struct prefix {
    const char *from; /* borrowed from the manifest */
    size_t length;
    const char *to; /* borrowed from the place */
    size_t root;    /* index */
    enum prefix_state state;
};

struct prefixes {
    struct prefix *items; /* owned */
    size_t count;
    bool any_moved; /* some paths are others here, refused ones included */
};

#define PREFIXES_NONE                                                                              \
    {                                                                                              \
        .count = 0                                                                                 \
    }

/* places: one for each root of the manifest. */
MUST_CHECK enum b10_reason prefixes_make(struct prefixes *prefixes, const struct manifest *manifest,
                                         const struct relocate_place *places,
                                         struct b10_error *error);

/* What the path of `size` bytes, met in a file of root `root`, begins with; NULL: nothing known. */
const struct prefix *prefixes_find(const struct prefixes *prefixes, size_t root, const char *path,
                                   size_t size);

void prefixes_release(struct prefixes *prefixes);
void prefixes_guard(struct prefixes *prefixes);

#endif
