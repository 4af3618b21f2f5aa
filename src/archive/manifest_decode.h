/* The manifest from its JSON text, a value at a time: memory grows with what is kept, not with what
 * is written there. */
#ifndef ARCHIVE_MANIFEST_DECODE_H
#define ARCHIVE_MANIFEST_DECODE_H

#include "archive/manifest.h"

/* Fills *out (empty before; to be released on failure too, its format is then set as far as it was
 * read) and checks it. */
MUST_CHECK enum b10_reason manifest_from_text(const char *text, size_t size, struct manifest *out,
                                              const char *name, struct b10_error *error);

#endif
