/* Where a load unpacks: beside the destinations, on their own mounts, invisible until the commit.
 *
 *     sweep ──▶ begin ──▶ (unpack into the root descriptors) ──▶ commit     moved in by install.h
 *                  └────────────┴────────────────────────────▶ discard    removed, nothing left; harmless at any time
 *
 * A holder directory `.b10transfer-staging-<token>` (0700, flock'ed while its maker lives) stands
 * in LOCAL_WORK_DIR or beside the destination if renaming an empty probe directory from there to
 * the destination's place works, else inside the destination (from beside a mount point everything
 * is EXDEV). Inside it is one directory per root, named as the root; a root whose destination lies
 * inside another's joins that one's tree at the commit. The kernel drops the flock when the maker
 * dies, so dead staging is what can be locked; sweep removes it.
 * Threads: one at a time (unpack's workers only use the root descriptors).
 */
#ifndef CACHE_STAGING_H
#define CACHE_STAGING_H

#include "archive/manifest.h"
#include "cache/install.h"
#include "cache/prefixes.h"
#include "settings/config.h"

struct staging; /* opaque */

/* Removes staging of dead processes from the places where staging for these settings would stand.
 * Failures are only logged. */
void staging_sweep(const struct settings *settings, struct log *log);

/* Makes holders and root directories for every manifest root that has a destination here. Missing
 * parents of destinations are created (and removed again by discard). NO_SPACE, DENIED, IO. */
MUST_CHECK enum b10_reason staging_begin(struct staging **out, const struct settings *settings,
                                         const struct manifest *manifest, struct log *log,
                                         struct b10_error *error);

/* For unpack: descriptor per manifest root, -1 where a root has no destination here. Borrowed. */
const int *staging_root_fds(const struct staging *staging);

/* Where the manifest's root `index` lies now and where it will be installed; fd -1 where it is left
 * out. Borrowed. */
struct relocate_place staging_place(const struct staging *staging, size_t index);

/* Roots left out because they have no destination here or theirs cannot be written, or because they
 * are valid only where they were built and that is elsewhere (auto_root.h). */
uint64_t staging_roots_left_out(const struct staging *staging);

/* Installs: further roots outside the main root first, merged; then the main root with the roots
 * nested in it. Main root last, because its appearance is what a server acts on. */
MUST_CHECK enum b10_reason staging_commit(struct staging *staging, struct log *log,
                                          struct install *install, struct b10_error *error);

/* Removes what was not committed. NULL is fine. */
void staging_free(struct staging *staging);
void staging_guard(struct staging **staging);

#endif
