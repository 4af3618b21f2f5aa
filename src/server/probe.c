#include "server/probe.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/guard.h"
#include "server/dial.h"
#include "server/response.h"

void probe_not_yet(struct probe_said *said, const char *format, ...)
{
    va_list arguments;
    said->answer = PROBE_NOT_YET;
    va_start(arguments, format);
    vsnprintf(said->words, sizeof(said->words), format, arguments);
    va_end(arguments);
}

void probe_judge(struct probe_said *said, int status)
{
    said->status = status;
    said->words[0] = '\0';
    if (status == 200) {
        said->answer = PROBE_READY;
        return;
    }
    probe_not_yet(said, "HTTP status %d%s", status,
                  status >= 300 && status < 400 ? ", a redirect, which is not followed" : "");
    if (status == 401 || status == 403)
        said->answer = PROBE_WANTS_KEY;
}

/* The first byte of a TLS alert or handshake. */
static bool is_tls(const char *bytes, size_t size)
{
    return size > 2 && (bytes[0] == 0x15 || bytes[0] == 0x16) && bytes[1] == 0x03;
}

static void judge_broken(struct probe_said *said, const struct dial *dial, const char *bytes,
                         size_t size, bool ended)
{
    if (is_tls(bytes, size))
        probe_not_yet(said, "the server speaks TLS: the URL should begin with https://");
    else if (size == 0)
        probe_not_yet(said, "%s",
                      dial->words[0] != '\0' ? dial->words : "closed without an answer");
    else if (ended)
        probe_not_yet(said, "half an answer%s%s", dial->words[0] != '\0' ? ": " : "", dial->words);
    else
        probe_not_yet(said, "the answer is no HTTP/1");
}

/* All of the answer that will come. */
static void judge(struct probe_said *said, enum response_state state,
                  const struct response *response, bool is_full)
{
    /* of a long body the beginning is enough */
    if (state == RESPONSE_WHOLE || response->head_is_whole)
        probe_judge(said, response->status);
    else if (is_full)
        probe_not_yet(said, "the answer's head is longer than %d bytes", PROBE_READ_LIMIT);
}

/* Reads until the answer is whole, known to be none, or as long as is read at all. */
static enum b10_reason listen_to(struct dial *dial, struct probe_said *said,
                                 struct b10_error *error)
{
    char bytes[PROBE_READ_LIMIT];
    size_t size = 0;
    for (;;) {
        struct response response;
        size_t got = 0;
        TRY(dial_read(dial, bytes + size, sizeof(bytes) - size, &got, error));
        size += got;
        const enum response_state state = response_look(&response, bytes, size, got == 0);
        const bool failed = dial->words[0] != '\0' || state == RESPONSE_BROKEN;
        if (state == RESPONSE_MORE && size < sizeof(bytes))
            continue;
        said->status = response.status;
        if (failed)
            judge_broken(said, dial, bytes, size, got == 0);
        else
            judge(said, state, &response, size == sizeof(bytes));
        return B10_REASON_OK;
    }
}

static enum b10_reason ask(struct dial *dial, const struct probe *probe, struct b10_error *error)
{
    char text[URL_LIMIT + 6000];
    const bool has_token = probe->token[0] != '\0';
    const int length =
        snprintf(text, sizeof(text),
                 "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: b10transfer/%s\r\nAccept: */*\r\n"
                 "Connection: close\r\n%s%s%s\r\n",
                 probe->url->target, probe->url->authority, B10_VERSION_TEXT,
                 has_token ? "Authorization: Bearer " : "", probe->token, has_token ? "\r\n" : "");
    if (length < 0 || (size_t)length >= sizeof(text))
        return error_set(error, B10_REASON_CONFIG, "URL and key are too long for one question");
    return dial_send(dial, text, (size_t)length, error);
}

enum b10_reason probe_try(const struct probe *probe, struct probe_said *said,
                          struct b10_error *error)
{
    SCOPED(dial) struct dial dial = DIAL_CLOSED;
    *said = (struct probe_said){.answer = PROBE_NOT_YET};
    if (probe->url->tls)
        return probe_try_tls(probe, said, error);
    TRY(dial_open(&dial, probe->url, probe->limit_ms, probe->progress, error));
    if (dial.fd >= 0)
        TRY(ask(&dial, probe, error));
    if (dial.words[0] == '\0')
        return listen_to(&dial, said, error);
    probe_not_yet(said, "%s", dial.words);
    return B10_REASON_OK;
}
