#include "env/key.h"

#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/guard.h"
#include "fs/path.h"

static const char key_bytes[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";

enum { KEY_LIMIT = B10_KEY_SIZE - 8, KEY_PART_LIMIT = 32 };

bool key_is_valid(const char *text)
{
    size_t length = strlen(text);
    return length > 0 && length <= KEY_LIMIT && text[0] != '.' && strspn(text, key_bytes) == length;
}

/* ---- making ---- */

/* Appends `value` in the letters of a key, and a hyphen. */
static void append_part(struct key *key, const char *value)
{
    size_t used = strlen(key->text);
    for (size_t i = 0; value[i] != '\0' && i < KEY_PART_LIMIT; i++) {
        char c = value[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if (strchr(key_bytes, c) == NULL)
            c = '_';
        key->text[used++] = c;
    }
    key->text[used++] = '-';
    key->text[used] = '\0';
}

enum b10_reason key_make(struct key *key, const struct facts *facts, struct b10_error *error)
{
    static const char *const parts[] = {"kind", NULL, "arch", "cpu", "os"}; /* NULL: the device */
    *key = (struct key){.overridden = false};
    const char *override = facts_get(facts, "environment_key");
    if (override != NULL) {
        if (!key_is_valid(override))
            return error_set(error, B10_REASON_CONFIG, "B10_ENVIRONMENT_KEY is no valid key");
        snprintf(key->text, sizeof(key->text), "%s", override);
        key->overridden = true;
        return B10_REASON_OK;
    }
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        const char *value = parts[i] != NULL ? facts_get(facts, parts[i]) : "cpu";
        if (value == NULL)
            return error_set(error, B10_REASON_INTERNAL, "no fact '%s' for the key", parts[i]);
        append_part(key, value);
    }
    SCOPED(bytes) struct bytes text = BYTES_EMPTY;
    TRY(facts_text(facts, &text, error));
    char digest[17];
    digest_64_text(digest, text.data, text.size);
    size_t used = strlen(key->text);
    snprintf(key->text + used, sizeof(key->text) - used, "%s", digest);
    return B10_REASON_OK;
}

/* ---- comparing ---- */

static const char *find(const struct fact *facts, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(facts[i].name, name) == 0)
            return facts[i].value;
    }
    return NULL;
}

static bool decides(const struct key *key, const char *name)
{
    return !key->overridden || strcmp(name, "kind") == 0 || strcmp(name, "arch") == 0;
}

/* What is known about the differences so far. */
struct verdict {
    const char *name; /* of the first one that is to be described; NULL: none */
    const char *there;
    const char *here;
    bool decisive; /* that one, and so the whole */
};

/* Decisive differences go before others, then the first by name. */
static void consider(struct verdict *verdict, const struct key *key, const char *name,
                     const char *there, const char *here)
{
    if (there != NULL && here != NULL && strcmp(there, here) == 0)
        return;
    bool decisive = decides(key, name);
    if (verdict->name != NULL) {
        bool later = strcmp(name, verdict->name) >= 0;
        if (verdict->decisive != decisive ? verdict->decisive : later)
            return;
    }
    *verdict = (struct verdict){name, there, here, decisive};
}

static void describe(const struct verdict *verdict, char *difference, size_t size)
{
    char name[64];
    char texts[2][1200] = {"none", "none"};
    const char *values[2] = {verdict->there, verdict->here};
    for (size_t i = 0; i < 2; i++) {
        if (values[i] == NULL)
            continue;
        texts[i][0] = '\'';
        path_quote(texts[i] + 1, sizeof(texts[i]) - 2, values[i]);
        strncpy(texts[i] + strlen(texts[i]), "'", 2);
    }
    path_quote(name, sizeof(name), verdict->name);
    snprintf(difference, size, "%s: %s there, %s here", name, texts[0], texts[1]);
}

bool key_matches(const struct key *key, const struct facts *here, const struct fact *there,
                 size_t there_count, char *difference, size_t size)
{
    struct verdict verdict = {0};
    for (size_t i = 0; i < there_count; i++)
        consider(&verdict, key, there[i].name, there[i].value, facts_get(here, there[i].name));
    for (size_t i = 0; i < here->count; i++) {
        const char *name = here->items[i].name;
        consider(&verdict, key, name, find(there, there_count, name), here->items[i].value);
    }
    if (size > 0)
        *difference = '\0';
    if (verdict.name == NULL)
        return true;
    describe(&verdict, difference, size);
    return !verdict.decisive;
}
