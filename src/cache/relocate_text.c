#include "cache/relocate_text.h"

#include <string.h>

#include "archive/json_text.h"
#include "base/guard.h"

/* Too long is an answer, not a failure. */
static enum b10_reason refuse_long(enum b10_reason reason, enum relocate_answer *answer,
                                   struct bytes *out, struct b10_error *error)
{
    if (reason != B10_REASON_TOO_LARGE)
        return reason;
    error_clear(error);
    bytes_clear(out);
    *answer = RELOCATE_REFUSED;
    return B10_REASON_OK;
}

/* ---- group ---- */

/* *moved: the new path, if it is another one. */
static enum b10_reason move_path(const struct prefix *prefix, const char *path, struct bytes *moved,
                                 struct b10_error *error)
{
    bytes_clear(moved);
    TRY(bytes_append_text(moved, prefix->to, error));
    TRY(bytes_append_text(moved, path + prefix->length, error));
    return bytes_terminate(moved, error);
}

/* *grown: bytes that all new paths have so far. */
static enum b10_reason move_child(const struct prefixes *prefixes, size_t root, json_t *child,
                                  size_t *grown, enum relocate_answer *answer,
                                  struct b10_error *error)
{
    SCOPED(bytes) struct bytes moved = BYTES_EMPTY;
    const char *path = json_string_value(child);
    const struct prefix *prefix =
        path != NULL ? prefixes_find(prefixes, root, path, strlen(path)) : NULL;
    if (prefix == NULL || prefix->state == PREFIX_STAYS)
        return B10_REASON_OK;
    if (prefix->state == PREFIX_REFUSED) {
        *answer = RELOCATE_REFUSED;
        return B10_REASON_OK;
    }
    TRY(move_path(prefix, path, &moved, error));
    *grown += moved.size;
    if (*grown > RELOCATE_TEXT_LIMIT)
        return error_set(error, B10_REASON_TOO_LARGE, "a group file grows too long");
    if (json_string_set(child, (const char *)moved.data) != 0)
        return error_no_memory(error);
    if (*answer == RELOCATE_SAME)
        *answer = RELOCATE_CHANGED;
    return B10_REASON_OK;
}

static enum b10_reason move_children(const struct prefixes *prefixes, size_t root, json_t *children,
                                     enum relocate_answer *answer, struct b10_error *error)
{
    size_t grown = 0;
    for (void *at = json_object_iter(children); at != NULL;
         at = json_object_iter_next(children, at))
        TRY(move_child(prefixes, root, json_object_iter_value(at), &grown, answer, error));
    return B10_REASON_OK;
}

/* jansson stops at the first -1. */
struct sink {
    struct bytes *out;
    struct b10_error *error;
    enum b10_reason reason;
};

static int sink_append(const char *text, size_t size, void *user)
{
    struct sink *sink = user;
    sink->reason = bytes_append(sink->out, text, size, sink->error);
    return sink->reason == B10_REASON_OK ? 0 : -1;
}

static enum b10_reason dump(const json_t *document, struct bytes *out, struct b10_error *error)
{
    struct sink sink = {.out = out, .error = error};
    if (json_dump_callback(document, sink_append, &sink, JSON_ENSURE_ASCII) == 0)
        return B10_REASON_OK;
    return sink.reason != B10_REASON_OK ? sink.reason : error_no_memory(error);
}

/* Parser and printer recurse on a small stack; Triton needs two levels. */
static bool is_shallow(const struct bytes *text)
{
    enum { DEPTH_LIMIT = 64 };
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text->size && depth <= DEPTH_LIMIT; i++) {
        const unsigned char c = text->data[i];
        if (c == '"')
            in_string = !in_string;
        else if (in_string)
            i += c == '\\';
        else if (c == '[' || c == '{')
            depth++;
        else if ((c == ']' || c == '}') && depth > 0)
            depth--;
    }
    return depth <= DEPTH_LIMIT;
}

enum b10_reason relocate_group(const struct prefixes *prefixes, size_t root,
                               const struct bytes *text, struct bytes *out,
                               enum relocate_answer *answer, struct b10_error *error)
{
    struct json_cursor cursor = {.text = (const char *)text->data, .size = text->size};
    SCOPED(json) json_t *document = NULL;
    *answer = RELOCATE_REFUSED;
    out->cap = RELOCATE_TEXT_LIMIT;
    enum b10_reason reason = B10_REASON_CORRUPT;
    if (text->size > 0 && is_shallow(text))
        reason = json_value(&cursor, &document);
    if (reason == B10_REASON_NO_MEMORY)
        return error_no_memory(error);
    if (reason != B10_REASON_OK || !json_at_end(&cursor))
        return B10_REASON_OK;
    *answer = RELOCATE_SAME;
    reason = move_children(prefixes, root, json_object_get(document, "child_paths"), answer, error);
    if (reason == B10_REASON_OK && *answer == RELOCATE_CHANGED)
        reason = dump(document, out, error);
    return refuse_long(reason, answer, out, error);
}

/* ---- source ---- */

/* The path that begins behind the quote at `at`: its prefix, or NULL. */
static const struct prefix *prefix_behind(const struct prefixes *prefixes, size_t root,
                                          const char *text, size_t size, size_t at)
{
    const char quote = text[at];
    if ((quote != '\'' && quote != '"') || at + 1 == size || text[at + 1] != '/')
        return NULL;
    const char *path = text + at + 1;
    const char *end = memchr(path, quote, size - at - 1);
    return end != NULL ? prefixes_find(prefixes, root, path, (size_t)(end - path)) : NULL;
}

static enum b10_reason move_in_source(const struct prefixes *prefixes, size_t root,
                                      const struct bytes *text, struct bytes *out,
                                      enum relocate_answer *answer, struct b10_error *error)
{
    const char *from = (const char *)text->data;
    size_t kept = 0; /* everything before it is in `out` */
    for (size_t at = 0; at < text->size; at++) {
        const struct prefix *prefix = prefix_behind(prefixes, root, from, text->size, at);
        if (prefix == NULL || prefix->state == PREFIX_STAYS)
            continue;
        if (prefix->state == PREFIX_REFUSED) {
            *answer = RELOCATE_REFUSED;
            continue;
        }
        TRY(bytes_append(out, from + kept, at + 1 - kept, error));
        TRY(bytes_append_text(out, prefix->to, error));
        kept = at + 1 + prefix->length;
        at = kept - 1;
        if (*answer == RELOCATE_SAME)
            *answer = RELOCATE_CHANGED;
    }
    return bytes_append(out, from + kept, text->size - kept, error);
}

enum b10_reason relocate_source(const struct prefixes *prefixes, size_t root,
                                const struct bytes *text, struct bytes *out,
                                enum relocate_answer *answer, struct b10_error *error)
{
    *answer = RELOCATE_SAME;
    out->cap = RELOCATE_TEXT_LIMIT;
    if (text->size == 0)
        return B10_REASON_OK;
    return refuse_long(move_in_source(prefixes, root, text, out, answer, error), answer, out,
                       error);
}
