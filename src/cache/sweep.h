/* Removes from the shared directory what dead savers left there.
 *
 *     .KEY.<32 hex>.tmp                       of the key whose lock we hold: at once; else when old
 *     .KEY.<32 hex>.lock-new, …lock-old       when its process ran here and is dead, or when old
 *     .KEY.lock                               of other keys: when dead (others.h)
 *     .KEY.<32 hex>.bad                       when old, and another one of that key stays
 *     .KEY.suspect-<16 hex>-<8 hex>           when old, and its archive is gone or replaced
 *
 * Old: nothing about it has changed for CLEANUP_INCOMPLETE_TIMEOUT_SECONDS as this host observed it
 * (observed.h). The temporary files of a key whose lock stands there are its saver's. Only exact
 * forms, and only files as we make them, are touched.
 *
 * One sweep takes at most SWEEP_MS and looks at SWEEP_MOST names, beginning at a random one, so that
 * each gets its turn: the rest is for the next save. What cannot be removed is left.
 * Threads: one at a time.
 */
#ifndef CACHE_SWEEP_H
#define CACHE_SWEEP_H

#include "cache/others.h"

enum { SWEEP_MS = 1000, SWEEP_MOST = 200 };

/* `lock` is our own, of others->key; where it is not held that key's files are anybody's. The names
 * were listed since it was acquired. Fails only when the operation must stop. */
MUST_CHECK enum b10_reason sweep_volume(struct others *others, struct lockfile *lock,
                                        struct b10_error *error);

#endif
