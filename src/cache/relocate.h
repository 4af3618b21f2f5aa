/* Files that hold the paths they were saved under get the paths they are installed under.
 *
 *     begin ──▶ unpack, through the filter ──▶ finish ──▶ commit
 *                 small files: before they are    large files: in place, now that
 *                 written; copies of large ones:  no copy is made of them any more
 *                 in place, by who made them
 *
 * Exactly two kinds of files: Triton's group files and vLLM's vllm_compile_cache.py
 * (relocate_text.h); without that, caches at another path are there and never used. Every root of
 * the archive counts in each of them, because they refer across roots. Contents, modification times
 * and names of all other files stay; where nothing moved there is no filter, and nothing is even
 * looked at. A file that holds a path which cannot be replaced stays as it was saved: its entry is
 * compiled again. Nobody else sees staging, so large files are written in place; symlinks are not
 * followed.
 * Threads: the filter any number, finish when they are done.
 */
#ifndef CACHE_RELOCATE_H
#define CACHE_RELOCATE_H

#include "archive/unpack.h"
#include "base/log.h"
#include "base/progress.h"
#include "cache/prefixes.h"

struct relocate_counts {
    uint64_t relocated;   /* files rewritten */
    uint64_t unrelocated; /* files that stay as they were saved, though a path in them moved */
};

struct relocation; /* opaque */

/* A file of this name (last component) may be rewritten: then its size is not the archive's. */
bool relocate_may_change(const char *name);

/* places: one for each root of the manifest; what they point to, and the manifest, are borrowed. */
MUST_CHECK enum b10_reason relocation_begin(struct relocation **out,
                                            const struct manifest *manifest,
                                            const struct relocate_place *places,
                                            struct b10_error *error);

/* For unpack of the archive with this manifest into these places, once; NULL: nothing moved.
 * Borrowed. */
const struct unpack_filter *relocation_filter(const struct relocation *relocation);

/* One warning for all files that stay; it names the first that was met. IO, NO_SPACE. */
MUST_CHECK enum b10_reason relocation_finish(struct relocation *relocation, const struct log *log,
                                             struct progress *progress,
                                             struct relocate_counts *counts,
                                             struct b10_error *error);

/* NULL is fine. */
void relocation_free(struct relocation *relocation);
void relocation_guard(struct relocation **relocation);

#endif
