#include "server/settle.h"

#include "base/clock.h"
#include "base/pause.h"

enum { STEP_MS = 100, SCAN_SHARE = 4 };

static uint64_t seconds(unsigned count)
{
    return count * UINT64_C(1000000000);
}

static bool is_same(const struct scan_activity *a, const struct scan_activity *b)
{
    return a->entries == b->entries && a->bytes == b->bytes && a->newest_ns == b->newest_ns;
}

static enum b10_reason rest(uint64_t scan_ns, struct progress *progress, struct b10_error *error)
{
    const uint64_t least_ns = SETTLE_INTERVAL_MS * UINT64_C(1000000);
    const uint64_t share_ns = scan_ns * SCAN_SHARE;
    const uint64_t until_ns = clock_now_ns() + (share_ns > least_ns ? share_ns : least_ns);
    while (clock_now_ns() < until_ns) {
        progress_moved(progress);
        TRY(progress_tick(progress, error));
        pause_ms(STEP_MS);
    }
    return progress_step(progress, error);
}

/* One look; *took_ns: how long it took. */
static enum b10_reason look(const struct settings *settings, struct scan_activity *activity,
                            uint64_t *took_ns, struct progress *progress, struct b10_error *error)
{
    const uint64_t begun_ns = clock_now_ns();
    TRY(scan_look(settings, activity, progress, error));
    *took_ns = clock_now_ns() - begun_ns;
    return B10_REASON_OK;
}

enum b10_reason settle_wait(const struct settings *settings, struct settled *settled,
                            struct progress *progress, struct b10_error *error)
{
    const uint64_t begun_ns = clock_now_ns();
    uint64_t took_ns;
    *settled = (struct settled){.quiet = false};
    TRY(look(settings, &settled->activity, &took_ns, progress, error));
    uint64_t changed_ns = clock_now_ns();
    while (clock_now_ns() - begun_ns < seconds(SETTLE_LIMIT_S)) {
        struct scan_activity now;
        TRY(rest(took_ns, progress, error));
        TRY(look(settings, &now, &took_ns, progress, error));
        if (!is_same(&now, &settled->activity))
            changed_ns = clock_now_ns();
        settled->activity = now;
        settled->quiet = clock_now_ns() - changed_ns >= seconds(SETTLE_QUIET_S);
        if (settled->quiet)
            break;
    }
    return B10_REASON_OK;
}
