/* One function called every so often on a thread of its own.
 *
 *     start ──▶ tick, tick, … ──▶ stop     joins; a tick under way is waited for
 *
 * Ticks never overlap; one that takes longer than the interval delays the next.
 * Threads: start and stop one.
 */
#ifndef PAR_TICKER_H
#define PAR_TICKER_H

#include "base/error.h"
#include "base/progress.h"

struct ticker; /* opaque */

/* `user` is borrowed until stop. The thread counts among those of `progress` (NULL allowed).
 * NO_MEMORY where no thread can be had. */
MUST_CHECK enum b10_reason ticker_start(struct ticker **out, unsigned interval_ms,
                                        void (*tick)(void *user), void *user,
                                        struct progress *progress, struct b10_error *error);
void ticker_stop(struct ticker *ticker); /* NULL is fine */
void ticker_guard(struct ticker **ticker);

#endif
