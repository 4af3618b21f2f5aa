/* A private directory that lives as long as its maker, for what is on its way in or out of place.
 *
 *     make ──▶ (fill, rename in or out) ──▶ release    removed with what is left in it
 *       └── maker dies ──▶ the kernel drops its flock ──▶ swept by the next operation
 *
 * Named `.b10transfer-staging-<token>`, 0700, flock'ed while its maker lives: dead is what can be
 * locked. A sweep touches only what its own user owns, because a place like /tmp is everybody's.
 * Threads: one at a time per holder.
 */
#ifndef CACHE_HOLDER_H
#define CACHE_HOLDER_H

#include "base/log.h"
#include "base/random.h"
#include "cache/exclude.h"

enum { HOLDER_NAME_SIZE = sizeof(EXCLUDE_STAGING_PREFIX) + TOKEN_TEXT_SIZE };

struct holder {
    int place;  /* owned: directory that the holder stands in */
    int fd;     /* owned: the holder, flock'ed */
    char *path; /* owned: absolute */
    char name[HOLDER_NAME_SIZE];
};

#define HOLDER_NONE                                                                                \
    {                                                                                              \
        .place = -1, .fd = -1                                                                      \
    }

/* Makes and locks a holder in the directory `place` (absolute). */
MUST_CHECK enum b10_reason holder_make(struct holder *holder, const char *place,
                                       struct b10_error *error);

/* Whether a directory made in the holder can be renamed into the directory `target`: tried with an
 * empty one. IO or DENIED if not (another mount, an overlay's lower layer, no permission). */
MUST_CHECK enum b10_reason holder_reaches(const struct holder *holder, const char *target,
                                          struct b10_error *error);

/* Removes the holder and what is in it; harmless on HOLDER_NONE, also twice. */
void holder_release(struct holder *holder);
void holder_guard(struct holder *holder);

/* Removes the holders of dead processes from the directory `place`, as far as it can. */
void holder_sweep(const char *place, struct log *log);

#endif
