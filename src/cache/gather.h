/* What is here to be saved, found beside whatever the volume is asked meanwhile.
 *
 *     begin ──▶ (a thread: scan ──▶ compare) ──▶ wait     the tree is complete
 *                              └── release: nobody wants it any more, and it is stopped
 *
 * On a volume with slow operations a saver's turn takes longer than the local disk. Where the
 * operation has no thread of its own (job.h), whose callbacks must not run on another one, or none can
 * be had, begin does it all.
 * Threads: one at a time. Until wait returns nobody else begins a phase of `progress`, if `compares`.
 */
#ifndef CACHE_GATHER_H
#define CACHE_GATHER_H

#include "cache/scan.h"
#include "par/aside.h"

struct gather {
    const struct settings *settings; /* borrowed, like log and progress */
    struct log *log;
    struct progress *progress;
    bool compares;    /* duplicates are found, too (same.h) */
    struct tree tree; /* owned; complete after wait */
    struct scan_counts scanned;
    struct cancel stop;
    struct aside aside;
};

#define GATHER_NONE                                                                                \
    {                                                                                              \
        .tree = TREE_EMPTY, .aside = ASIDE_NONE                                                    \
    }

/* All borrowed until release; `gather` must not move. Says the phase "scan". */
MUST_CHECK enum b10_reason gather_begin(struct gather *gather, const struct settings *settings,
                                        bool compares, struct log *log, struct progress *progress,
                                        struct b10_error *error);

/* What scan_roots and same_find say; also a second time. */
MUST_CHECK enum b10_reason gather_wait(struct gather *gather, struct b10_error *error);

/* Harmless on GATHER_NONE. */
void gather_release(struct gather *gather);

#endif
