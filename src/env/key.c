#include "env/key.h"

#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/guard.h"

static const char key_bytes[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";

/* Bytes of each part: with all of them full a key has 191. */
enum {
    KEY_LIMIT = B10_KEY_SIZE - 8,
    KIND_LIMIT = 16,
    DEVICE_LIMIT = 12,
    NAME_LIMIT = 48,
    PROFILE_LIMIT = 16,
    MORE_LIMIT = 7,
    CAPABILITY_LIMIT = 6,
    VERSION_LIMIT = 12,
    ARCHITECTURE_LIMIT = 16,
    LEVEL_LIMIT = 12,
    OS_LIMIT = 12,
};

bool key_is_valid(const char *text)
{
    size_t length = strlen(text);
    return length > 0 && length <= KEY_LIMIT && text[0] != '.' && strspn(text, key_bytes) == length;
}

/* ---- parts ---- */

/* Appends `before` and then the beginning of `value` in the letters of a key. */
static void append(char text[B10_KEY_SIZE], const char *before, const char *value, size_t limit)
{
    size_t used = strlen(text);
    used += (size_t)snprintf(text + used, B10_KEY_SIZE - used, "%s", before);
    for (size_t i = 0; value[i] != '\0' && i < limit; i++) {
        char c = value[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if (strchr(key_bytes, c) == NULL || (used == 0 && c == '.'))
            c = '_';
        text[used++] = c;
    }
    text[used] = '\0';
}

static enum b10_reason append_fact(char text[B10_KEY_SIZE], const char *before,
                                   const struct facts *facts, const char *name, size_t limit,
                                   struct b10_error *error)
{
    const char *value = facts_get(facts, name);
    if (value == NULL)
        return error_set(error, B10_REASON_INTERNAL, "no fact '%s' for the key", name);
    append(text, before, value, limit);
    return B10_REASON_OK;
}

static bool has_gpus(const struct facts *facts)
{
    const char *device = facts_get(facts, "device");
    return device != NULL && strcmp(device, "cuda") == 0;
}

/* /proc tells no CUDA version: then the driver's own stands in the key, and nothing falls back. */
static bool has_cuda_version(const struct facts *facts)
{
    return has_gpus(facts) && facts_get(facts, "cuda") != NULL;
}

/* Kinds of device beyond the first. */
static size_t more_kinds(const struct facts *facts)
{
    char name[40];
    size_t count = 0;
    do
        snprintf(name, sizeof(name), "gpu.%zu.name", count + 2);
    while (facts_get(facts, name) != NULL && ++count < 99);
    return count;
}

static enum b10_reason append_gpu(char text[B10_KEY_SIZE], const struct facts *facts,
                                  struct b10_error *error)
{
    TRY(append_fact(text, "-", facts, "gpu.1.name", NAME_LIMIT, error));
    const char *profile = facts_get(facts, "gpu.1.mig");
    if (profile != NULL)
        append(text, "-mig_", profile, PROFILE_LIMIT);
    const size_t more = more_kinds(facts);
    if (more > 0) {
        char and[32];
        snprintf(and, sizeof(and), "%zu_more", more);
        append(text, "-and_", and, MORE_LIMIT);
    }
    return append_fact(text, "-sm", facts, "gpu.1.capability", CAPABILITY_LIMIT, error);
}

/* Everything before what may differ in a fallback. */
static enum b10_reason append_head(char text[B10_KEY_SIZE], const struct facts *facts,
                                   struct b10_error *error)
{
    text[0] = '\0';
    TRY(append_fact(text, "", facts, "kind", KIND_LIMIT, error));
    TRY(append_fact(text, "-", facts, "device", DEVICE_LIMIT, error));
    if (!has_gpus(facts))
        return append_fact(text, "-", facts, "arch", ARCHITECTURE_LIMIT, error);
    TRY(append_gpu(text, facts, error));
    if (has_cuda_version(facts))
        return B10_REASON_OK;
    TRY(append_fact(text, "-driver", facts, "gpu_driver", VERSION_LIMIT, error));
    return append_fact(text, "-", facts, "arch", ARCHITECTURE_LIMIT, error);
}

static enum b10_reason append_tail(char text[B10_KEY_SIZE], const struct facts *facts,
                                   struct b10_error *error)
{
    if (has_cuda_version(facts)) {
        TRY(append_fact(text, "-cuda", facts, "cuda", VERSION_LIMIT, error));
        TRY(append_fact(text, "-", facts, "arch", ARCHITECTURE_LIMIT, error));
    }
    TRY(append_fact(text, "-", facts, "cpu", LEVEL_LIMIT, error));
    TRY(append_fact(text, "-", facts, "os", OS_LIMIT, error));
    SCOPED(bytes) struct bytes digested = BYTES_EMPTY;
    TRY(facts_text(facts, &digested, error));
    char digest[17];
    digest_64_text(digest, digested.data, digested.size);
    append(text, "-", digest, sizeof(digest));
    return B10_REASON_OK;
}

/* ---- the key ---- */

enum b10_reason key_make(struct key *key, const struct facts *facts, struct b10_error *error)
{
    *key = (struct key){.overridden = false};
    const char *override = facts_get(facts, "environment_key");
    if (override == NULL) {
        TRY(append_head(key->text, facts, error));
        return append_tail(key->text, facts, error);
    }
    if (!key_is_valid(override))
        return error_set(error, B10_REASON_CONFIG, "B10_ENVIRONMENT_KEY is no valid key");
    snprintf(key->text, sizeof(key->text), "%s", override);
    key->overridden = true;
    return B10_REASON_OK;
}

void key_fallback_prefix(char prefix[B10_KEY_SIZE], const struct key *key,
                         const struct facts *facts)
{
    prefix[0] = '\0';
    if (key->overridden || facts_device_unknown(facts))
        return;
    if (append_head(prefix, facts, NULL) != B10_REASON_OK)
        prefix[0] = '\0';
    else
        append(prefix, has_cuda_version(facts) ? "-cuda" : "-", "", 0);
}
