#include "cache/sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/guard.h"

struct sweep {
    struct others *others;
    struct lockfile *lock;
    uint64_t began_ns;
    unsigned looked_at;
    bool is_complete; /* every name had its turn */
};

/* A name and what it says. */
struct left {
    const char *name;
    enum names_kind kind;
    char key[B10_KEY_SIZE];
    char token[TOKEN_TEXT_SIZE];
};

static bool may_go_on(struct sweep *sweep)
{
    const uint64_t most_ns = (uint64_t)SWEEP_MS * 1000000;
    return sweep->looked_at < SWEEP_MOST && clock_now_ns() - sweep->began_ns < most_ns;
}

/* ---- one name ---- */

static bool is_old(const struct sweep *sweep, const char *name, const struct stat *stat)
{
    const uint64_t timeout_ms = (uint64_t)sweep->others->settings->incomplete_timeout_s * 1000;
    const long long state[] = {(long long)stat->st_mode,        (long long)stat->st_size,
                               (long long)stat->st_mtim.tv_sec, (long long)stat->st_mtim.tv_nsec,
                               (long long)stat->st_ctim.tv_sec, (long long)stat->st_ctim.tv_nsec};
    return observed_unchanged_ms(sweep->others->observed, name, state, sizeof(state)) >= timeout_ms;
}

static bool look(const struct sweep *sweep, const char *name, struct stat *stat)
{
    return fstatat(sweep->others->volume->dirfd, name, stat, AT_SYMLINK_NOFOLLOW) == 0;
}

static void remove_file(const struct sweep *sweep, const char *name, int flags)
{
    const struct others *others = sweep->others;
    if (unlinkat(others->volume->dirfd, name, flags) == 0)
        log_info(others->log, "removed '%s/%s', which a dead saver left", others->volume->path,
                 name);
}

static void sweep_lock(const struct sweep *sweep, const struct left *left)
{
    struct others *others = sweep->others;
    struct lock_seen seen;
    bool is_dead;
    bool removed = false;
    if (others_look_at_lock(others, left->key, &seen, &is_dead, NULL) != B10_REASON_OK || !is_dead)
        return;
    if (lock_seen_remove(others->volume->dirfd, left->key, &seen, &removed, NULL) ==
            B10_REASON_OK &&
        removed)
        log_info(others->log, "removed the lock '%s/%s' of a dead saver", others->volume->path,
                 left->name);
}

static bool is_locked(const struct sweep *sweep, const char *key)
{
    char name[LOCK_NAME_SIZE];
    struct stat stat;
    return lock_name(name, key, NULL, LOCK_SUFFIX, NULL) != B10_REASON_OK ||
           look(sweep, name, &stat) || errno != ENOENT;
}

/* What a saver that lives may be silent about for long: it is its lock that beats. */
static void sweep_temporary(const struct sweep *sweep, const struct left *left)
{
    struct stat stat;
    if (look(sweep, left->name, &stat) && S_ISREG(stat.st_mode) &&
        is_old(sweep, left->name, &stat) && !is_locked(sweep, left->key))
        remove_file(sweep, left->name, 0);
}

/* A lock on its way says whose it is. Whatever stood in a lock's place may have been moved aside: a
 * directory goes if it is empty. */
static void sweep_lock_file(const struct sweep *sweep, const struct left *left)
{
    struct lock_seen seen;
    const struct others *others = sweep->others;
    if (lock_seen_look(&seen, others->volume->dirfd, left->name, NULL, NULL) != B10_REASON_OK ||
        !seen.exists || (left->kind == NAMES_LOCK_NEW && !S_ISREG(seen.stat.st_mode)))
        return;
    if (lock_seen_is_dead(&seen, others->self) || is_old(sweep, left->name, &seen.stat))
        remove_file(sweep, left->name, S_ISDIR(seen.stat.st_mode) ? AT_REMOVEDIR : 0);
}

static bool is_newer(const struct stat *a, const char *name_a, const struct stat *b,
                     const char *name_b)
{
    if (a->st_mtim.tv_sec != b->st_mtim.tv_sec)
        return a->st_mtim.tv_sec > b->st_mtim.tv_sec;
    if (a->st_mtim.tv_nsec != b->st_mtim.tv_nsec)
        return a->st_mtim.tv_nsec > b->st_mtim.tv_nsec;
    return strcmp(name_a, name_b) > 0;
}

/* Another one of the key is newer. */
static bool is_surplus(const struct sweep *sweep, const struct left *left, const struct stat *stat)
{
    const struct dirs_names *names = &sweep->others->names;
    for (size_t i = 0; i < names->count; i++) {
        struct left other = {.name = names->names[i]};
        struct stat found;
        if (names_classify(other.name, other.key, other.token) == NAMES_SET_ASIDE &&
            strcmp(other.key, left->key) == 0 && strcmp(other.name, left->name) != 0 &&
            look(sweep, other.name, &found) && is_newer(&found, other.name, stat, left->name))
            return true;
    }
    return false;
}

static void sweep_set_aside(const struct sweep *sweep, const struct left *left)
{
    struct stat stat;
    if (look(sweep, left->name, &stat) && S_ISREG(stat.st_mode) && is_surplus(sweep, left, &stat) &&
        is_old(sweep, left->name, &stat))
        remove_file(sweep, left->name, 0);
}

/* Whether the archive that has the name is one that the mark means; true also where that cannot be
 * known. */
static bool is_about_present(const struct sweep *sweep, const struct left *left)
{
    SCOPED(reader) struct reader archive = READER_CLOSED;
    switch (names_open_archive(&archive, sweep->others->volume, left->key, NULL)) {
    case B10_REASON_OK:
        return manifest_descends_from(&archive.manifest, left->token, NAMES_SUSPECT_TOKEN);
    case B10_REASON_ABSENT:
        return false;
    default:
        return true;
    }
}

static void sweep_mark(const struct sweep *sweep, const struct left *left)
{
    struct stat stat;
    if (look(sweep, left->name, &stat) && S_ISREG(stat.st_mode) &&
        is_old(sweep, left->name, &stat) && !is_about_present(sweep, left))
        remove_file(sweep, left->name, 0);
}

/* ---- all ---- */

static bool is_own(const struct sweep *sweep, const struct left *left)
{
    return lockfile_is_held(sweep->lock) && strcmp(left->key, sweep->others->key) == 0;
}

static void sweep_one(struct sweep *sweep, const struct left *left)
{
    switch (left->kind) {
    case NAMES_LOCK:
        if (!is_own(sweep, left))
            sweep_lock(sweep, left);
        break;
    case NAMES_TEMPORARY:
        if (!is_own(sweep, left))
            sweep_temporary(sweep, left);
        break;
    case NAMES_LOCK_NEW:
    case NAMES_LOCK_OLD:
        sweep_lock_file(sweep, left);
        break;
    case NAMES_SET_ASIDE:
        sweep_set_aside(sweep, left);
        break;
    case NAMES_SUSPECT:
        sweep_mark(sweep, left);
        break;
    default:
        return;
    }
    sweep->looked_at++;
}

/* 1. The names were listed after we had acquired the lock; 2. it is still ours; 3. so every
 * temporary file in the list is of a saver that had lost the lock, or never had it, before 2. A
 * successor that broke our lock after 2 has made its own file later, and it is not in the list. */
static enum b10_reason sweep_own_key(struct sweep *sweep, struct b10_error *error)
{
    struct others *others = sweep->others;
    bool is_sure = false;
    for (size_t i = 0; i < others->names.count; i++) {
        struct left left = {.name = others->names.names[i]};
        struct stat stat;
        left.kind = names_classify(left.name, left.key, left.token);
        if (left.kind != NAMES_TEMPORARY || !is_own(sweep, &left))
            continue;
        if (!is_sure)
            TRY(lockfile_still_ours(sweep->lock, others->progress, error));
        is_sure = true;
        if (look(sweep, left.name, &stat) && S_ISREG(stat.st_mode))
            remove_file(sweep, left.name, 0);
        TRY(progress_step(others->progress, error));
    }
    return B10_REASON_OK;
}

static enum b10_reason sweep_others(struct sweep *sweep, struct b10_error *error)
{
    const struct dirs_names *names = &sweep->others->names;
    const size_t first = random_below((uint32_t)names->count);
    for (size_t i = 0; i < names->count; i++) {
        struct left left = {.name = names->names[(first + i) % names->count]};
        if (!may_go_on(sweep))
            return B10_REASON_OK;
        left.kind = names_classify(left.name, left.key, left.token);
        sweep_one(sweep, &left);
        TRY(progress_step(sweep->others->progress, error));
    }
    sweep->is_complete = true;
    return B10_REASON_OK;
}

enum b10_reason sweep_volume(struct others *others, struct lockfile *lock, struct b10_error *error)
{
    struct sweep sweep = {.others = others, .lock = lock, .began_ns = clock_now_ns()};
    TRY(sweep_own_key(&sweep, error));
    enum b10_reason reason = sweep_others(&sweep, error);
    observed_write(others->observed, sweep.is_complete);
    return reason;
}
