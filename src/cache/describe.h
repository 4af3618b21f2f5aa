/* What a save says about an archive before it has packed a member: whose it is, made of what. */
#ifndef CACHE_DESCRIBE_H
#define CACHE_DESCRIBE_H

#include "archive/tree.h"
#include "cache/identity.h"

/* Fills the manifest, which is empty but for the roots that a merge has taken over. `token` is the
 * archive's own (32 hexadecimal digits). Threads: any. */
MUST_CHECK enum b10_reason describe_archive(struct manifest *manifest,
                                            const struct settings *settings,
                                            const struct identity *identity,
                                            const struct tree *tree, const char *token,
                                            struct b10_error *error);

#endif
