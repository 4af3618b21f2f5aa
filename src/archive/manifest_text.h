/* The manifest as JSON text, one element a line; docs/format.md lists the keys. Same manifest, same
 * text. */
#ifndef ARCHIVE_MANIFEST_TEXT_H
#define ARCHIVE_MANIFEST_TEXT_H

#include "archive/manifest.h"

MUST_CHECK enum b10_reason manifest_text(const struct manifest *manifest, struct bytes *out,
                                         struct b10_error *error);

/* Names of frame kinds, by enum frame_kind. */
extern const char *const manifest_kind_names[4];

#endif
