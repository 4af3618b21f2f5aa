/* Marks of archives that are intact and whose content makes a server die.
 *
 *     server dies before it is ready after a load, and becomes ready without the cache
 *       ──▶ suspect_mark: .KEY.suspect-TOKEN-BOOT on the volume, empty
 *     two that mean one archive, from different boots ──▶ suspect_is_marked: no load takes it, the next
 *       save replaces it ──▶ suspect_forget
 *
 * One mark is one host's word, and that host may be the one that is broken. A mark names the archive
 * by its token, so that one that was replaced meanwhile is judged afresh; but it means every archive,
 * too, that a merge made by adding to that one, because what servers died of is in it.
 * Threads: any.
 */
#ifndef CACHE_SUSPECT_H
#define CACHE_SUSPECT_H

#include "archive/manifest.h"
#include "cache/names.h"
#include "fs/dirs.h"

enum { SUSPECT_BOOTS = 2 }; /* whose word is believed together */

/* Leaves this boot's mark; one that is there already is fine. DENIED, NO_SPACE, IO. */
MUST_CHECK enum b10_reason suspect_mark(const struct volume *volume, const char *key,
                                        const char *token, struct b10_error *error);

/* *marked: enough boots left one that means this archive of `key`. A directory that can be opened but not
 * listed has no marks. */
MUST_CHECK enum b10_reason suspect_is_marked(const struct volume *volume, const char *key,
                                             const struct manifest *manifest, bool *marked,
                                             struct b10_error *error);

/* Removes those of `names`, as listed on the volume, that are marks of `key` and do not mean this
 * archive of it, as far as it can. */
void suspect_forget(const struct volume *volume, const struct dirs_names *names, const char *key,
                    const struct manifest *manifest);

#endif
