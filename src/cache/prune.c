#include "cache/prune.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/guard.h"
#include "cache/identity.h"
#include "cache/listing.h"
#include "fs/dirs.h"
#include "fs/io.h"
#include "fs/lockfile.h"
#include "fs/process.h"

struct prune {
    const struct settings *settings;
    const struct b10_prune_rules *rules;
    struct log *log;
    struct progress *progress;
    struct volume volume;   /* owned */
    struct process self;    /* who locks */
    struct listed *listed;  /* owned: newest first */
    struct b10_pruned *all; /* borrowed from the list: the same */
    size_t count;
};

/* The list and its entries in one piece of memory. */
struct prune_block {
    struct b10_prune_list list;
    struct b10_pruned entries[];
};

static void prune_guard(struct prune *prune)
{
    volume_close(&prune->volume);
    free(prune->listed);
}

/* ---- which ---- */

static bool is_protected(const struct prune *prune, size_t index)
{
    return prune->listed[index].entry.is_current_environment && !prune->rules->include_current;
}

static void choose_one(struct prune *prune, size_t index, uint64_t *bytes)
{
    struct b10_pruned *one = &prune->all[index];
    if (one->outcome == B10_PRUNE_CHOSEN || is_protected(prune, index))
        return;
    one->outcome = B10_PRUNE_CHOSEN;
    *bytes -= one->size_bytes;
}

static void choose(struct prune *prune)
{
    const struct b10_prune_rules *rules = prune->rules;
    const int64_t now_s = clock_epoch_s();
    uint64_t bytes = 0;
    for (size_t i = 0; i < prune->count; i++)
        bytes += prune->all[i].size_bytes;
    for (size_t i = 0; i < prune->count; i++) {
        const int64_t age_s = now_s - prune->all[i].created_time;
        if ((rules->keep > 0 && i >= rules->keep) ||
            (rules->max_age_s > 0 && age_s > 0 && (uint64_t)age_s > rules->max_age_s))
            choose_one(prune, i, &bytes);
    }
    for (size_t i = prune->count; rules->max_bytes > 0 && bytes > rules->max_bytes && i-- > 0;)
        choose_one(prune, i, &bytes);
}

/* ---- one archive ---- */

static bool goes_with(enum names_kind kind)
{
    return kind == NAMES_SET_ASIDE || kind == NAMES_SUSPECT;
}

static void remove_companions(const struct prune *prune, const char *key)
{
    SCOPED(dirs_names) struct dirs_names names = {0};
    if (dirs_list(&names, prune->volume.dirfd, prune->volume.path, NULL) != B10_REASON_OK)
        return;
    for (size_t i = 0; i < names.count; i++) {
        char found[B10_KEY_SIZE];
        char token[TOKEN_TEXT_SIZE];
        if (goes_with(names_classify(names.names[i], found, token)) && strcmp(found, key) == 0)
            (void)!unlinkat(prune->volume.dirfd, names.names[i], 0);
    }
}

/* ABSENT: somebody else removed it. */
static enum b10_reason require_same(const struct prune *prune, const struct listed *listed,
                                    struct b10_error *error)
{
    struct stat now;
    const int failed = volume_look(&prune->volume, listed->entry.filename, &now);
    if (failed == ENOENT)
        return error_set(error, B10_REASON_ABSENT, "it is gone already");
    if (failed != 0)
        return error_errno(error, failed, "cannot look at '%s/%s'", prune->volume.path,
                           listed->entry.filename);
    if (!S_ISREG(now.st_mode) || now.st_mtim.tv_sec != listed->modified.tv_sec ||
        now.st_mtim.tv_nsec != listed->modified.tv_nsec ||
        (uint64_t)now.st_size != listed->entry.size_bytes)
        return error_set(error, B10_REASON_IN_PROGRESS, "it was replaced meanwhile");
    return B10_REASON_OK;
}

static enum b10_reason remove_locked(const struct prune *prune, const struct listed *listed,
                                     struct lockfile *lock, struct b10_error *error)
{
    const struct volume *volume = &prune->volume;
    TRY(require_same(prune, listed, error));
    TRY(lockfile_still_ours(lock, prune->progress, error));
    if (unlinkat(volume->dirfd, listed->entry.filename, 0) != 0)
        return error_errno(error, errno, "cannot remove '%s/%s'", volume->path,
                           listed->entry.filename);
    remove_companions(prune, listed->entry.environment_key);
    log_info(prune->log, "removed '%s/%s'", volume->path, listed->entry.filename);
    return progress_step(prune->progress, error);
}

static enum b10_reason remove_archive(const struct prune *prune, const struct listed *listed,
                                      struct b10_error *error)
{
    SCOPED(lockfile) struct lockfile lock = LOCKFILE_NONE;
    TRY(lockfile_acquire(&lock, prune->volume.dirfd, listed->entry.environment_key, &prune->self,
                         prune->settings->lock_timeout_s * 1000, prune->progress, error));
    return remove_locked(prune, listed, &lock, error);
}

static uint32_t outcome_of(enum b10_reason reason)
{
    switch (reason) {
    case B10_REASON_OK:
    case B10_REASON_ABSENT:
        return B10_PRUNE_REMOVED;
    case B10_REASON_IN_PROGRESS:
        return B10_PRUNE_BUSY;
    default:
        return B10_PRUNE_FAILED;
    }
}

/* One that cannot be removed is no reason to leave the others. */
static enum b10_reason prune_one(struct prune *prune, size_t index, struct b10_prune_list *list,
                                 struct b10_error *error)
{
    struct b10_error found = ERROR_NONE;
    struct b10_pruned *one = &prune->all[index];
    const enum b10_reason reason = remove_archive(prune, &prune->listed[index], &found);
    TRY(progress_check(prune->progress, error));
    one->reason = (uint32_t)reason;
    one->outcome = outcome_of(reason);
    if (reason == B10_REASON_OK) {
        list->removed++;
        list->removed_bytes += one->size_bytes;
    } else if (one->outcome != B10_PRUNE_REMOVED) {
        log_warn(prune->log, "'%s' stays: %s", one->filename, found.message);
    }
    return B10_REASON_OK;
}

/* ---- all ---- */

static enum b10_reason read_directory(struct prune *prune, struct b10_error *error)
{
    SCOPED(identity) struct identity identity = IDENTITY_NONE;
    struct b10_error found = ERROR_NONE;
    TRY(identity_collect(&identity, prune->settings, error));
    const enum b10_reason reason =
        volume_open(&prune->volume, prune->settings, false, prune->progress, &found);
    if (reason == B10_REASON_ABSENT)
        return B10_REASON_OK;
    if (reason != B10_REASON_OK)
        return error_copy(error, &found);
    return listing_read(&prune->listed, &prune->count, &prune->volume, "", identity.key.text,
                        error);
}

static enum b10_reason make_list(struct prune *prune, struct b10_prune_list **list,
                                 struct b10_error *error)
{
    struct prune_block *block =
        calloc(1, sizeof(*block) + prune->count * sizeof(block->entries[0]));
    if (block == NULL)
        return error_no_memory(error);
    *list = &block->list;
    block->list = (struct b10_prune_list){.struct_size = (uint32_t)sizeof(block->list),
                                          .entry_size = (uint32_t)sizeof(block->entries[0]),
                                          .dry_run = prune->rules->dry_run != 0,
                                          .total = prune->count,
                                          .archives = block->entries};
    prune->all = block->entries;
    for (size_t i = 0; i < prune->count; i++) {
        const struct b10_cache_entry *entry = &prune->listed[i].entry;
        struct b10_pruned *one = &block->entries[i];
        snprintf(one->filename, sizeof(one->filename), "%s", entry->filename);
        snprintf(one->environment_key, sizeof(one->environment_key), "%s", entry->environment_key);
        one->size_bytes = entry->size_bytes;
        one->created_time = entry->created_time;
        one->is_current_environment = entry->is_current_environment;
    }
    return B10_REASON_OK;
}

static void list_guard(struct b10_prune_list **list)
{
    free(*list);
}

enum b10_reason prune_archives(const struct settings *settings, const struct b10_prune_rules *rules,
                               struct b10_prune_list **list, struct log *log,
                               struct progress *progress, struct b10_error *error)
{
    SCOPED(prune)
    struct prune prune = {.settings = settings,
                          .rules = rules,
                          .log = log,
                          .progress = progress,
                          .volume = VOLUME_CLOSED};
    SCOPED(list) struct b10_prune_list *made = NULL;
    if (rules->max_bytes == 0 && rules->max_age_s == 0 && rules->keep == 0)
        return error_set(error, B10_REASON_CONFIG, "no rule says what is to be removed");
    process_self(&prune.self);
    TRY(read_directory(&prune, error));
    TRY(make_list(&prune, &made, error));
    choose(&prune);
    for (size_t i = prune.count; i-- > 0;)
        if (prune.all[i].outcome == B10_PRUNE_CHOSEN && !rules->dry_run)
            TRY(prune_one(&prune, i, made, error));
    for (size_t i = 0; i < prune.count; i++)
        made->chosen_bytes += prune.all[i].outcome != B10_PRUNE_KEPT ? prune.all[i].size_bytes : 0;
    *list = HEAP_TAKE(made);
    return B10_REASON_OK;
}
