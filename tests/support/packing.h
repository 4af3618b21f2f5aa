/* A save without a cache around it: directories into a tree, the tree into an archive file.
 *
 *     init ──▶ root … ──▶ (change the disk) ──▶ write ──▶ release
 *
 * Failures while scanning fail the test; what writing came to is returned.
 */
#ifndef SUPPORT_PACKING_H
#define SUPPORT_PACKING_H

#include "archive/pack.h"
#include "support/scratch.h"

struct packing_case {
    struct tree tree;
    struct manifest manifest;
    struct pack_counts counts;
    struct cancel cancel;
    struct progress *progress; /* NULL: nobody listens */
    int level;
    unsigned threads;
    uint64_t size_limit;
    uint64_t size;  /* of the archive written */
    bool skip_same; /* do not look for duplicates */
};

/* Level 1, 4 threads, no limit to speak of. */
void packing_init(struct packing_case *test);
void packing_release(struct packing_case *test);

/* Scans the directory (absolute path) as root `name`. */
void packing_root(struct packing_case *test, const char *directory, const char *name);

/* Index in the tree of an entry, by its path. */
uint32_t packing_item(const struct packing_case *test, const char *path);

/* same_find, pack and writer_finish into the descriptor. */
enum b10_reason packing_write(struct packing_case *test, int fd, struct b10_error *error);

/* The same into a new file (absolute path); must succeed. */
void packing_file(struct packing_case *test, const char *path);

/* The library's own check of a whole archive (absolute path) finds nothing wrong. */
void packing_assert_intact(const char *path);

/* Looks up a member in the archive's index by its path inside its root; false when it is not there.
 * `line` and `target` (PATH_LIMIT + 1 bytes: of a link) may be NULL; line's own strings are not
 * kept. */
bool packing_find_line(const char *path, const char *member, struct index_line *line, char *target);

#endif
