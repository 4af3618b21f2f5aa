/* `merges`, `last_merge` and `ancestors` of the manifest: how often something was added to the archive since
 * it was last written afresh, what the last time, and to which archives. They tell a later save whether
 * to merge, and whose marks as suspect hold, but not what is in the archive: what is no such value is
 * passed over instead of making it unusable.
 *
 * jansson's values: only manifest_decode.c includes this beside its own .c and manifest_text.c.
 */
#ifndef ARCHIVE_MANIFEST_MERGES_H
#define ARCHIVE_MANIFEST_MERGES_H

#include "archive/json_text.h"
#include "archive/manifest.h"

/* Appends all three; nothing if there was no merge. */
MUST_CHECK enum b10_reason manifest_merges_write(const struct manifest *manifest, struct bytes *out,
                                                 struct b10_error *error);

/* Always OK; of the type of manifest_recorded_take. */
MUST_CHECK enum b10_reason manifest_merges_take(struct manifest *manifest, json_t *value,
                                                struct b10_error *error);
MUST_CHECK enum b10_reason manifest_last_merge_take(struct manifest *manifest, json_t *value,
                                                    struct b10_error *error);
MUST_CHECK enum b10_reason manifest_ancestors_take(struct manifest *manifest, json_t *value,
                                                   struct b10_error *error);

#endif
