#include "cache/save_merged.h"

#include <errno.h>
#include <string.h>

enum {
    /* an archive that is replaced that often while it is added to is in good hands */
    ROUNDS = 3,
    DAMAGE_BELIEVED = 2, /* times that it must be seen in one archive, which is then replaced */
};

static bool is_known_as_damaged(const struct save *save)
{
    return save->damage >= DAMAGE_BELIEVED &&
           strcmp(save->merge.stored.manifest.token, save->damaged) == 0;
}

/* What is there is looked at, and what it lacks is found. */
static enum b10_reason plan_merge(struct save *save, struct b10_error *error)
{
    merge_release(&save->merge);
    TRY(saving_look(save, error));
    TRY(gather_wait(&save->gather, error));
    missing_forget(&save->gather.tree);
    if (save->merge.stored.fd < 0)
        return B10_REASON_OK;
    if (is_known_as_damaged(save)) {
        reader_close(&save->merge.stored);
        return B10_REASON_OK;
    }
    return merge_plan(&save->merge, &save->gather.tree, save->settings->max_cache_bytes,
                      save->progress, error);
}

/* Only who has something to add takes the turn. */
static enum b10_reason plan_in_turn(struct save *save, struct b10_error *error)
{
    bool same = false;
    TRY(plan_merge(save, error));
    if (save->has_turn)
        return B10_REASON_OK;
    TRY(saving_take_turn(save, error));
    if (save->merge.stored.fd >= 0)
        TRY(merge_confirm(&save->merge, &save->volume, save->identity.key.text, &same, error));
    return same ? B10_REASON_OK : plan_merge(save, error);
}

static enum b10_reason merge_once(struct save *save,
                                  enum b10_reason (*store)(struct save *, struct b10_error *),
                                  struct b10_error *error)
{
    struct b10_error found = ERROR_NONE;
    save->outdated = false;
    save->is_offered = false;
    TRY(progress_phase(save->progress, "merge", 0, 0, error));
    TRY(plan_in_turn(save, error));
    if (store(save, &found) != B10_REASON_TOO_LARGE || save->merge.plan != MERGE_ADD)
        return error_copy(error, &found);
    log_info(save->log, "%s; only what it lacks is published", found.message);
    merge_go_alone(&save->merge, &save->gather.tree);
    return store(save, error);
}

/* The archive that is added to broke a rule. */
static bool is_damage(const struct save *save, const struct b10_error *found)
{
    return save->merge.stored.fd >= 0 &&
           (found->code == B10_REASON_CORRUPT || found->code == B10_REASON_UNSAFE);
}

/* Replaced on another host, where the volume does not keep a file for those who have it open. */
static bool is_gone(const struct b10_error *found)
{
    return found->code == B10_REASON_IO && found->sys_errno == ESTALE;
}

/* The next look asks the volume, not this host's memory. */
static void note_damage(struct save *save)
{
    const char *token = save->merge.stored.manifest.token;
    save->damage = strcmp(token, save->damaged) == 0 ? save->damage + 1 : 1;
    memcpy(save->damaged, token, sizeof(save->damaged));
    reader_drop_cache(&save->merge.stored);
}

/* Once more when the archive was replaced meanwhile, or is damaged. */
enum b10_reason save_merged(struct save *save,
                            enum b10_reason (*store)(struct save *, struct b10_error *),
                            struct b10_error *error)
{
    for (int round = 1;; round++) {
        struct b10_error found = ERROR_NONE;
        enum b10_reason reason = merge_once(save, store, &found);
        if (reason == B10_REASON_OK)
            return B10_REASON_OK;
        if (is_damage(save, &found))
            note_damage(save);
        else if (!save->outdated && (save->is_offered || !is_gone(&found)))
            return error_copy(error, &found);
        if (round == ROUNDS)
            return error_copy(error, &found);
        log_info(save->log, "%s; looking at it once more", found.message);
    }
}
