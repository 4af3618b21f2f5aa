#include "cache/accuse.h"

#include <string.h>

#include "base/guard.h"
#include "cache/candidates.h"
#include "cache/suspect.h"

struct accusation {
    const char *token;
    struct log *log;
    bool found;
};

static enum b10_reason mark_if_meant(void *user, const struct volume *volume, const char *key,
                                     const struct reader *archive, bool *done,
                                     struct b10_error *error)
{
    struct accusation *accusation = user;
    if (!manifest_descends_from(&archive->manifest, accusation->token, TOKEN_TEXT_SIZE - 1))
        return B10_REASON_OK;
    accusation->found = true;
    *done = true;
    TRY(suspect_mark(volume, key, accusation->token, error));
    log_warn(accusation->log,
             "'%s' is marked as suspect; loads leave it alone once %d hosts have said so",
             archive->name, SUSPECT_BOOTS);
    return B10_REASON_OK;
}

enum b10_reason accuse_archive(const struct settings *settings, const char *token, struct log *log,
                               struct progress *progress, struct b10_error *error)
{
    SCOPED(identity) struct identity identity = IDENTITY_NONE;
    SCOPED(volumes) struct volumes volumes = {0};
    struct accusation accusation = {.token = token, .log = log};
    const size_t length = TOKEN_TEXT_SIZE - 1;
    if (strlen(token) != length || strspn(token, "0123456789abcdef") != length)
        return error_set(error, B10_REASON_CONFIG, "'%.64s' is no archive's token", token);
    TRY(identity_collect(&identity, settings, error));
    TRY(volumes_open(&volumes, settings, log, progress, error));
    TRY(candidates_visit(&volumes, &identity, mark_if_meant, &accusation, error));
    if (!accusation.found)
        return error_set(error, B10_REASON_ABSENT,
                         "the archive with the token %s is not there any more", token);
    return B10_REASON_OK;
}
