/* One archive, tried until it is loaded or known not to be loadable.
 *
 *     try ──▶ loaded
 *      ├── failed, and another file has its name by now ──▶ try again, a moment later (volume.h)
 *      └── damaged ──▶ cached pages dropped, tried again ──▶ loaded, or damaged again:
 *                      judged without the local disk ──▶ set aside; intact: one last try
 *
 * Damage is believed only when it is seen twice through two separate opens of one and the same
 * file: a replica with a passing fault neither destroys a good archive nor starts cold because of
 * it. A volume may show the new file through the old descriptor (FUSE file systems have one node a
 * path), so "the same" means device, inode, size, mtime and ctime before, between and after.
 * Threads: one at a time.
 */
#ifndef CACHE_ATTEMPT_H
#define CACHE_ATTEMPT_H

#include "base/log.h"
#include "cache/names.h"

struct attempt {
    const struct volume *volume; /* borrowed, as all of it */
    const char *key;
    struct log *log;
    struct b10_report *report; /* archives_set_aside is counted */
    /* opens the archive of `key` and loads it */
    enum b10_reason (*load)(void *user, struct b10_error *error);
    void *user;
};

/* OK: loaded. Otherwise the reason of the first try at the file that has the name. */
MUST_CHECK enum b10_reason attempt_run(const struct attempt *attempt, struct b10_error *error);

#endif
