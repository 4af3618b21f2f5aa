/* Tells a process that forked from the one that made something: threads, locks and staging of a
 * parent are not its child's.
 *
 *     init ──▶ check … ──▶ release
 *
 * A page that the kernel empties in a forked child (MADV_WIPEONFORK, Linux 4.14). Where that cannot
 * be had, the process id, which a descendant in another pid namespace may share.
 * Threads: any.
 */
#ifndef BASE_FORKED_H
#define BASE_FORKED_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct fork_mark {
    unsigned char *page; /* owned; NULL: the pid decides */
    pid_t pid;
};

void fork_mark_init(struct fork_mark *mark);
bool fork_mark_crossed(const struct fork_mark *mark);

/* FORKED, naming `what`, in a child of the process that made the mark. */
MUST_CHECK enum b10_reason fork_mark_check(const struct fork_mark *mark, const char *what,
                                           struct b10_error *error);
void fork_mark_release(struct fork_mark *mark);

#endif
