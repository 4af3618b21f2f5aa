#include "par/ticker.h"

#include <errno.h>
#include <stdlib.h>

#include "par/monotonic.h"
#include "par/thread.h"

struct ticker {
    void (*tick)(void *user);
    void *user;
    struct progress *progress;
    unsigned interval_ms;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool stopped;
};

/* True until it is to stop. */
static bool wait_interval(struct ticker *ticker)
{
    const struct timespec until = monotonic_after_ms(ticker->interval_ms);
    int ended = 0;
    pthread_mutex_lock(&ticker->lock);
    while (!ticker->stopped && ended != ETIMEDOUT)
        ended = pthread_cond_timedwait(&ticker->moved, &ticker->lock, &until);
    const bool goes_on = !ticker->stopped;
    pthread_mutex_unlock(&ticker->lock);
    return goes_on;
}

static void *run(void *argument)
{
    struct ticker *ticker = argument;
    progress_thread(ticker->progress, 1);
    while (wait_interval(ticker))
        ticker->tick(ticker->user);
    progress_thread(ticker->progress, -1);
    return NULL;
}

static bool locks_init(struct ticker *ticker)
{
    if (pthread_mutex_init(&ticker->lock, NULL) != 0)
        return false;
    if (monotonic_cond_init(&ticker->moved))
        return true;
    pthread_mutex_destroy(&ticker->lock);
    return false;
}

static void ticker_free(struct ticker *ticker)
{
    pthread_cond_destroy(&ticker->moved);
    pthread_mutex_destroy(&ticker->lock);
    free(ticker);
}

enum b10_reason ticker_start(struct ticker **out, unsigned interval_ms, void (*tick)(void *user),
                             void *user, struct progress *progress, struct b10_error *error)
{
    struct ticker *ticker = calloc(1, sizeof(*ticker));
    *out = NULL;
    if (ticker == NULL || !locks_init(ticker)) {
        free(ticker);
        return error_no_memory(error);
    }
    ticker->tick = tick;
    ticker->user = user;
    ticker->progress = progress;
    ticker->interval_ms = interval_ms;
    if (!thread_start(&ticker->thread, run, ticker)) {
        ticker_free(ticker);
        return error_set(error, B10_REASON_NO_MEMORY, "no thread can be started");
    }
    *out = ticker;
    return B10_REASON_OK;
}

void ticker_stop(struct ticker *ticker)
{
    if (ticker == NULL)
        return;
    pthread_mutex_lock(&ticker->lock);
    ticker->stopped = true;
    pthread_cond_signal(&ticker->moved);
    pthread_mutex_unlock(&ticker->lock);
    pthread_join(ticker->thread, NULL);
    ticker_free(ticker);
}

void ticker_guard(struct ticker **ticker)
{
    ticker_stop(*ticker);
    *ticker = NULL;
}
