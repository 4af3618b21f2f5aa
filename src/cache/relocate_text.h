/* Absolute paths in the two kinds of files whose readers believe them, replaced.
 *
 *   group    Triton's __grp__*.json: {"child_paths": {name: path, …}, …}. Its values are replaced,
 *            everything else is kept; written as Python's json writes it.
 *   source   vLLM's vllm_compile_cache.py: a Python literal. A path is replaced where it stands
 *            right behind a quote, up to a '/' or the closing quote.
 *
 * The texts come from an archive: what cannot be read, is too deep, or would become longer than
 * RELOCATE_TEXT_LIMIT stays as it is. Threads: any.
 */
#ifndef CACHE_RELOCATE_TEXT_H
#define CACHE_RELOCATE_TEXT_H

#include "base/bytes.h"
#include "cache/prefixes.h"

enum {
    RELOCATE_GROUP_LIMIT = 1 << 20,   /* a larger group file is not read, */
    RELOCATE_SOURCE_LIMIT = 16 << 20, /* nor is a larger source */
    RELOCATE_TEXT_LIMIT = 32 << 20,
};

enum relocate_answer {
    RELOCATE_SAME,    /* nothing in it is another path here */
    RELOCATE_CHANGED, /* `out` is the new text */
    RELOCATE_REFUSED  /* something is, or may be, and cannot be replaced */
};

/* `root`: index of the root that the file lies in. `out` is empty before, and capped by this. */
MUST_CHECK enum b10_reason relocate_group(const struct prefixes *prefixes, size_t root,
                                          const struct bytes *text, struct bytes *out,
                                          enum relocate_answer *answer, struct b10_error *error);
MUST_CHECK enum b10_reason relocate_source(const struct prefixes *prefixes, size_t root,
                                           const struct bytes *text, struct bytes *out,
                                           enum relocate_answer *answer, struct b10_error *error);

#endif
