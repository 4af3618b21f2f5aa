/* Linked in the place of what makes a call of the library safe on a shared volume (--wrap): without it an operation runs
 * on the caller's thread, holds no lock, and nobody watches over the space. What remains is the copying itself. */
#include <errno.h>

#include "cache/watchdog.h"
#include "fs/lockfile.h"
#include "par/job.h"

enum b10_reason __wrap_job_run(const struct job_task *task, void *state,
                               const struct job_listener *listener, const char *object,
                               unsigned *left, struct b10_error *error);
enum b10_reason __wrap_watchdog_start(struct watchdog **out, const struct watchdog_ward *ward,
                                      struct log *log, struct progress *progress,
                                      struct b10_error *error);
enum b10_reason __wrap_lockfile_acquire(struct lockfile *lock, int dirfd, const char *stem,
                                        const struct process *self, unsigned timeout_ms,
                                        struct progress *progress, struct b10_error *error);

enum b10_reason __wrap_job_run(const struct job_task *task, void *state,
                               const struct job_listener *listener, const char *object,
                               unsigned *left, struct b10_error *error)
{
    struct cancel stop = CANCEL_CLEAR;
    struct log log = {.fn = NULL};
    struct progress progress = {.handed_over = true, .stop = &stop};
    (void)listener, (void)object;
    *left = 0;
    return task->run(state, &log, &progress, error);
}

enum b10_reason __wrap_watchdog_start(struct watchdog **out, const struct watchdog_ward *ward,
                                      struct log *log, struct progress *progress,
                                      struct b10_error *error)
{
    (void)ward, (void)log, (void)progress, (void)error;
    *out = NULL;
    return B10_REASON_OK;
}

enum b10_reason __wrap_lockfile_acquire(struct lockfile *lock, int dirfd, const char *stem,
                                        const struct process *self, unsigned timeout_ms,
                                        struct progress *progress, struct b10_error *error)
{
    (void)dirfd, (void)stem, (void)self, (void)timeout_ms, (void)progress, (void)error;
    *lock = (struct lockfile)LOCKFILE_NONE;
    lock->refused = ENOSYS;
    return B10_REASON_OK;
}
