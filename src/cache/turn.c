#include "cache/turn.h"

#include "base/clock.h"
#include "base/pause.h"
#include "cache/sweep.h"

enum {
    TRIES_MS = 1000,   /* for a place among the savers */
    TRY_AGAIN_MS = 100 /* at least; at most three times as long */
};

static unsigned timeout_ms(const struct turn *turn)
{
    return turn->others.settings->lock_timeout_s * 1000;
}

/* Savers that met once should not meet again. */
static unsigned some_time_ms(void)
{
    return TRY_AGAIN_MS + random_below(2 * TRY_AGAIN_MS);
}

static enum b10_reason acquire(struct turn *turn, struct b10_error *error)
{
    const struct others *others = &turn->others;
    TRY(lockfile_acquire(&turn->lock, others->volume->dirfd, others->key, &turn->self,
                         timeout_ms(turn), others->progress, error));
    if (!lockfile_is_held(&turn->lock)) {
        struct b10_error why = ERROR_NONE;
        error_errno(&why, turn->lock.refused, "cannot lock '%s/%s'; saving without a lock",
                    others->volume->path, turn->lock.name);
        log_info(others->log, "%s", why.message);
    }
    return B10_REASON_OK;
}

/* Count after locking: of two who come at once each sees the other. */
static enum b10_reason try_place(struct turn *turn, bool *is_reached, struct b10_error *error)
{
    *is_reached = false;
    TRY(acquire(turn, error));
    TRY(others_list(&turn->others, error));
    if (!lockfile_is_held(&turn->lock))
        return B10_REASON_OK; /* who cannot be counted need not count */
    return others_limit_reached(&turn->others, turn->others.settings->max_concurrent_saves,
                                is_reached, error);
}

static enum b10_reason take_place(struct turn *turn, struct b10_error *error)
{
    const uint64_t began_ns = clock_now_ns();
    const struct others *others = &turn->others;
    for (;;) {
        bool is_reached;
        TRY(try_place(turn, &is_reached, error));
        if (!is_reached)
            return B10_REASON_OK;
        lockfile_release(&turn->lock);
        const unsigned ms = some_time_ms();
        if (clock_now_ns() - began_ns + (uint64_t)ms * 1000000 > (uint64_t)TRIES_MS * 1000000)
            return error_set(error, B10_REASON_BUSY,
                             "MAX_CONCURRENT_SAVES=%u savers are active in '%s'",
                             others->settings->max_concurrent_saves, others->volume->path);
        pause_ms(ms);
        TRY(progress_step(others->progress, error));
    }
}

enum b10_reason turn_take(struct turn *turn, const struct volume *volume, const char *key,
                          const struct settings *settings, struct log *log, struct b10_error *error)
{
    *turn = (struct turn)TURN_NONE;
    process_self(&turn->self);
    observed_read(&turn->observed, settings->temporary_dir, volume->path, &turn->self);
    turn->others = (struct others){.volume = volume,
                                   .settings = settings,
                                   .key = key,
                                   .self = &turn->self,
                                   .log = log,
                                   .progress = volume->progress,
                                   .observed = &turn->observed};
    enum b10_reason reason = take_place(turn, error);
    if (reason == B10_REASON_BUSY)
        observed_write(&turn->observed, false); /* the next one knows more about the dead */
    return reason;
}

enum b10_reason turn_tidy(struct turn *turn, struct b10_error *error)
{
    return sweep_volume(&turn->others, &turn->lock, error);
}

unsigned turn_beat_ms(const struct turn *turn)
{
    return lockfile_beat_ms(timeout_ms(turn));
}

enum b10_reason turn_beat(void *user, struct b10_error *error)
{
    struct turn *turn = user;
    return lockfile_beat(&turn->lock, error);
}

enum b10_reason turn_confirm(struct turn *turn, struct b10_error *error)
{
    return lockfile_still_ours(&turn->lock, turn->others.progress, error);
}

void turn_release(struct turn *turn)
{
    lockfile_release(&turn->lock);
    others_release(&turn->others);
    observed_release(&turn->observed);
}

void turn_guard(struct turn *turn)
{
    turn_release(turn);
}
