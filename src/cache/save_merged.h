/* A save that adds to what is on the volume: looked at, added to, and looked at again before it is
 * published; once more when it was replaced meanwhile.
 */
#ifndef CACHE_SAVE_MERGED_H
#define CACHE_SAVE_MERGED_H

#include "cache/saving.h"

/* `store` takes what save->merge plans from the tree to the volume. ALREADY_SAVED, CHURN (merge.h);
 * IN_PROGRESS when the archive is replaced again and again. Threads: one at a time. */
MUST_CHECK enum b10_reason save_merged(struct save *save,
                                       enum b10_reason (*store)(struct save *, struct b10_error *),
                                       struct b10_error *error);

#endif
