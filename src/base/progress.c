#include "base/progress.h"

#include <stddef.h>

#include "base/clock.h"

static int tell(struct progress *progress, uint32_t is_final)
{
    const struct b10_progress now = {
        .struct_size = (uint32_t)sizeof(now),
        .phase_is_final = is_final,
        .phase = progress->phase != NULL ? progress->phase : "",
        .bytes_done = atomic_load_explicit(&progress->bytes_done, memory_order_relaxed),
        .bytes_total = progress->bytes_total,
        .files_done = atomic_load_explicit(&progress->files_done, memory_order_relaxed),
        .files_total = progress->files_total,
    };
    progress->last_ns = clock_now_ns();
    return progress->fn(progress->user, &now);
}

static enum b10_reason ask(struct progress *progress, struct b10_error *error)
{
    if (tell(progress, 0) != 0)
        return error_set(error, B10_REASON_CANCELLED, "cancelled by the progress callback");
    return B10_REASON_OK;
}

enum b10_reason progress_phase(struct progress *progress, const char *phase, uint64_t bytes_total,
                               uint64_t files_total, struct b10_error *error)
{
    if (progress == NULL)
        return B10_REASON_OK;
    progress->phase = phase;
    progress->bytes_total = bytes_total;
    progress->files_total = files_total;
    atomic_store(&progress->bytes_done, 0);
    atomic_store(&progress->files_done, 0);
    return progress->fn == NULL ? B10_REASON_OK : ask(progress, error);
}

void progress_add(struct progress *progress, uint64_t bytes, uint64_t files)
{
    if (progress == NULL)
        return;
    atomic_fetch_add_explicit(&progress->bytes_done, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&progress->files_done, files, memory_order_relaxed);
}

enum b10_reason progress_tick(struct progress *progress, struct b10_error *error)
{
    const uint64_t interval_ns = (uint64_t)PROGRESS_INTERVAL_MS * 1000000U;
    if (progress == NULL || progress->fn == NULL ||
        clock_now_ns() - progress->last_ns < interval_ns)
        return B10_REASON_OK;
    return ask(progress, error);
}

void progress_final(struct progress *progress)
{
    if (progress != NULL && progress->fn != NULL)
        (void)tell(progress, 1);
}
