#include "server/await.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/pause.h"
#include "par/ticker.h"

enum { STEP_MS = 50 };

struct await {
    const struct settings *settings;
    struct desk *desk;
    struct log *log;
    struct progress *progress;
    struct awaited *awaited;
    struct url url;
    uint64_t deadline_ns;
    char last[200]; /* words of the last try */
};

static uint64_t ms_left(const struct await *await)
{
    const uint64_t now_ns = clock_now_ns();
    return now_ns >= await->deadline_ns ? 0 : (await->deadline_ns - now_ns) / 1000000 + 1;
}

static const char *who(const struct await *await)
{
    return atomic_load(&await->desk->open) ? "the server" : await->url.shown;
}

/* Waiting is movement. Where the flow runs on the caller's thread, this is where it is called back. */
static enum b10_reason step(const struct await *await, struct b10_error *error)
{
    progress_moved(await->progress);
    return progress_tick(await->progress, error);
}

/* ---- one try ---- */

static enum b10_reason ask_host(struct await *await, struct probe_said *said,
                                struct b10_error *error)
{
    enum desk_answer answer;
    *said = (struct probe_said){.answer = PROBE_NOT_YET};
    desk_ask(await->desk);
    while ((answer = desk_take(await->desk)) == DESK_NONE) {
        TRY(step(await, error));
        if (ms_left(await) == 0)
            break;
        pause_ms(STEP_MS);
    }
    if (answer == DESK_HOPELESS)
        return error_set(error, B10_REASON_CANCELLED,
                         "the host says that the server will not "
                         "become ready");
    if (answer == DESK_READY)
        said->answer = PROBE_READY;
    else
        probe_not_yet(said, "the host says: not yet");
    return B10_REASON_OK;
}

static enum b10_reason ask_url(struct await *await, struct probe_said *said,
                               struct b10_error *error)
{
    const struct settings *settings = await->settings;
    const uint64_t left_ms = ms_left(await);
    const struct probe probe = {
        .url = &await->url,
        .token = settings->server_token,
        .ca_file = settings->ca_file,
        .curl = PROBE_CURL,
        .limit_ms = left_ms < PROBE_LIMIT_MS ? (unsigned)left_ms + 1 : PROBE_LIMIT_MS,
        .progress = await->progress,
    };
    return probe_try(&probe, said, error);
}

static void note(struct await *await, const struct probe_said *said)
{
    await->awaited->tries++;
    await->awaited->status = said->status;
    if (strcmp(await->last, said->words) == 0)
        return;
    snprintf(await->last, sizeof(await->last), "%s", said->words);
    log_debug(await->log, "%s: %s", who(await), said->words);
}

static enum b10_reason wants_key(const struct await *await, const struct probe_said *said,
                                 struct b10_error *error)
{
    return error_set(error, B10_REASON_DENIED,
                     "%.500s: a server is there but %s (HTTP status %d); "
                     "B10_TRANSFER_VLLM_API_KEY or VLLM_API_KEY is the key",
                     who(await),
                     await->settings->server_token[0] != '\0' ? "refuses the key" : "wants a key",
                     said->status);
}

/* ---- the waiting ---- */

static enum b10_reason rest(const struct await *await, struct b10_error *error)
{
    const uint64_t until_ns =
        clock_now_ns() + (uint64_t)await->settings->wait_interval_s * UINT64_C(1000000000);
    while (clock_now_ns() < until_ns && ms_left(await) > 0) {
        TRY(step(await, error));
        pause_ms(STEP_MS);
    }
    return step(await, error);
}

static enum b10_reason ask_until_ready(struct await *await, struct b10_error *error)
{
    for (;;) {
        struct probe_said said;
        TRY(atomic_load(&await->desk->open) ? ask_host(await, &said, error)
                                            : ask_url(await, &said, error));
        note(await, &said);
        if (said.answer == PROBE_READY)
            return B10_REASON_OK;
        if (said.answer == PROBE_WANTS_KEY)
            return wants_key(await, &said, error);
        TRY(rest(await, error));
        if (ms_left(await) == 0)
            return error_set(error, B10_REASON_TIMEOUT, "%.500s was not ready within %u s: %s",
                             who(await), await->settings->wait_timeout_s, await->last);
    }
}

static void keep_moving(void *user)
{
    const struct await *await = user;
    if (ms_left(await) > 0)
        progress_moved(await->progress);
}

enum b10_reason await_server(const struct settings *settings, struct desk *desk, struct log *log,
                             struct progress *progress, struct awaited *awaited,
                             struct b10_error *error)
{
    struct await await = {.settings = settings,
                          .desk = desk,
                          .log = log,
                          .progress = progress,
                          .awaited = awaited,
                          .deadline_ns = clock_now_ns() +
                                         (uint64_t)settings->wait_timeout_s * UINT64_C(1000000000)};
    SCOPED(ticker) struct ticker *ticker = NULL;
    struct b10_error unwatched = ERROR_NONE;
    const char *problem = url_parse(&await.url, settings->server_url);
    if (problem != NULL)
        return error_set(error, B10_REASON_CONFIG, "B10_TRANSFER_VLLM_URL %s", problem);
    log_info(log, "waiting for %s, at most %u s", who(&await), settings->wait_timeout_s);
    if (ticker_start(&ticker, 1000, keep_moving, &await, progress, &unwatched) != B10_REASON_OK)
        log_debug(log, "nobody counts the waiting as movement: %s", unwatched.message);
    return ask_until_ready(&await, error);
}
