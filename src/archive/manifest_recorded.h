/* `recorded_environment` of the manifest: an object, name to value. It decides nothing, so what
 * breaks its rules is passed over instead of making an archive unusable.
 *
 * jansson's values: only manifest_decode.c includes this beside its own .c and manifest_text.c.
 */
#ifndef ARCHIVE_MANIFEST_RECORDED_H
#define ARCHIVE_MANIFEST_RECORDED_H

#include "archive/json_text.h"
#include "archive/manifest.h"

/* Appends `,"recorded_environment":{…}`; nothing if the manifest has none. */
MUST_CHECK enum b10_reason manifest_recorded_write(const struct manifest *manifest,
                                                   struct bytes *out, struct b10_error *error);

/* Keeps the members that a writer of this release could have written: at most
 * MANIFEST_RECORDED_LIMIT, names of [A-Za-z0-9_], values of printable UTF-8, both within their
 * limits. Only NO_MEMORY. */
MUST_CHECK enum b10_reason manifest_recorded_take(struct manifest *manifest, json_t *value,
                                                  struct b10_error *error);

#endif
