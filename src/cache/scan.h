/* Local directories → tree: what a save would pack, root by root.
 *
 * A further root nested in another root's directory is packed under its own name only. Names that
 * break the format's limits and symlinks that leave their root are left out and counted; an
 * absolute symlink into its own root is kept (pack stores it relative).
 * Threads: any.
 */
#ifndef CACHE_SCAN_H
#define CACHE_SCAN_H

#include "archive/tree.h"
#include "base/cancel.h"
#include "base/progress.h"
#include "settings/config.h"

struct scan_counts {
    uint64_t left_out_changed; /* vanished or unreadable while scanning */
    uint64_t left_out_unsafe;
    uint64_t roots_left_out; /* further roots that could not be read: one warning each */
};

/* The main root holds a file (or symlink) that a save would pack; stops at the first. Absent
 * directory: false. */
MUST_CHECK enum b10_reason scan_has_files(const struct settings *settings, bool *found,
                                          struct progress *progress, struct b10_error *error);

/* Everything, main root first, then further roots by name. NOTHING_LOCAL when the main root holds
 * no file. `cancel` (NULL: nothing) stops it. */
MUST_CHECK enum b10_reason scan_roots(const struct settings *settings, struct tree *tree,
                                      struct scan_counts *counts, struct log *log,
                                      const struct cancel *cancel, struct progress *progress,
                                      struct b10_error *error);

/* Files and bytes of the main root and what lies inside it (further roots nested in it included),
 * for get_cache_info. */
MUST_CHECK enum b10_reason scan_measure(const struct settings *settings, uint64_t *files,
                                        uint64_t *bytes, struct progress *progress,
                                        struct b10_error *error);

/* What tells that somebody writes: counts, sizes and times of everything that a save would pack. */
struct scan_activity {
    uint64_t entries; /* directories too */
    uint64_t bytes;
    int64_t newest_ns; /* of the modification times, since the epoch */
};

/* The main root and what lies inside it, and the further roots outside it; one that is not there or
 * cannot be read counts as empty. */
MUST_CHECK enum b10_reason scan_look(const struct settings *settings,
                                     struct scan_activity *activity, struct progress *progress,
                                     struct b10_error *error);

#endif
