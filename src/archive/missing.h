/* What a tree holds that an archive lacks, and may be added to it.
 *
 *     tree, index ──▶ missing_find ──▶ items `stored` or not ──▶ pack packs the others
 *                                         └──▶ missing_alone     an archive of its own of them
 *
 * Same path: the archive's wins, whatever its type and content. So nothing is added below what is no
 * directory in the archive, nor to a directory that the archive has and that is one unit (holds a
 * `__grp__*.json` on either side, entry.h).
 * The index comes from the volume: its lines are compared with the manifest as far as that tells,
 * frame by frame. Directories and large files are taken from the manifest, which a load goes by.
 * Memory: 17 bytes an item of the tree at most, none for what is stored.
 * Threads: one at a time.
 */
#ifndef ARCHIVE_MISSING_H
#define ARCHIVE_MISSING_H

#include "archive/reader.h"
#include "archive/tree.h"

struct missing {
    struct manifest_merge added; /* what is not stored */
    /* a large file that the archive holds only as void has its path here: the archive can have it
     * again only if it is written afresh */
    bool heals_void;
};

/* Sets `stored` of every item of the tree, from the index payload of the archive. CORRUPT, UNSAFE:
 * index and manifest disagree, or the index breaks a rule. */
MUST_CHECK enum b10_reason missing_find(struct missing *missing, struct tree *tree,
                                        const struct reader *archive, const struct bytes *index,
                                        struct b10_error *error);

/* The directories that lead to what is not stored are not stored any more. */
void missing_alone(struct tree *tree);

/* Nothing is stored. */
void missing_forget(struct tree *tree);

#endif
