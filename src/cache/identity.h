/* Which archive belongs to this process: its key and the facts behind it. */
#ifndef CACHE_IDENTITY_H
#define CACHE_IDENTITY_H

#include "cache/config.h"
#include "env/facts.h"
#include "env/key.h"

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
void identity_release(struct identity *identity);
void identity_guard(struct identity *identity);

#endif
