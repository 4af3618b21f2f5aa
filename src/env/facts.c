#include "env/facts.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/guard.h"
#include "base/parse.h"
#include "env/cpu.h"

enum { TAGS_LIMIT = 32, TAG_NAME_LIMIT = 32, TAG_VALUE_LIMIT = 64 };

static const char tag_name_bytes[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
static const char tag_value_bytes[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-";

/* ---- the list ---- */

enum b10_reason facts_add(struct facts *facts, const char *name, const char *value,
                          struct b10_error *error)
{
    if (facts->count == FACTS_LIMIT)
        return error_set(error, B10_REASON_INTERNAL, "more than %d facts", FACTS_LIMIT);
    struct fact fact = {strdup(name), strdup(value)};
    if (fact.name == NULL || fact.value == NULL) {
        free(fact.name);
        free(fact.value);
        return error_no_memory(error);
    }
    size_t at = facts->count;
    for (; at > 0 && strcmp(facts->items[at - 1].name, name) > 0; at--)
        facts->items[at] = facts->items[at - 1];
    facts->items[at] = fact;
    facts->count++;
    return B10_REASON_OK;
}

const char *facts_get(const struct facts *facts, const char *name)
{
    for (size_t i = 0; i < facts->count; i++) {
        if (strcmp(facts->items[i].name, name) == 0)
            return facts->items[i].value;
    }
    return NULL;
}

enum b10_reason facts_text(const struct facts *facts, struct bytes *out, struct b10_error *error)
{
    for (size_t i = 0; i < facts->count; i++)
        TRY(bytes_format(out, error, "%s=%s\n", facts->items[i].name, facts->items[i].value));
    return bytes_terminate(out, error);
}

void facts_release(struct facts *facts)
{
    for (size_t i = 0; i < facts->count; i++) {
        free(facts->items[i].name);
        free(facts->items[i].value);
    }
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

/* ---- detection ---- */

struct detection {
    char os[32];
    char architecture[32];
    char level[32];
    char features[2048];
};

/* The process keeps the first answer. Threads that detect at the same time come to the same one;
 * one of them publishes it, and nobody waits. */
enum { DETECTION_NONE, DETECTION_BEING_WRITTEN, DETECTION_KNOWN };
static _Atomic int detection_state = DETECTION_NONE;
static struct detection detection_known;

static enum b10_reason detect(struct detection *detection, struct b10_error *error)
{
    struct utsname names;
    if (uname(&names) != 0)
        return error_errno(error, errno, "cannot ask for the operating system");
    snprintf(detection->os, sizeof(detection->os), "%.31s", names.sysname);
    for (char *c = detection->os; *c != '\0'; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    }
    SCOPED(cpu_facts) struct cpu_facts cpu = CPU_FACTS_NONE;
    TRY(cpu_detect(&cpu, error));
    if (cpu.features.size >= sizeof(detection->features))
        return error_set(error, B10_REASON_INTERNAL, "CPU features of %zu bytes",
                         cpu.features.size);
    memcpy(detection->architecture, cpu.architecture, sizeof(cpu.architecture));
    memcpy(detection->level, cpu.level, sizeof(cpu.level));
    memcpy(detection->features, cpu.features.data, cpu.features.size + 1);
    return B10_REASON_OK;
}

static enum b10_reason detect_once(struct detection *detection, struct b10_error *error)
{
    if (atomic_load_explicit(&detection_state, memory_order_acquire) == DETECTION_KNOWN) {
        *detection = detection_known;
        return B10_REASON_OK;
    }
    *detection = (struct detection){0};
    TRY(detect(detection, error));
    int expected = DETECTION_NONE;
    if (atomic_compare_exchange_strong(&detection_state, &expected, DETECTION_BEING_WRITTEN)) {
        detection_known = *detection;
        atomic_store_explicit(&detection_state, DETECTION_KNOWN, memory_order_release);
    }
    return B10_REASON_OK;
}

/* ---- all of them ---- */

static enum b10_reason collect(struct facts *facts, const char *kind, const char *tags,
                               const char *override, struct b10_error *error)
{
    struct detection detection;
    TRY(detect_once(&detection, error));
    facts->detection = "cpu";
    TRY(facts_add(facts, "kind", kind, error));
    TRY(facts_add(facts, "os", detection.os, error));
    TRY(facts_add(facts, "arch", detection.architecture, error));
    TRY(facts_add(facts, "cpu", detection.level, error));
    TRY(facts_add(facts, "cpu_features", detection.features, error));
    if (override != NULL && *override != '\0') {
        facts->detection = "override";
        TRY(facts_add(facts, "environment_key", override, error));
    }
    return tags != NULL ? add_tags(facts, tags, error) : B10_REASON_OK;
}

enum b10_reason facts_collect(struct facts *facts, const char *kind, const char *tags,
                              const char *override, struct b10_error *error)
{
    SCOPED(facts) struct facts fresh = FACTS_NONE;
    TRY(collect(&fresh, kind, tags, override, error));
    *facts = fresh;
    fresh = (struct facts)FACTS_NONE;
    return B10_REASON_OK;
}
