#include "cache/candidates.h"

#include <string.h>

#include "base/guard.h"
#include "cache/listing.h"

struct visiting {
    const struct identity *identity;
    candidates_fn visit;
    void *user;
    int similar; /* visited so far */
    bool done;
};

static enum b10_reason visit_one(struct visiting *visiting, const struct volume *volume,
                                 const char *key, struct b10_error *error)
{
    SCOPED(reader) struct reader archive = READER_CLOSED;
    struct b10_error found = ERROR_NONE;
    const enum b10_reason reason = names_open_archive(&archive, volume, key, &found);
    TRY(progress_check(volume->progress, error));
    if (reason == B10_REASON_NO_MEMORY)
        return error_copy(error, &found);
    if (reason != B10_REASON_OK)
        return B10_REASON_OK;
    return visiting->visit(visiting->user, volume, key, &archive, &visiting->done, error);
}

static enum b10_reason visit_similar(struct visiting *visiting, const struct volume *volume,
                                     struct b10_error *error)
{
    SCOPED(heap) struct listed *listed = NULL;
    size_t count = 0;
    char prefix[B10_KEY_SIZE];
    const struct key *own = &visiting->identity->key;
    key_fallback_prefix(prefix, own, &visiting->identity->facts);
    if (prefix[0] == '\0')
        return B10_REASON_OK;
    TRY(listing_read(&listed, &count, volume, prefix, "", error));
    for (size_t i = 0; i < count && !visiting->done; i++) {
        const char *key = listed[i].entry.environment_key;
        if (strcmp(key, own->text) == 0 || visiting->similar++ >= CANDIDATES_SIMILAR)
            continue;
        TRY(visit_one(visiting, volume, key, error));
    }
    return B10_REASON_OK;
}

enum b10_reason candidates_visit(const struct volumes *volumes, const struct identity *identity,
                                 candidates_fn visit, void *user, struct b10_error *error)
{
    struct visiting visiting = {.identity = identity, .visit = visit, .user = user};
    for (size_t i = 0; i < volumes->count && !visiting.done; i++)
        TRY(visit_one(&visiting, &volumes->items[i], identity->key.text, error));
    for (size_t i = 0; i < volumes->count && !visiting.done; i++)
        TRY(visit_similar(&visiting, &volumes->items[i], error));
    return B10_REASON_OK;
}
