#include "par/window.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/guard.h"
#include "par/monotonic.h"

enum { POLL_MS = 20 };

struct slot {
    void *item;
    bool full;
};

struct window {
    size_t depth;
    window_consume_fn consume;
    window_discard_fn discard;
    void *user;
    struct cancel *cancel; /* borrowed */
    pthread_mutex_t lock;
    pthread_cond_t moved; /* `next` has, or everything has failed */
    uint64_t next;        /* to be consumed */
    bool consuming;       /* a worker is at it and will look again before it leaves */
    bool failed;          /* consume did; nothing is consumed any more */
    struct slot slots[];  /* sequence modulo depth */
};

enum b10_reason window_new(struct window **out, size_t depth, window_consume_fn consume,
                           window_discard_fn discard, void *user, struct cancel *cancel,
                           struct b10_error *error)
{
    *out = NULL;
    if (depth == 0)
        depth = 1;
    SCOPED(heap) struct window *window = calloc(1, sizeof(*window) + depth * sizeof(struct slot));
    if (window == NULL || !monotonic_cond_init(&window->moved))
        return error_no_memory(error);
    if (pthread_mutex_init(&window->lock, NULL) != 0) {
        pthread_cond_destroy(&window->moved);
        return error_no_memory(error);
    }
    window->depth = depth;
    window->consume = consume;
    window->discard = discard;
    window->user = user;
    window->cancel = cancel;
    *out = HEAP_TAKE(window);
    return B10_REASON_OK;
}

static struct slot *slot_of(struct window *window, uint64_t sequence)
{
    return &window->slots[sequence % window->depth];
}

static bool stopped(const struct window *window)
{
    return window->failed || cancel_tripped(window->cancel);
}

/* Under the lock. */
static void wait_a_little(struct window *window)
{
    struct timespec until = monotonic_after_ms(POLL_MS);
    (void)pthread_cond_timedwait(&window->moved, &window->lock, &until);
}

/* Under the lock, which is open while consume runs. Order holds because `consuming` keeps everyone
 * else out of here, and because `next` moves only when its piece has been consumed: until then its
 * slot cannot be taken again. */
static enum b10_reason consume_ready(struct window *window, struct b10_error *error)
{
    struct b10_error failure = ERROR_NONE;
    enum b10_reason reason = B10_REASON_OK;
    window->consuming = true;
    while (reason == B10_REASON_OK && slot_of(window, window->next)->full && !stopped(window)) {
        struct slot *slot = slot_of(window, window->next);
        uint64_t sequence = window->next;
        void *item = slot->item;
        *slot = (struct slot){0};
        pthread_mutex_unlock(&window->lock);
        reason = window->consume(window->user, sequence, item, &failure);
        pthread_mutex_lock(&window->lock);
        window->next++;
        if (reason != B10_REASON_OK) {
            window->failed = true;
            error_complete(&failure, reason);
            cancel_trip(window->cancel, &failure);
        }
        pthread_cond_broadcast(&window->moved);
    }
    window->consuming = false;
    return reason == B10_REASON_OK ? B10_REASON_OK : error_copy(error, &failure);
}

enum b10_reason window_put(struct window *window, uint64_t sequence, void *item,
                           struct b10_error *error)
{
    enum b10_reason reason = B10_REASON_OK;
    pthread_mutex_lock(&window->lock);
    assert(sequence >= window->next); /* once each */
    while (!stopped(window) && sequence - window->next >= window->depth)
        wait_a_little(window);
    bool refused = stopped(window);
    if (!refused) {
        *slot_of(window, sequence) = (struct slot){.item = item, .full = true};
        if (!window->consuming)
            reason = consume_ready(window, error);
    }
    pthread_mutex_unlock(&window->lock);
    if (!refused)
        return reason;
    if (item != NULL)
        window->discard(window->user, item);
    return error_set(error, B10_REASON_CANCELLED, "cancelled");
}

void window_free(struct window *window)
{
    if (window == NULL)
        return;
    for (size_t i = 0; i < window->depth; i++) {
        if (window->slots[i].full && window->slots[i].item != NULL)
            window->discard(window->user, window->slots[i].item);
    }
    pthread_mutex_destroy(&window->lock);
    pthread_cond_destroy(&window->moved);
    free(window);
}

void window_guard(struct window **window)
{
    window_free(*window);
    *window = NULL;
}
