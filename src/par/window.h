/* Results that finish in any order leave in order.
 *
 *     put(seq) by any worker ──▶ [ waits here while it is too far ahead ] ──▶ consume(seq), consume(seq + 1), …
 *
 * The worker that brings the missing piece consumes it and everything after it that is ready;
 * meanwhile the others go on. consume is therefore called by one thread at a time, in order,
 * without the lock held. A worker more than `depth` pieces ahead waits, which bounds memory. Nobody
 * waits for ever: the piece that is next was taken by a worker that never waits here (tasks are
 * taken in order), and when the stop sign is up all waiting ends with CANCELLED (waiters look at it
 * every 20 ms, so whoever trips it need not know of this window).
 * Threads: put any; init and release one.
 */
#ifndef PAR_WINDOW_H
#define PAR_WINDOW_H

#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"

/* Takes over `item` (must release it, also when failing). */
typedef enum b10_reason (*window_consume_fn)(void *user, uint64_t sequence, void *item,
                                             struct b10_error *error);
typedef void (*window_discard_fn)(void *user, void *item);

struct window; /* opaque */

/* `cancel` is borrowed for the window's life. */
MUST_CHECK enum b10_reason window_new(struct window **out, size_t depth, window_consume_fn consume,
                                      window_discard_fn discard, void *user, struct cancel *cancel,
                                      struct b10_error *error);

/* Takes `item` (also when it fails: it is discarded). Every sequence number from 0 on must be put
 * exactly once; an item may be NULL ("nothing here"), which is passed to consume all the same. */
MUST_CHECK enum b10_reason window_put(struct window *window, uint64_t sequence, void *item,
                                      struct b10_error *error);

/* Discards what is still held. NULL is fine. */
void window_free(struct window *window);
void window_guard(struct window **window);

#endif
