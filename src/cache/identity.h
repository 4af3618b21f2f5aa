/* Which archive belongs to this process: its key and the facts behind it. */
#ifndef CACHE_IDENTITY_H
#define CACHE_IDENTITY_H

#include "archive/manifest.h"
#include "env/compare.h"
#include "settings/config.h"

struct identity {
    struct facts facts; /* owned */
    struct key key;
};

#define IDENTITY_NONE                                                                              \
    {                                                                                              \
        .facts = FACTS_NONE                                                                        \
    }

/* Collects facts and key for these settings; *identity is to be released. Threads: any. */
MUST_CHECK enum b10_reason identity_collect(struct identity *identity,
                                            const struct settings *settings,
                                            struct b10_error *error);

/* `reason`, with what the steps said and what settles it, where no step can tell which GPU there
 * is: then no archive belongs to this process. */
MUST_CHECK enum b10_reason identity_require_device(const struct identity *identity,
                                                   enum b10_reason reason, struct b10_error *error);

/* compare_facts() with what the archive was made under. */
enum match identity_compare(const struct identity *identity, const struct manifest *manifest,
                            char *difference, size_t size);

/* compare_describe() with it. */
MUST_CHECK enum b10_reason identity_describe(const struct identity *identity,
                                             const struct manifest *manifest, struct bytes *lines,
                                             struct b10_error *error);
void identity_release(struct identity *identity);
void identity_guard(struct identity *identity);

#endif
