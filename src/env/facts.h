/* Everything that decides whether a cache made there may be used here, as sorted name=value pairs.
 *
 * Names: arch, cpu, cpu_features, device ("cpu", "cuda", "cuda-unknown"), kind, os; with GPUs
 * `cuda` (or, when only /proc told, `gpu_driver`) and per kind of device, from 1, `gpu.1.name`,
 * `gpu.1.capability` and, of a MIG device, `gpu.1.mig`; one `tag.<name>` per tag (with
 * B10_ENVIRONMENT_KEY: `environment_key` as well, and no device facts: nothing is asked for them).
 * Values are printable ASCII without newlines. The process keeps the first answer of the detection
 * (device and CPU facts) that is one, so that a save uses its load's key; a detection with other
 * steps than that first one is made afresh and not kept. Kind, tags and override are taken afresh.
 * Threads: any.
 */
#ifndef ENV_FACTS_H
#define ENV_FACTS_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/fact.h"
#include "env/gpu.h"

enum { FACTS_LIMIT = 128, FACTS_STEPS_SIZE = 1500 };

struct facts {
    struct fact items[FACTS_LIMIT]; /* sorted by name */
    size_t count;
    /* which step answered: "driver", "nvml", "spawn", "proc", "cpu", "unknown", "override"; static
     * storage */
    const char *detection;
    char steps[FACTS_STEPS_SIZE]; /* "step=what it said\n" for each that was tried */
};

#define FACTS_NONE                                                                                 \
    {                                                                                              \
        .count = 0                                                                                 \
    }

/* A tag list "name=value,…": names [a-z0-9_]{1,32}, values 1 to 64 printable bytes of
 * [A-Za-z0-9._+-]; each name once. CONFIG otherwise; at most 32 tags. */
MUST_CHECK enum b10_reason facts_check_tags(const char *tags, struct b10_error *error);

/* `override`: B10_ENVIRONMENT_KEY, NULL or "" for none. */
MUST_CHECK enum b10_reason facts_collect(struct facts *facts, const char *kind, const char *tags,
                                         const char *override, const struct gpu_probe *probe,
                                         struct b10_error *error);

/* No step could tell which GPU there is: nothing may be loaded or saved under these facts. */
bool facts_device_unknown(const struct facts *facts);

MUST_CHECK enum b10_reason facts_add(struct facts *facts, const char *name, const char *value,
                                     struct b10_error *error);
const char *facts_get(const struct facts *facts, const char *name); /* NULL if absent */

/* "name=value\n" per fact, sorted, NUL-terminated: what is digested and shown. */
MUST_CHECK enum b10_reason facts_text(const struct facts *facts, struct bytes *out,
                                      struct b10_error *error);

void facts_release(struct facts *facts);
void facts_guard(struct facts *facts);

#endif
