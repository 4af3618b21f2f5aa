#include "cache/attempt.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "archive/check.h"
#include "base/guard.h"
#include "fs/io.h"

enum { FILES = 5 }; /* that follow each other under the name, each damaged, before it is given up */

/* What has the archive's name. */
struct look {
    struct stat stat;
    bool present;
};

static struct look look_at(const struct attempt *attempt)
{
    char name[NAMES_SIZE];
    struct look look = {0};
    names_archive(name, attempt->key);
    look.present = volume_look(attempt->volume, name, &look.stat) == 0;
    return look;
}

static bool is_same(const struct look *a, const struct look *b)
{
    return a->present && b->present && io_unchanged(&a->stat, &b->stat);
}

static bool is_damage(enum b10_reason reason)
{
    return reason == B10_REASON_CORRUPT || reason == B10_REASON_UNSAFE;
}

/* Whether the failure may come from a file that took the name meanwhile, perhaps on another host. */
static bool may_be_replaced(const struct look *before, const struct b10_error *found)
{
    return is_damage((enum b10_reason)found->code) || found->code == B10_REASON_IO ||
           (found->code == B10_REASON_ABSENT && before->present);
}

/* Tries until the file stays the same; *seen is how it looked before the last try. */
static enum b10_reason load_current(const struct attempt *attempt, struct look *seen,
                                    struct b10_error *error)
{
    struct b10_error found = ERROR_NONE;
    for (unsigned looks = 0;;) {
        *seen = look_at(attempt);
        if (attempt->load(attempt->user, &found) == B10_REASON_OK)
            return B10_REASON_OK;
        TRY(progress_check(attempt->volume->progress, error));
        if (!may_be_replaced(seen, &found))
            return error_copy(error, &found);
        const struct look now = look_at(attempt);
        if (found.sys_errno != ESTALE && (is_same(seen, &now) || (!seen->present && !now.present)))
            return error_copy(error, &found);
        if (found.sys_errno == ESTALE)
            looks += VOLUME_LOOKS / 2; /* opening it was patient already */
        if (!volume_wait_a_moment(attempt->volume, &looks))
            return error_copy(error, &found);
        log_info(attempt->log, "%s; opening it again", found.message);
    }
}

/* Forgets what this host has cached of the archive, so that the second look asks the volume. */
static void drop_cached_pages(const struct attempt *attempt)
{
    char name[NAMES_SIZE];
    names_archive(name, attempt->key);
    SCOPED(fd)
    int fd = openat(attempt->volume->dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
        log_debug(attempt->log, "cannot drop the cached pages of '%s'", name);
}

/* What a load met may be the local disk's doing: names that differ only in case there, a staging
 * directory that somebody empties. The archive itself is judged without that disk. */
static bool is_damaged_itself(const struct attempt *attempt)
{
    SCOPED(reader) struct reader archive = READER_CLOSED;
    struct b10_error found = ERROR_NONE;
    enum b10_reason reason = names_open_archive(&archive, attempt->volume, attempt->key, &found);
    if (reason == B10_REASON_OK)
        reason = check_archive(&archive, attempt->volume->progress, &found);
    return is_damage(reason);
}

static void set_aside(const struct attempt *attempt, const struct look *judged)
{
    bool done = false;
    struct b10_error error = ERROR_NONE;
    const struct look now = look_at(attempt);
    if (!is_same(judged, &now))
        return;
    if (names_set_aside(attempt->volume, attempt->key, &judged->stat, &done, &error) !=
        B10_REASON_OK) {
        log_warn(attempt->log, "cannot set the damaged archive aside: %s", error.message);
        return;
    }
    if (done) {
        attempt->report->archives_set_aside++;
        log_warn(attempt->log,
                 "the damaged archive of '%s' is set aside; the next save replaces it",
                 attempt->key);
    }
}

/* Damaged twice, and nothing says that another file took the name. But clients keep sizes for about
 * a second (GlusterFS: a new file is "too short"), and pages by name (sshfs: those of a file that
 * was replaced come back): an archive that is intact after that time gets one more try. */
static enum b10_reason conclude(const struct attempt *attempt, const struct look *judged,
                                struct b10_error *damage)
{
    unsigned looks = 0;
    struct look seen;
    struct b10_error again = ERROR_NONE;
    while (volume_wait_a_moment(attempt->volume, &looks)) /* until nothing old is believed */
        continue;
    TRY(progress_check(attempt->volume->progress, damage));
    if (is_damaged_itself(attempt)) {
        set_aside(attempt, judged);
        return (enum b10_reason)damage->code;
    }
    TRY(progress_check(attempt->volume->progress, damage));
    log_warn(attempt->log, "the archive of '%s' itself is intact; trying it once more",
             attempt->key);
    if (load_current(attempt, &seen, &again) == B10_REASON_OK)
        return B10_REASON_OK;
    TRY(progress_check(attempt->volume->progress, damage));
    return (enum b10_reason)damage->code;
}

/* *first, *damage: of the try before. *done false: another file had the name, and it is damaged,
 * too; then they are of that one. */
static enum b10_reason load_again(const struct attempt *attempt, struct look *first,
                                  struct b10_error *damage, bool *done)
{
    struct b10_error again = ERROR_NONE;
    struct look second;
    log_warn(attempt->log, "%s; reading it once more", damage->message);
    drop_cached_pages(attempt);
    const enum b10_reason reason = load_current(attempt, &second, &again);
    *done = true;
    if (reason == B10_REASON_OK)
        return B10_REASON_OK;
    TRY(progress_check(attempt->volume->progress, damage));
    if (!is_damage(reason))
        return (enum b10_reason)damage->code;
    *done = is_same(first, &second);
    if (*done)
        return conclude(attempt, &second, damage);
    *first = second;
    *damage = again;
    return (enum b10_reason)damage->code;
}

enum b10_reason attempt_run(const struct attempt *attempt, struct b10_error *error)
{
    struct b10_error damage = ERROR_NONE;
    struct look seen;
    enum b10_reason reason = load_current(attempt, &seen, &damage);
    bool done = !is_damage(reason) || !seen.present;
    for (int files = 0; !done && files < FILES; files++)
        reason = load_again(attempt, &seen, &damage, &done);
    return reason == B10_REASON_OK ? B10_REASON_OK : error_copy(error, &damage);
}
