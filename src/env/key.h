/* The environment key: facts as a name that is readable and safe as a file name.
 *
 *     inductor-cpu-x86_64-avx512-linux-77ab01de1f3a9c20
 *     inductor-cuda-nvidia_h100_80gb_hbm3-sm90-cuda12.8-x86_64-avx512-linux-1f3a9c2077aa01de
 *     inductor-cuda-unknown-x86_64-avx512-linux-0d7c51c33b9a60e4
 *
 * kind, device, architecture, class, operating system, then 64 bits of a BLAKE2b over facts_text().
 * The device names the first kind of GPU ("-mig_1g.10gb" behind its name for a MIG device) and how
 * many more kinds there are ("-and_1_more"); what only /proc told is "smx" and "driver535.309.01"
 * in place of the CUDA version.
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

/* What all keys begin with whose archives may serve as a fallback for these facts: everything up to
 * the CUDA version, or without a GPU up to the processor's class. "" with an overridden key. */
void key_fallback_prefix(char prefix[B10_KEY_SIZE], const struct key *key,
                         const struct facts *facts);

#endif
