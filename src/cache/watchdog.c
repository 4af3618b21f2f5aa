#include "cache/watchdog.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/guard.h"
#include "fs/space.h"
#include "par/ticker.h"

struct watchdog {
    struct watchdog_ward ward;
    struct progress *progress;
    struct ticker *ticker; /* owned */
    uint64_t beaten_ns;    /* when the lock last got its heartbeat */
};

static void stop_operation(struct watchdog *watchdog, enum b10_reason reason, struct b10_error *why)
{
    error_complete(why, reason);
    cancel_trip(watchdog->progress->stop, why);
}

static void look_at_space(struct watchdog *watchdog)
{
    const struct watchdog_ward *ward = &watchdog->ward;
    for (size_t i = 0; i < ward->fd_count; i++) {
        struct b10_error why = ERROR_NONE;
        enum b10_reason reason = B10_REASON_OK;
        if (ward->fds[i] >= 0)
            reason = space_require(ward->fds[i], ward->name, 0, 1, ward->floor_bytes, &why);
        if (reason == B10_REASON_NO_SPACE) /* a failed statvfs is not yet a full disk */
            stop_operation(watchdog, reason, &why);
    }
}

static void beat(struct watchdog *watchdog)
{
    const struct watchdog_ward *ward = &watchdog->ward;
    struct b10_error why = ERROR_NONE;
    const uint64_t now_ns = clock_now_ns();
    if (ward->beat == NULL ||
        now_ns - watchdog->beaten_ns < (uint64_t)ward->beat_ms * UINT64_C(1000000))
        return;
    watchdog->beaten_ns = now_ns;
    const enum b10_reason reason = ward->beat(ward->beat_user, &why);
    if (reason != B10_REASON_OK)
        stop_operation(watchdog, reason, &why);
}

/* Whoever has stopped writes no more, not even a heartbeat. */
static void tick(void *user)
{
    struct watchdog *watchdog = user;
    if (cancel_tripped(watchdog->progress->stop))
        return;
    look_at_space(watchdog);
    beat(watchdog);
}

static unsigned interval_ms(const struct watchdog_ward *ward)
{
    return ward->beat != NULL && ward->beat_ms < WATCHDOG_INTERVAL_MS ? ward->beat_ms
                                                                      : WATCHDOG_INTERVAL_MS;
}

enum b10_reason watchdog_start(struct watchdog **out, const struct watchdog_ward *ward,
                               struct log *log, struct progress *progress, struct b10_error *error)
{
    struct b10_error problem = ERROR_NONE;
    *out = NULL;
    if (progress == NULL || progress->stop == NULL)
        return B10_REASON_OK; /* nobody could be told */
    SCOPED(watchdog) struct watchdog *watchdog = calloc(1, sizeof(*watchdog));
    if (watchdog == NULL)
        return error_no_memory(error);
    watchdog->ward = *ward;
    watchdog->progress = progress;
    watchdog->beaten_ns = clock_now_ns();
    if (ticker_start(&watchdog->ticker, interval_ms(ward), tick, watchdog, progress, &problem) !=
        B10_REASON_OK)
        log_warn(log, "nobody watches over '%s': %s", ward->name, problem.message);
    *out = HEAP_TAKE(watchdog);
    return B10_REASON_OK;
}

void watchdog_stop(struct watchdog *watchdog)
{
    if (watchdog == NULL)
        return;
    ticker_stop(watchdog->ticker);
    free(watchdog);
}

void watchdog_guard(struct watchdog **watchdog)
{
    watchdog_stop(*watchdog);
    *watchdog = NULL;
}
