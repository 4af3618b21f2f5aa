/* Files in staging that hold the paths they were saved under get the paths they are installed
 * under.
 *
 *     unpack ──▶ relocate ──▶ commit
 *
 * Exactly two kinds of files: Triton's group files and vLLM's vllm_compile_cache.py
 * (relocate_text.h); without that, caches at another path are there and never used. Every root of
 * the archive counts in each of them, because they refer across roots. Contents, modification times
 * and names of all other files stay; where nothing moved, nothing is even looked at. A file that
 * holds a path which cannot be replaced stays as it was saved: its entry is compiled again. Nobody
 * else sees staging, so files are written in place; symlinks are not followed.
 * Threads: one at a time.
 */
#ifndef CACHE_RELOCATE_H
#define CACHE_RELOCATE_H

#include "base/log.h"
#include "base/progress.h"
#include "cache/prefixes.h"

struct relocate_counts {
    uint64_t relocated;   /* files rewritten */
    uint64_t unrelocated; /* files that stay as they were saved, though a path in them moved */
};

/* A file of this name (last component) may be rewritten: then its size is not the archive's. */
bool relocate_may_change(const char *name);

/* places: one for each root of the manifest. One warning for all files that stay. IO, NO_SPACE. */
MUST_CHECK enum b10_reason relocate(const struct manifest *manifest,
                                    const struct relocate_place *places, const struct log *log,
                                    struct progress *progress, struct relocate_counts *counts,
                                    struct b10_error *error);

#endif
