/* A child process in which a test may break things: system calls refused, mounts of its own,
 * another user.
 *
 *     static void renames_without_renameat2(void *context) { sandbox_deny(ENOSYS, SYS_renameat2); CHECK(…); }
 *     …
 *     sandbox_run(renames_without_renameat2, scratch);
 *
 * CHECK in there ends the child, and sandbox_run fails the test; so do cmocka's assertions, which
 * abort the child. Threads: none yet when it is called.
 */
#ifndef SUPPORT_SANDBOX_H
#define SUPPORT_SANDBOX_H

#include <sys/types.h>

#include "support/scratch.h"

/* Runs `fn` in a forked child. Fails the test if a CHECK failed or the child died; skips it,
 * printing the reason, after sandbox_skip(). */
void sandbox_run(void (*fn)(void *context), void *context);

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            sandbox_fail(__FILE__, __LINE__, #condition);                                          \
    } while (0)

/* The same for a child that is meant to be killed; returns the signal, 0 if it was not. */
int sandbox_signal(void (*fn)(void *context), void *context);

_Noreturn void sandbox_fail(const char *file, int line, const char *condition);
_Noreturn void sandbox_skip(const char *reason);

/* From now on system call `number` fails with `answer`. Several may be denied, one call each. */
void sandbox_deny(int answer, long number);

/* The same, only when argument `index` equals `value`. */
void sandbox_deny_argument(int answer, long number, unsigned index, unsigned value);

/* From now on system call `number` kills the process with SIGSYS. */
void sandbox_kill(long number);

/* A mount namespace of its own, nothing propagates; the scratch directory is opened again in it.
 * Skips the test without root. */
void sandbox_private_mounts(struct scratch *scratch);

/* tmpfs over the directory `path`, e.g. "size=64k,nr_inodes=16". Needs sandbox_private_mounts(). */
void sandbox_tmpfs(const char *path, const char *options);

/* `what` again at `path` (bind mount). */
void sandbox_bind(const char *what, const char *path);

/* From now on the mount that `path` is the root of refuses writing. */
void sandbox_read_only(const char *path);

/* Continues as user and group `id`, for good. Needs root. */
void sandbox_become(uid_t id);

/* Continues as user and group 65534. Does nothing if it is not root already. */
void sandbox_drop_root(void);

#endif
