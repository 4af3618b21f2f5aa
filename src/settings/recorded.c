#include "settings/recorded.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/manifest.h"
#include "base/digest.h"
#include "base/guard.h"
#include "fs/path.h"

static const char python_prefix[] = "B10_PYTHON_PREFIX";

/* ---- which ---- */

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

/* Where caches lie is this library's own business: a load puts them in their place. */
static bool is_recorded(const char *name)
{
    static const char *const prefixes[] = {"VLLM_", "TORCHINDUCTOR_", "TRITON_"};
    static const char *const places[] = {"VLLM_CACHE_ROOT", "TORCHINDUCTOR_CACHE_DIR",
                                         "TRITON_CACHE_DIR"};
    if (!manifest_may_record_name(name) ||
        is_one_of(name, places, sizeof(places) / sizeof(*places)))
        return false;
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    }
    return strcmp(name, python_prefix) == 0;
}

/* ---- digests in place of values ---- */

static const char digest_mark[] = "blake2b:";
enum { DIGEST_DIGITS = 16, DIGEST_TEXT_SIZE = sizeof(digest_mark) + DIGEST_DIGITS };

static void make_digest(char text[DIGEST_TEXT_SIZE], const char *value)
{
    memcpy(text, digest_mark, sizeof(digest_mark));
    digest_64_text(text + sizeof(digest_mark) - 1, value, strlen(value));
}

static bool is_digest(const char *value)
{
    const size_t mark = sizeof(digest_mark) - 1;
    return strncmp(value, digest_mark, mark) == 0 &&
           strspn(value + mark, "0123456789abcdef") == DIGEST_DIGITS &&
           value[mark + DIGEST_DIGITS] == '\0';
}

static bool may_be_secret(const char *name)
{
    static const char *const words[] = {"KEY", "TOKEN", "SECRET", "PASS"};
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (strcasestr(name, words[i]) != NULL)
            return true;
    }
    return false;
}

/* ---- the list ---- */

/* Takes what `fact` owns if it is inserted. */
static void insert(struct recorded *recorded, struct fact *fact)
{
    size_t at = recorded->count;
    while (at > 0 && strcmp(recorded->items[at - 1].name, fact->name) > 0)
        at--;
    if (at == MANIFEST_RECORDED_LIMIT ||
        (at > 0 && strcmp(recorded->items[at - 1].name, fact->name) == 0))
        return;
    if (recorded->count == MANIFEST_RECORDED_LIMIT)
        fact_release(&recorded->items[--recorded->count]);
    memmove(&recorded->items[at + 1], &recorded->items[at],
            (recorded->count - at) * sizeof(*recorded->items));
    recorded->items[at] = *fact;
    recorded->count++;
    *fact = (struct fact){0};
}

enum b10_reason recorded_add(struct recorded *recorded, const char *name, const char *value,
                             struct b10_error *error)
{
    if (recorded->items == NULL) {
        *recorded =
            (struct recorded){.items = calloc(MANIFEST_RECORDED_LIMIT, sizeof(*recorded->items)),
                              .count = 0};
        if (recorded->items == NULL)
            return error_no_memory(error);
    }
    char digest[DIGEST_TEXT_SIZE];
    if (may_be_secret(name) || !manifest_may_record_value(value)) {
        make_digest(digest, value);
        value = digest;
    }
    struct fact fact;
    TRY(fact_copy(&fact, name, value, error));
    insert(recorded, &fact);
    fact_release(&fact);
    return B10_REASON_OK;
}

enum b10_reason recorded_take(struct recorded *recorded, const char *variable,
                              struct b10_error *error)
{
    char name[MANIFEST_RECORDED_NAME_LIMIT + 1];
    const char *equals = strchr(variable, '=');
    const size_t length = equals != NULL ? (size_t)(equals - variable) : sizeof(name);
    if (length >= sizeof(name))
        return B10_REASON_OK;
    memcpy(name, variable, length);
    name[length] = '\0';
    /* That one comes from its setting, which may be given in another way. */
    if (!is_recorded(name) || strcmp(name, python_prefix) == 0)
        return B10_REASON_OK;
    return recorded_add(recorded, name, equals + 1, error);
}

void recorded_release(struct recorded *recorded)
{
    fact_list_free(recorded->items, recorded->count);
    *recorded = (struct recorded)RECORDED_NONE;
}

void recorded_guard(struct recorded *recorded)
{
    recorded_release(recorded);
}

/* ---- comparing ---- */

static bool is_same(const struct fact *there, const struct fact *here)
{
    char digest[DIGEST_TEXT_SIZE];
    if (there == NULL || here == NULL)
        return false;
    if (strcmp(there->value, here->value) == 0)
        return true;
    if (is_digest(there->value) == is_digest(here->value))
        return false;
    const bool there_is_plain = is_digest(here->value);
    make_digest(digest, there_is_plain ? there->value : here->value);
    return strcmp(digest, there_is_plain ? here->value : there->value) == 0;
}

enum { SHOWN_SIZE = 1200 };

/* Also of what another writer should have kept as a digest only that is shown. */
static void show(char text[SHOWN_SIZE], const struct fact *fact)
{
    char digest[DIGEST_TEXT_SIZE];
    if (fact == NULL) {
        snprintf(text, SHOWN_SIZE, "none");
        return;
    }
    const char *value = fact->value;
    if (may_be_secret(fact->name) && !is_digest(value)) {
        make_digest(digest, value);
        value = digest;
    }
    char quoted[SHOWN_SIZE - 2];
    snprintf(text, SHOWN_SIZE, "'%s'", path_quote(quoted, sizeof(quoted), value));
}

static enum b10_reason describe(const char *name, const struct fact *there, const struct fact *here,
                                struct bytes *lines, struct b10_error *error)
{
    char texts[2][SHOWN_SIZE];
    if (!is_recorded(name) || is_same(there, here))
        return B10_REASON_OK;
    show(texts[0], there);
    show(texts[1], here);
    return bytes_format(lines, error, "%s: %s there, %s here\n", name, texts[0], texts[1]);
}

enum b10_reason recorded_describe(const struct fact *there, size_t there_count,
                                  const struct recorded *here, struct bytes *lines,
                                  struct b10_error *error)
{
    size_t t = 0;
    size_t h = 0;
    while (t < there_count || h < here->count) {
        const int order = t == there_count   ? 1
                          : h == here->count ? -1
                                             : strcmp(there[t].name, here->items[h].name);
        const char *name = order <= 0 ? there[t].name : here->items[h].name;
        TRY(describe(name, order <= 0 ? &there[t] : NULL, order >= 0 ? &here->items[h] : NULL,
                     lines, error));
        t += order <= 0;
        h += order >= 0;
    }
    return bytes_terminate(lines, error);
}
