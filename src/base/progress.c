#include "base/progress.h"

#include <stddef.h>

#include "base/clock.h"

void progress_read(const struct progress *progress, struct b10_progress *now)
{
    const char *phase = atomic_load(&progress->phase);
    *now = (struct b10_progress){
        .struct_size = (uint32_t)sizeof(*now),
        .phase = phase != NULL ? phase : "",
        .bytes_done = atomic_load_explicit(&progress->bytes_done, memory_order_relaxed),
        .bytes_total = atomic_load_explicit(&progress->bytes_total, memory_order_relaxed),
        .files_done = atomic_load_explicit(&progress->files_done, memory_order_relaxed),
        .files_total = atomic_load_explicit(&progress->files_total, memory_order_relaxed),
    };
}

static int tell(struct progress *progress, uint32_t is_final)
{
    struct b10_progress now;
    progress_read(progress, &now);
    now.phase_is_final = is_final;
    progress->last_ns = clock_now_ns();
    return progress->fn(progress->user, &now);
}

static enum b10_reason ask(struct progress *progress, struct b10_error *error)
{
    struct b10_error why = ERROR_NONE;
    if (tell(progress, 0) == 0)
        return progress_check(progress, error);
    TRY(progress_check(progress, error)); /* whoever handed over may have given up */
    error_set(&why, B10_REASON_CANCELLED, "cancelled by the progress callback");
    if (progress->stop != NULL)
        cancel_trip(progress->stop, &why);
    return error_copy(error, &why);
}

enum b10_reason progress_phase(struct progress *progress, const char *phase, uint64_t bytes_total,
                               uint64_t files_total, struct b10_error *error)
{
    if (progress == NULL)
        return B10_REASON_OK;
    TRY(progress_check(progress, error));
    atomic_store(&progress->phase, phase);
    atomic_store(&progress->bytes_total, bytes_total);
    atomic_store(&progress->files_total, files_total);
    atomic_store(&progress->bytes_done, 0);
    atomic_store(&progress->files_done, 0);
    progress_moved(progress);
    return progress->fn == NULL ? B10_REASON_OK : ask(progress, error);
}

void progress_add(struct progress *progress, uint64_t bytes, uint64_t files)
{
    if (progress == NULL)
        return;
    atomic_fetch_add_explicit(&progress->bytes_done, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&progress->files_done, files, memory_order_relaxed);
    progress_moved(progress);
}

void progress_moved(struct progress *progress)
{
    if (progress != NULL)
        atomic_fetch_add_explicit(&progress->moves, 1, memory_order_relaxed);
}

void progress_thread(struct progress *progress, int change)
{
    if (progress != NULL)
        atomic_fetch_add(&progress->threads, (unsigned)change);
}

void progress_limit(struct progress *progress, unsigned limit_s)
{
    if (progress != NULL)
        atomic_store(&progress->limit_s, limit_s);
}

enum b10_reason progress_check(const struct progress *progress, struct b10_error *error)
{
    return progress == NULL ? B10_REASON_OK : cancel_check(progress->stop, error);
}

enum b10_reason progress_step(struct progress *progress, struct b10_error *error)
{
    progress_moved(progress);
    return progress_check(progress, error);
}

enum b10_reason progress_tick(struct progress *progress, struct b10_error *error)
{
    const uint64_t interval_ns = (uint64_t)PROGRESS_INTERVAL_MS * 1000000U;
    if (progress == NULL)
        return B10_REASON_OK;
    if (progress->fn == NULL || progress->handed_over ||
        clock_now_ns() - progress->last_ns < interval_ns)
        return progress_check(progress, error);
    return ask(progress, error);
}

void progress_final(struct progress *progress)
{
    if (progress != NULL && progress->fn != NULL)
        (void)tell(progress, 1);
}
