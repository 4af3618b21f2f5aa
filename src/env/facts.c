#include "env/facts.h"

#include <stdio.h>
#include <string.h>

#include "base/guard.h"
#include "base/line.h"
#include "base/parse.h"
#include "env/detection.h"

enum { TAGS_LIMIT = 32, TAG_NAME_LIMIT = 32, TAG_VALUE_LIMIT = 64 };

static const char tag_name_bytes[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
static const char tag_value_bytes[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-";

static const char device_unknown[] = "cuda-unknown";

/* ---- the list ---- */

enum b10_reason facts_add(struct facts *facts, const char *name, const char *value,
                          struct b10_error *error)
{
    if (facts->count == FACTS_LIMIT)
        return error_set(error, B10_REASON_INTERNAL, "more than %d facts", FACTS_LIMIT);
    struct fact fact;
    TRY(fact_copy(&fact, name, value, error));
    /* Facts are lines in a key, a manifest and a log, whatever a kernel or a driver said. */
    line_clean_ascii(fact.value);
    size_t at = facts->count;
    for (; at > 0 && strcmp(facts->items[at - 1].name, name) > 0; at--)
        facts->items[at] = facts->items[at - 1];
    facts->items[at] = fact;
    facts->count++;
    return B10_REASON_OK;
}

const char *facts_get(const struct facts *facts, const char *name)
{
    return fact_value(facts->items, facts->count, name);
}

enum b10_reason facts_text(const struct facts *facts, struct bytes *out, struct b10_error *error)
{
    for (size_t i = 0; i < facts->count; i++)
        TRY(bytes_format(out, error, "%s=%s\n", facts->items[i].name, facts->items[i].value));
    return bytes_terminate(out, error);
}

void facts_release(struct facts *facts)
{
    for (size_t i = 0; i < facts->count; i++)
        fact_release(&facts->items[i]);
    *facts = (struct facts)FACTS_NONE;
}

void facts_guard(struct facts *facts)
{
    facts_release(facts);
}

/* ---- tags ---- */

static enum b10_reason check_tag(const char *item, size_t length, struct b10_error *error)
{
    const char *equals = memchr(item, '=', length);
    size_t name = equals != NULL ? (size_t)(equals - item) : 0;
    if (name == 0)
        return error_set(error, B10_REASON_CONFIG, "tag '%.*s' is not of the form name=value",
                         (int)(length < 100 ? length : 100), item);
    size_t value = length - name - 1;
    if (name > TAG_NAME_LIMIT || strspn(item, tag_name_bytes) < name)
        return error_set(error, B10_REASON_CONFIG,
                         "the tag name '%.*s' must be 1 to %d of [a-z0-9_]",
                         (int)(name < 100 ? name : 100), item, TAG_NAME_LIMIT);
    if (value == 0 || value > TAG_VALUE_LIMIT || strspn(equals + 1, tag_value_bytes) < value)
        return error_set(error, B10_REASON_CONFIG,
                         "the value of tag '%.*s' must be 1 to %d of [A-Za-z0-9._+-]", (int)name,
                         item, TAG_VALUE_LIMIT);
    return B10_REASON_OK;
}

static enum b10_reason add_tag(struct facts *facts, const char *item, size_t length,
                               struct b10_error *error)
{
    TRY(check_tag(item, length, error));
    char name[sizeof("tag.") + TAG_NAME_LIMIT];
    char value[TAG_VALUE_LIMIT + 1];
    size_t name_length = (size_t)((const char *)memchr(item, '=', length) - item);
    snprintf(name, sizeof(name), "tag.%.*s", (int)name_length, item);
    snprintf(value, sizeof(value), "%.*s", (int)(length - name_length - 1), item + name_length + 1);
    if (facts_get(facts, name) != NULL)
        return error_set(error, B10_REASON_CONFIG, "tag '%s' is given twice",
                         name + sizeof("tag.") - 1);
    return facts_add(facts, name, value, error);
}

static enum b10_reason add_tags(struct facts *facts, const char *tags, struct b10_error *error)
{
    const char *item;
    size_t length;
    for (size_t count = 1; parse_item(&tags, &item, &length); count++) {
        if (count > TAGS_LIMIT)
            return error_set(error, B10_REASON_CONFIG, "there are more than %d tags", TAGS_LIMIT);
        TRY(add_tag(facts, item, length, error));
    }
    return B10_REASON_OK;
}

enum b10_reason facts_check_tags(const char *tags, struct b10_error *error)
{
    SCOPED(facts) struct facts unused = FACTS_NONE;
    return add_tags(&unused, tags, error);
}

/* ---- what the GPU steps said ---- */

static void add_step(struct facts *facts, const char *step, const char *said, const char *what)
{
    char text[2 * GPU_SAID_SIZE];
    snprintf(text, sizeof(text), "%s%s", said, what);
    line_clean_ascii(text);
    size_t used = strlen(facts->steps);
    size_t left = sizeof(facts->steps) - used;
    int length = snprintf(facts->steps + used, left, "%s=%s\n", step, text);
    if (length < 0 || (size_t)length >= left)
        facts->steps[used] = '\0';
}

static void tell_steps(struct facts *facts, const struct gpu_detection *gpu, unsigned steps)
{
    const char *answer = gpu->verdict == GPU_KNOWN ? "answered" : "no visible device";
    for (int i = 0; i < GPU_STEP_COUNT; i++) {
        const struct gpu_said *said = &gpu->said[i];
        if (said->tried)
            add_step(facts, gpu_step_name((enum gpu_step)i), said->text,
                     said->answered && said->text[0] == '\0' ? answer : "");
    }
    if (steps == 0)
        add_step(facts, "cpu", "B10_GPU_PROBE is off", "");
    else if (gpu->verdict == GPU_UNKNOWN)
        add_step(facts, "cpu", "no host without a GPU: there is ", gpu->signs);
    else if (!gpu->answered)
        add_step(facts, "cpu", "no sign of a GPU", "");
}

/* ---- device facts ---- */

static enum b10_reason add_kind(struct facts *facts, size_t number, const struct gpu *gpu,
                                struct b10_error *error)
{
    const struct {
        const char *suffix;
        const char *value;
    } parts[] = {{"name", gpu->name}, {"capability", gpu->capability}, {"mig", gpu->mig}};
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        char name[40];
        if (parts[i].value[0] == '\0')
            continue;
        snprintf(name, sizeof(name), "gpu.%zu.%s", number, parts[i].suffix);
        TRY(facts_add(facts, name, parts[i].value, error));
    }
    return B10_REASON_OK;
}

static enum b10_reason add_gpus(struct facts *facts, const struct gpus *gpus,
                                struct b10_error *error)
{
    for (size_t i = 0; i < gpus->count; i++)
        TRY(add_kind(facts, i + 1, &gpus->kinds[i], error));
    if (gpus->cuda[0] != '\0')
        TRY(facts_add(facts, "cuda", gpus->cuda, error));
    if (gpus->driver[0] != '\0')
        TRY(facts_add(facts, "gpu_driver", gpus->driver, error));
    return B10_REASON_OK;
}

static enum b10_reason add_device(struct facts *facts, const struct gpu_probe *probe,
                                  struct b10_error *error)
{
    struct gpu_detection gpu;
    TRY(detection_gpu(&gpu, probe, error));
    tell_steps(facts, &gpu, probe->steps);
    if (gpu.answered)
        facts->detection = gpu_step_name(gpu.step);
    switch (gpu.verdict) {
    case GPU_NONE:
        return facts_add(facts, "device", "cpu", error);
    case GPU_UNKNOWN:
        facts->detection = "unknown";
        return facts_add(facts, "device", device_unknown, error);
    case GPU_KNOWN:
        break;
    }
    TRY(facts_add(facts, "device", "cuda", error));
    return add_gpus(facts, &gpu.gpus, error);
}

bool facts_device_unknown(const struct facts *facts)
{
    const char *device = facts_get(facts, "device");
    return device != NULL && strcmp(device, device_unknown) == 0;
}

/* ---- all of them ---- */

static enum b10_reason add_cpu(struct facts *facts, struct b10_error *error)
{
    struct detection_cpu cpu;
    TRY(detection_cpu(&cpu, error));
    facts->detection = "cpu";
    TRY(facts_add(facts, "os", cpu.os, error));
    TRY(facts_add(facts, "arch", cpu.architecture, error));
    TRY(facts_add(facts, "cpu", cpu.level, error));
    return facts_add(facts, "cpu_features", cpu.features, error);
}

static enum b10_reason collect(struct facts *facts, const char *kind, const char *tags,
                               const char *override, const struct gpu_probe *probe,
                               struct b10_error *error)
{
    TRY(add_cpu(facts, error));
    TRY(facts_add(facts, "kind", kind, error));
    if (override != NULL && *override != '\0') {
        facts->detection = "override";
        TRY(facts_add(facts, "environment_key", override, error));
    } else {
        TRY(add_device(facts, probe, error));
    }
    return tags != NULL ? add_tags(facts, tags, error) : B10_REASON_OK;
}

enum b10_reason facts_collect(struct facts *facts, const char *kind, const char *tags,
                              const char *override, const struct gpu_probe *probe,
                              struct b10_error *error)
{
    SCOPED(facts) struct facts fresh = FACTS_NONE;
    TRY(collect(&fresh, kind, tags, override, probe, error));
    *facts = fresh;
    fresh = (struct facts)FACTS_NONE;
    return B10_REASON_OK;
}
