#include "cache/others.h"

#include <fcntl.h>
#include <string.h>

#include "base/guard.h"
#include "fs/io.h"

/* Through a descriptor of its own: a directory that was read before would go on where it ended. */
enum b10_reason others_list(struct others *others, struct b10_error *error)
{
    SCOPED(fd) int fd = -1;
    const struct volume *volume = others->volume;
    dirs_names_release(&others->names);
    TRY(io_open(&fd, volume->dirfd, ".", O_RDONLY | O_DIRECTORY, 0, volume->path, error));
    TRY(dirs_read(&others->names, fd, volume->path, error));
    return progress_step(others->progress, error);
}

void others_release(struct others *others)
{
    dirs_names_release(&others->names);
}

void others_guard(struct others *others)
{
    others_release(others);
}

/* Since when it has looked like that. */
static uint64_t unchanged_ms(struct others *others, const char *name, const struct lock_seen *seen)
{
    const struct stat *stat = &seen->stat;
    const long long state[] = {(long long)stat->st_size, (long long)stat->st_mtim.tv_sec,
                               (long long)stat->st_mtim.tv_nsec, (long long)stat->st_ctim.tv_sec,
                               (long long)stat->st_ctim.tv_nsec};
    if (seen->is_readable)
        return observed_unchanged_ms(others->observed, name, seen->bytes, seen->size);
    return observed_unchanged_ms(others->observed, name, state, sizeof(state));
}

enum b10_reason others_look_at_lock(struct others *others, const char *key, struct lock_seen *seen,
                                    bool *is_dead, struct b10_error *error)
{
    char name[LOCK_NAME_SIZE];
    const uint64_t timeout_ms = (uint64_t)others->settings->lock_timeout_s * 1000;
    *is_dead = false;
    TRY(lock_name(name, key, NULL, LOCK_SUFFIX, error));
    TRY(lock_seen_look(seen, others->volume->dirfd, name, NULL, error));
    if (seen->exists)
        *is_dead =
            lock_seen_is_dead(seen, others->self) || unchanged_ms(others, name, seen) >= timeout_ms;
    return progress_step(others->progress, error);
}

static bool is_others_lock(const struct others *others, const char *name, char key[B10_KEY_SIZE])
{
    char token[TOKEN_TEXT_SIZE];
    return names_classify(name, key, token) == NAMES_LOCK && strcmp(key, others->key) != 0;
}

static unsigned count_locks(const struct others *others)
{
    char key[B10_KEY_SIZE];
    unsigned count = 0;
    for (size_t i = 0; i < others->names.count; i++)
        count += is_others_lock(others, others->names.names[i], key);
    return count;
}

enum b10_reason others_limit_reached(struct others *others, unsigned limit, bool *is_reached,
                                     struct b10_error *error)
{
    unsigned live = count_locks(others);
    for (size_t i = 0; i < others->names.count && live >= limit; i++) {
        char key[B10_KEY_SIZE];
        struct lock_seen seen;
        struct b10_error ignored = ERROR_NONE;
        bool is_dead = false;
        if (!is_others_lock(others, others->names.names[i], key))
            continue;
        /* one that cannot be looked at is somebody's */
        if (others_look_at_lock(others, key, &seen, &is_dead, &ignored) == B10_REASON_OK &&
            (is_dead || !seen.exists))
            live--;
        TRY(progress_check(others->progress, error));
    }
    *is_reached = live >= limit;
    return B10_REASON_OK;
}
