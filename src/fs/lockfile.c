/* States of one that wants the lock:
 *
 *     LOOK ── nothing there, or our own ──▶ COMPETE ── our token is there ──▶ HELD
 *       │                                      └── else ──▶ LOOK
 *       ├── first look at another's ──▶ WATCH ── unchanged so far ──▶ (pause) LOOK
 *       ├── not what the last look saw ─────▶ IN_PROGRESS
 *       └── dead, or unchanged for the timeout ──▶ REMOVE ──▶ LOOK
 */
#include "fs/lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/pause.h"
#include "fs/io.h"

enum {
    LOOK_MS = 250,      /* between two looks at another's lock */
    ROUNDS = 32,        /* of competing and removing, before the volume counts as unable */
    PUT_BACK_LOOKS = 5, /* for a lock that is missing at the last moment */
    PUT_BACK_MS = 50,   /* between them */
    BEAT_LONGEST_MS = 2000,
    BEATS_PER_TIMEOUT = 5
};

bool lockfile_is_held(const struct lockfile *lock)
{
    return lock->fd >= 0;
}

unsigned lockfile_beat_ms(unsigned timeout_ms)
{
    const unsigned ms = timeout_ms / BEATS_PER_TIMEOUT;
    return ms < BEAT_LONGEST_MS ? ms : BEAT_LONGEST_MS;
}

static bool is_ours(const struct lockfile *lock, const struct lock_seen *seen)
{
    return seen->is_readable && strcmp(seen->text.token, lock->token) == 0;
}

static enum b10_reason in_progress(const struct lockfile *lock, const struct lock_seen *seen,
                                   struct b10_error *error)
{
    if (!seen->is_readable)
        return error_set(error, B10_REASON_IN_PROGRESS, "'%s' belongs to another saver",
                         lock->name);
    return error_set(error, B10_REASON_IN_PROGRESS,
                     "'%s' belongs to another saver: process %" PRIu64 " on '%s'", lock->name,
                     seen->text.holder.pid, seen->text.holder.host);
}

/* ---- competing ---- */

/* Complete and closed: what is linked to the lock's name is never seen half written. *created: what
 * failed was not that. */
static enum b10_reason write_lock(const struct lockfile *lock, const char *name,
                                  const struct process *self, bool *created,
                                  struct b10_error *error)
{
    char text[LOCK_TEXT_SIZE + 1];
    SCOPED(fd) int fd = -1;
    struct lock_text content = {.holder = *self};
    memcpy(content.token, lock->token, sizeof(content.token));
    lock_text_format(text, &content);
    *created = false;
    TRY(io_open(&fd, lock->dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666, name,
                error));
    *created = true;
    TRY(io_write_full(fd, text, LOCK_TEXT_SIZE, name, error));
    TRY(io_fsync(fd, name, error));
    return io_close(&fd, name, error);
}

/* The descriptor that was read with our token in it is the one that is kept. */
static enum b10_reason keep_if_ours(struct lockfile *lock, struct lock_seen *seen,
                                    struct b10_error *error)
{
    SCOPED(fd) int fd = -1;
    TRY(lock_seen_look(seen, lock->dirfd, lock->name, &fd, error));
    if (is_ours(lock, seen) && fd >= 0)
        lock->fd = fd_take(&fd);
    return B10_REASON_OK;
}

/* Not "no", but "I cannot do that". */
static bool is_refusal(int failed)
{
    return error_reason_of(failed) == B10_REASON_DENIED || failed == ENOSYS ||
           failed == EOPNOTSUPP || failed == EINVAL || failed == EMLINK || failed == EXDEV;
}

/* Where nothing can be linked. The text may be seen half written: then it changes, which is what a
 * live lock does. */
static enum b10_reason compete_by_create(struct lockfile *lock, const struct process *self,
                                         struct lock_seen *seen, struct b10_error *error)
{
    struct b10_error found = ERROR_NONE;
    bool created;
    enum b10_reason reason = write_lock(lock, lock->name, self, &created, &found);
    TRY(keep_if_ours(lock, seen, error));
    if (reason == B10_REASON_OK || seen->exists)
        return B10_REASON_OK;
    if (created || !is_refusal(found.sys_errno))
        return error_copy(error, &found);
    lock->refused = found.sys_errno;
    return B10_REASON_OK;
}

/* 1. A private file with our token, complete. 2. Linked to the lock's name. 3. The private name
 * goes. 4. Whose token stands under the lock's name? Answers of 2 and 3 may have been lost; and what
 * was linked may be in the hands of a breaker at 4, who puts it back. So the token is the same in
 * each round, and the next one finds it. */
static enum b10_reason compete(struct lockfile *lock, const struct process *self,
                               struct progress *progress, struct b10_error *error)
{
    char private_name[LOCK_NAME_SIZE];
    struct lock_seen seen;
    struct b10_error found = ERROR_NONE;
    if (lock->token[0] == '\0')
        TRY(token_make(lock->token, error));
    TRY(lock_name(private_name, lock->stem, lock->token, LOCK_NEW_SUFFIX, error));
    bool created;
    enum b10_reason reason = write_lock(lock, private_name, self, &created, &found);
    if (reason == B10_REASON_OK &&
        linkat(lock->dirfd, private_name, lock->dirfd, lock->name, 0) != 0)
        found.sys_errno = errno;
    lock_remove_name(lock->dirfd, private_name, 0);
    if (reason == B10_REASON_DENIED && !created) {
        lock->refused = found.sys_errno; /* whoever cannot create a file will be told so anyway */
        return B10_REASON_OK;
    }
    if (reason != B10_REASON_OK)
        return error_copy(error, &found);
    TRY(progress_step(progress, error));
    if (is_refusal(found.sys_errno))
        return compete_by_create(lock, self, &seen, error);
    return keep_if_ours(lock, &seen, error);
}

/* ---- watching another's ---- */

struct watch {
    const struct process *self;
    uint64_t timeout_ns;
    bool has_looked;
    struct lock_seen seen; /* by the last look */
    uint64_t looked_ns;    /* when it had ended */
    uint64_t unchanged_ns; /* how long it has stood still, as seen */
};

enum verdict { LOCK_IS_FREE, LOCK_IS_LIVE, LOCK_IS_STALE, LOCK_MAY_BE_STALE };

/* `began_ns`: when the look began, because what it saw is no newer. A long silence between two
 * looks counts little: whatever stopped the watcher may have stopped the holder, too, and it gets
 * the time to beat again. */
static enum verdict judge(struct watch *watch, const struct lock_seen *now, uint64_t began_ns)
{
    const bool is_first = !watch->has_looked;
    const bool unchanged = !is_first && lock_seen_unchanged(&watch->seen, now);
    const uint64_t gap_ns = began_ns - watch->looked_ns;
    const uint64_t most_ns = watch->timeout_ns / 4;
    if (unchanged)
        watch->unchanged_ns += gap_ns < most_ns ? gap_ns : most_ns;
    else
        watch->unchanged_ns = 0;
    watch->has_looked = true;
    watch->seen = *now;
    watch->looked_ns = clock_now_ns();
    if (!now->exists)
        return LOCK_IS_FREE;
    if (lock_seen_is_dead(now, watch->self))
        return LOCK_IS_STALE;
    if (!is_first && !unchanged)
        return LOCK_IS_LIVE;
    return watch->unchanged_ns >= watch->timeout_ns ? LOCK_IS_STALE : LOCK_MAY_BE_STALE;
}

static enum b10_reason look(struct watch *watch, const struct lockfile *lock,
                            struct progress *progress, enum verdict *verdict,
                            struct b10_error *error)
{
    struct lock_seen now;
    const uint64_t began_ns = clock_now_ns();
    TRY(lock_seen_look(&now, lock->dirfd, lock->name, NULL, error));
    *verdict = judge(watch, &now, began_ns);
    return progress_step(progress, error);
}

/* A lock that this user may never remove must not stop its saves for ever. */
static enum b10_reason remove_stale(struct lockfile *lock, struct watch *watch,
                                    struct b10_error *error)
{
    bool removed;
    struct b10_error found = ERROR_NONE;
    enum b10_reason reason =
        lock_seen_remove(lock->dirfd, lock->stem, &watch->seen, &removed, &found);
    if (reason == B10_REASON_DENIED) {
        lock->refused = found.sys_errno;
        return B10_REASON_OK;
    }
    return error_copy(error, &found);
}

static unsigned look_ms(unsigned timeout_ms)
{
    const unsigned ms = timeout_ms / 10;
    return ms < LOOK_MS ? ms : LOOK_MS;
}

static enum b10_reason acquire(struct lockfile *lock, const struct process *self,
                               unsigned timeout_ms, struct progress *progress,
                               struct b10_error *error)
{
    struct watch watch = {.self = self, .timeout_ns = (uint64_t)timeout_ms * 1000000};
    enum verdict verdict;
    for (unsigned rounds = 0; rounds < ROUNDS && lock->refused == 0;) {
        TRY(look(&watch, lock, progress, &verdict, error));
        if (is_ours(lock, &watch.seen))
            verdict = LOCK_IS_FREE; /* put back by who had it in hand when we looked last */
        if (verdict == LOCK_IS_LIVE)
            return in_progress(lock, &watch.seen, error);
        if (verdict == LOCK_MAY_BE_STALE) {
            pause_ms(look_ms(timeout_ms));
            continue;
        }
        rounds++;
        if (verdict == LOCK_IS_FREE)
            TRY(compete(lock, self, progress, error));
        else
            TRY(remove_stale(lock, &watch, error));
        if (lockfile_is_held(lock))
            return B10_REASON_OK;
    }
    if (lock->refused == 0)
        lock->refused = EIO; /* what is written there is never there */
    return B10_REASON_OK;
}

enum b10_reason lockfile_acquire(struct lockfile *lock, int dirfd, const char *stem,
                                 const struct process *self, unsigned timeout_ms,
                                 struct progress *progress, struct b10_error *error)
{
    SCOPED(lockfile) struct lockfile wanted = {.dirfd = dirfd, .fd = -1};
    *lock = (struct lockfile)LOCKFILE_NONE;
    TRY(lock_name(wanted.name, stem, NULL, LOCK_SUFFIX, error));
    snprintf(wanted.stem, sizeof(wanted.stem), "%s", stem);
    wanted.timeout_ms = timeout_ms;
    TRY(acquire(&wanted, self, timeout_ms, progress, error));
    TRY(progress_step(progress, error));
    *lock = wanted;
    wanted = (struct lockfile)LOCKFILE_NONE;
    return B10_REASON_OK;
}

/* ---- holding ---- */

/* Into the file that was acquired, wherever its name may be by now. What the volume refuses is no
 * loss yet. */
static void raise_counter(struct lockfile *lock)
{
    char text[LOCK_COUNTER_SIZE + 1];
    lock_text_counter(text, atomic_fetch_add(&lock->counter, 1) + 1);
    if (io_pwrite_full(lock->fd, text, LOCK_COUNTER_SIZE, LOCK_COUNTER_OFFSET, lock->name, NULL) ==
        B10_REASON_OK)
        (void)!io_fsync(lock->fd, lock->name, NULL); /* else a client may keep it for itself */
}

enum b10_reason lockfile_beat(struct lockfile *lock, struct b10_error *error)
{
    struct lock_seen seen;
    if (!lockfile_is_held(lock))
        return B10_REASON_OK;
    raise_counter(lock);
    if (lock_seen_look(&seen, lock->dirfd, lock->name, NULL, NULL) != B10_REASON_OK)
        return B10_REASON_OK;
    lock->missing = seen.exists ? 0 : lock->missing + 1;
    if ((seen.exists && !is_ours(lock, &seen)) || lock->missing > 1)
        return in_progress(lock, &seen, error);
    return B10_REASON_OK;
}

enum b10_reason lockfile_still_ours(struct lockfile *lock, struct progress *progress,
                                    struct b10_error *error)
{
    struct lock_seen seen;
    if (!lockfile_is_held(lock))
        return B10_REASON_OK;
    const uint64_t began_ns = clock_now_ns();
    lock->is_confirmed = false;
    raise_counter(lock);
    for (unsigned looks = 0; looks < PUT_BACK_LOOKS; looks++) {
        TRY(lock_seen_look(&seen, lock->dirfd, lock->name, NULL, error));
        TRY(progress_step(progress, error));
        lock->is_confirmed = seen.exists && is_ours(lock, &seen);
        lock->confirmed_ns = began_ns;
        if (seen.exists)
            return lock->is_confirmed ? B10_REASON_OK : in_progress(lock, &seen, error);
        pause_ms(PUT_BACK_MS);
    }
    return in_progress(lock, &seen, error);
}

/* Found, and beaten, so short a time ago that nobody can take its holder for dead. */
static bool is_surely_ours(const struct lockfile *lock)
{
    return lock->is_confirmed &&
           clock_now_ns() - lock->confirmed_ns < (uint64_t)lock->timeout_ms * 1000000 / 2;
}

/* Without another look. Only who stalls right here may unlink the lock of a successor, which finds
 * out before it publishes. */
static bool release_at_once(struct lockfile *lock)
{
    return is_surely_ours(lock) && lock_remove_name(lock->dirfd, lock->name, 0);
}

/* Closed before it is removed: some FUSE file systems keep what is unlinked while open under a name
 * of their own. A token without a descriptor: competing was cut short, and may have been won. */
void lockfile_release(struct lockfile *lock)
{
    struct lock_seen seen;
    bool removed;
    fd_guard(&lock->fd);
    lock->fd = -1;
    if (lock->token[0] != '\0' && !release_at_once(lock) &&
        lock_seen_look(&seen, lock->dirfd, lock->name, NULL, NULL) == B10_REASON_OK &&
        is_ours(lock, &seen) &&
        lock_seen_take(lock->dirfd, lock->stem, &seen, &removed, NULL) != B10_REASON_OK)
        (void)!lock_seen_remove(lock->dirfd, lock->stem, &seen, &removed, NULL);
    *lock = (struct lockfile)LOCKFILE_NONE;
}

void lockfile_guard(struct lockfile *lock)
{
    lockfile_release(lock);
}
