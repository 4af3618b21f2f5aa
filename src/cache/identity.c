#include "cache/identity.h"

#include <stdio.h>
#include <string.h>

enum b10_reason identity_collect(struct identity *identity, const struct settings *settings,
                                 struct b10_error *error)
{
    const struct gpu_probe probe = {.steps = settings->gpu_steps,
                                    .visible_devices = settings->visible_devices,
                                    .device_order = settings->device_order};
    TRY(facts_collect(&identity->facts, settings->kind, settings->tags, settings->environment_key,
                      &probe, error));
    return key_make(&identity->key, &identity->facts, error);
}

enum b10_reason identity_require_device(const struct identity *identity, enum b10_reason reason,
                                        struct b10_error *error)
{
    const struct facts *facts = &identity->facts;
    char said[FACTS_STEPS_SIZE] = "";
    if (!facts_device_unknown(facts))
        return B10_REASON_OK;
    size_t used = 0;
    for (const char *line = facts->steps; *line != '\0';) {
        const int length = (int)strcspn(line, "\n");
        const int name = (int)strcspn(line, "=");
        int added = snprintf(said + used, sizeof(said) - used, "%s%.*s: %.*s", used > 0 ? "; " : "",
                             name, line, length > name ? length - name - 1 : 0, line + name + 1);
        if (added < 0 || (size_t)added >= sizeof(said) - used)
            break;
        used += (size_t)added;
        line += length + (line[length] == '\n');
    }
    return error_set(error, reason,
                     "no step can tell which GPU this host has; B10_GPU_PROBE or "
                     "B10_ENVIRONMENT_KEY settles it (%s)",
                     said);
}

static struct stored_facts facts_of(const struct manifest *manifest)
{
    return (struct stored_facts){.items = manifest->facts,
                                 .count = manifest->fact_count,
                                 .host_code = manifest->totals.host_code,
                                 .key = manifest->key};
}

enum match identity_compare(const struct identity *identity, const struct manifest *manifest,
                            char *difference, size_t size)
{
    const struct stored_facts there = facts_of(manifest);
    return compare_facts(&identity->key, &identity->facts, &there, difference, size);
}

enum b10_reason identity_describe(const struct identity *identity, const struct manifest *manifest,
                                  struct bytes *lines, struct b10_error *error)
{
    const struct stored_facts there = facts_of(manifest);
    return compare_describe(&identity->key, &identity->facts, &there, lines, error);
}

void identity_release(struct identity *identity)
{
    facts_release(&identity->facts);
}

void identity_guard(struct identity *identity)
{
    identity_release(identity);
}
