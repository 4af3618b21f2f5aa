/* One function on a thread of its own, which others may wait for.
 *
 *     start ──▶ is_done … wait ──▶ free     joins
 *
 * The function must end by itself; free waits for it. In a forked child the thread does not exist:
 * nothing but abandon may be called there.
 * Threads: is_done and wait any.
 */
#ifndef PAR_BACKGROUND_H
#define PAR_BACKGROUND_H

#include <stdbool.h>

#include "base/error.h"

struct background; /* opaque */

MUST_CHECK enum b10_reason background_start(struct background **out, void (*run)(void *user),
                                            void *user, struct b10_error *error);
bool background_is_done(struct background *background);
void background_wait(struct background *background);
void background_free(struct background *background); /* NULL is fine */

/* Frees the memory alone, in a forked child. */
void background_abandon(struct background *background);

#endif
