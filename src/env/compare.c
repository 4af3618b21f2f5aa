#include "env/compare.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/parse.h"
#include "fs/path.h"

/* What one difference means; the gravest one decides. */
enum gravity { EQUAL, IGNORED, ALLOWED, FORBIDDEN };

/* One fact on both sides; NULL where a side has none. Borrowed. */
struct difference {
    const char *name;
    const char *there;
    const char *here;
    enum gravity gravity;
};

/* ---- judging one fact ---- */

/* "12.8" only: whatever else a driver might call its version cannot be ordered. */
static bool parse_version(const char *text, uint64_t version[2])
{
    char major[8];
    const char *dot = strchr(text, '.');
    if (dot == NULL || (size_t)(dot - text) >= sizeof(major))
        return false;
    snprintf(major, sizeof(major), "%.*s", (int)(dot - text), text);
    return parse_u64(major, &version[0]) && parse_u64(dot + 1, &version[1]);
}

static bool is_older(const char *there, const char *here)
{
    uint64_t a[2];
    uint64_t b[2];
    if (!parse_version(there, a) || !parse_version(here, b))
        return false;
    return a[0] != b[0] ? a[0] < b[0] : a[1] < b[1];
}

/* An archive that was saved under a detected key may be named by an override: then it has no fact
 * `environment_key`, and its own key is compared. */
static enum gravity judge_overridden(const struct difference *difference)
{
    const char *name = difference->name;
    if (strcmp(name, "kind") == 0 || strcmp(name, "arch") == 0)
        return FORBIDDEN;
    if (strcmp(name, "environment_key") == 0 && difference->there != NULL)
        return FORBIDDEN;
    return IGNORED;
}

static enum gravity judge(const struct difference *difference, const struct key *key,
                          const struct stored_facts *stored)
{
    const char *name = difference->name;
    const char *there = difference->there;
    const char *here = difference->here;
    if (there != NULL && here != NULL && strcmp(there, here) == 0)
        return EQUAL;
    if (key->overridden)
        return judge_overridden(difference);
    if (there == NULL || here == NULL)
        return FORBIDDEN;
    if (strcmp(name, "cuda") == 0 && is_older(there, here))
        return ALLOWED;
    if ((strcmp(name, "cpu") == 0 || strcmp(name, "cpu_features") == 0) && stored->host_code == 0)
        return ALLOWED;
    return FORBIDDEN;
}

/* ---- all facts of both sides ---- */

struct comparison {
    const struct key *key;
    const struct facts *here;
    const struct stored_facts *there;
    size_t next; /* first the facts there, then those that only this host has, then the key */
};

/* False at the end. */
static bool next_fact(struct comparison *comparison, struct difference *fact)
{
    const struct stored_facts *there = comparison->there;
    const struct facts *here = comparison->here;
    const size_t at = comparison->next++;
    if (at < there->count) {
        const char *name = there->items[at].name;
        *fact = (struct difference){name, there->items[at].value, facts_get(here, name), EQUAL};
    } else if (at < there->count + here->count) {
        const struct fact *own = &here->items[at - there->count];
        *fact = (struct difference){own->name, NULL, own->value, EQUAL};
        if (fact_value(there->items, there->count, own->name) !=
            NULL) /* had its turn; equal to itself */
            fact->there = own->value;
    } else if (at == there->count + here->count && comparison->key->overridden) {
        const char *own = comparison->key->text;
        *fact = (struct difference){"environment_key", there->key != NULL ? there->key : own, own,
                                    EQUAL};
    } else {
        return false;
    }
    fact->gravity = judge(fact, comparison->key, there);
    return true;
}

/* Grave ones first, then by name. */
static int by_gravity(const void *a, const void *b)
{
    const struct difference *x = a;
    const struct difference *y = b;
    if (x->gravity != y->gravity)
        return x->gravity < y->gravity ? 1 : -1;
    return strcmp(x->name, y->name);
}

/* ---- telling ---- */

/* A line in a buffer of fixed size; what does not fit is cut off. */
struct line {
    char *data;
    size_t size;
    size_t used;
};

static void put(struct line *line, const char *format, ...) PRINTF_LIKE(2, 3);

static void put(struct line *line, const char *format, ...)
{
    va_list arguments;
    const size_t left = line->size - line->used;
    va_start(arguments, format);
    int length = vsnprintf(line->data + line->used, left, format, arguments);
    va_end(arguments);
    if (length > 0)
        line->used += (size_t)length < left ? (size_t)length : left - 1;
}

static bool has_word(const char *list, const char *word, size_t length)
{
    const char *item;
    size_t item_length;
    while (parse_item(&list, &item, &item_length)) {
        if (item_length == length && memcmp(item, word, length) == 0)
            return true;
    }
    return false;
}

/* The words of `list` that `other` lacks; their number. */
static size_t put_words(struct line *line, const char *before, const char *list, const char *other)
{
    const char *item;
    size_t length;
    size_t count = 0;
    while (parse_item(&list, &item, &length)) {
        char word[80];
        char quoted[160];
        if (length == 0 || has_word(other, item, length))
            continue;
        snprintf(word, sizeof(word), "%.*s", (int)(length < 79 ? length : 79), item);
        put(line, "%s%s", count++ == 0 ? before : ", ", path_quote(quoted, sizeof(quoted), word));
    }
    return count;
}

static void put_value(struct line *line, const char *value, const char *side)
{
    char quoted[1200];
    if (value == NULL)
        put(line, "none %s", side);
    else
        put(line, "'%s' %s", path_quote(quoted, sizeof(quoted), value), side);
}

static void describe(const struct difference *fact, char *out, size_t size)
{
    struct line line = {out, size, 0};
    char name[64];
    if (size == 0)
        return;
    out[0] = '\0';
    put(&line, "%s: ", path_quote(name, sizeof(name), fact->name));
    if (strcmp(fact->name, "cpu_features") == 0 && fact->there != NULL && fact->here != NULL) {
        const bool more_there = put_words(&line, "only there: ", fact->there, fact->here) > 0;
        if (put_words(&line, more_there ? "; only here: " : "only here: ", fact->here,
                      fact->there) > 0 ||
            more_there)
            return;
    }
    put_value(&line, fact->there, "there");
    put(&line, ", ");
    put_value(&line, fact->here, "here");
}

/* ---- the comparison ---- */

enum match compare_facts(const struct key *key, const struct facts *here,
                         const struct stored_facts *there, char *difference, size_t size)
{
    struct comparison comparison = {key, here, there, 0};
    struct difference decisive = {.gravity = EQUAL};
    struct difference fact;
    while (next_fact(&comparison, &fact)) {
        if (fact.gravity != EQUAL &&
            (decisive.gravity == EQUAL || by_gravity(&fact, &decisive) < 0))
            decisive = fact;
    }
    if (size > 0)
        difference[0] = '\0';
    if (decisive.gravity != EQUAL)
        describe(&decisive, difference, size);
    if (decisive.gravity == FORBIDDEN)
        return MATCH_OTHER;
    return decisive.gravity == ALLOWED ? MATCH_FALLBACK : MATCH_EXACT;
}

enum b10_reason compare_describe(const struct key *key, const struct facts *here,
                                 const struct stored_facts *there, struct bytes *lines,
                                 struct b10_error *error)
{
    struct comparison comparison = {key, here, there, 0};
    struct difference fact;
    size_t count = 0;
    SCOPED(heap)
    struct difference *all = calloc(there->count + here->count + 1, sizeof(*all));
    if (all == NULL)
        return error_no_memory(error);
    while (next_fact(&comparison, &fact)) {
        if (fact.gravity != EQUAL)
            all[count++] = fact;
    }
    if (count > 1)
        qsort(all, count, sizeof(*all), by_gravity);
    for (size_t i = 0; i < count; i++) {
        char text[2048];
        describe(&all[i], text, sizeof(text));
        TRY(bytes_format(lines, error, "%s\n", text));
    }
    return bytes_terminate(lines, error);
}
