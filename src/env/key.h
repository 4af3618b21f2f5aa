/* The environment key: facts as a name that is readable and safe as a file name.
 *
 *     inductor-cpu-x86_64-avx512-linux-77ab01de1f3a9c20
 *
 * kind, device, architecture, class, operating system, then 64 bits of a BLAKE2b over facts_text().
 * At most 200 bytes of [a-z0-9._-], no leading dot. With an override the key is the override.
 * Threads: any.
 */
#ifndef ENV_KEY_H
#define ENV_KEY_H

#include <stdbool.h>

#include "env/facts.h"

struct key {
    char text[B10_KEY_SIZE];
    /* by B10_ENVIRONMENT_KEY: then only kind, arch and the key itself are compared */
    bool overridden;
};

/* 1 to 200 bytes of [a-z0-9._-], no leading dot. */
bool key_is_valid(const char *text);

MUST_CHECK enum b10_reason key_make(struct key *key, const struct facts *facts,
                                    struct b10_error *error);

/* Whether facts stored in an archive are this host's. On a difference that matters: false, and the
 * name of the first differing fact and both values in `difference` ("cpu_features: 'a' there, 'b'
 * here"; a missing one is "none"). With an overridden key only kind and arch matter; other
 * differences are still described, with true. `difference` is "" when all are equal. */
bool key_matches(const struct key *key, const struct facts *here, const struct fact *there,
                 size_t there_count, char *difference, size_t size);

#endif
