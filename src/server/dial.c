#include "server/dial.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/guard.h"

void dial_guard(struct dial *dial)
{
    fd_guard(&dial->fd);
}

/* ---- what went wrong ---- */

static void fail(struct dial *dial, const char *what, const char *why)
{
    snprintf(dial->words, sizeof(dial->words), "%s%.120s", what, why);
}

static void fail_errno(struct dial *dial, int sys_errno)
{
    struct b10_error text = ERROR_NONE;
    if (sys_errno == ECONNREFUSED) {
        fail(dial, "connection refused", "");
        return;
    }
    error_errno(&text, sys_errno, "connection failed");
    fail(dial, text.message, "");
}

/* ---- waiting ---- */

static uint64_t ms_left(uint64_t deadline_ns)
{
    const uint64_t now_ns = clock_now_ns();
    return now_ns >= deadline_ns ? 0 : (deadline_ns - now_ns) / 1000000 + 1;
}

/* *ready: before the deadline. In short steps, so that a stop is seen. */
static enum b10_reason wait_for(const struct dial *dial, short events, uint64_t deadline_ns,
                                bool *ready, struct b10_error *error)
{
    *ready = false;
    for (;;) {
        struct pollfd fd = {.fd = dial->fd, .events = events};
        const uint64_t left_ms = ms_left(deadline_ns);
        TRY(progress_step(dial->progress, error));
        if (left_ms == 0)
            return B10_REASON_OK;
        *ready =
            poll(&fd, 1, left_ms < PROGRESS_INTERVAL_MS ? (int)left_ms : PROGRESS_INTERVAL_MS) > 0;
        if (*ready)
            return B10_REASON_OK;
    }
}

/* ---- connecting ---- */

static int pending_error(int fd)
{
    int pending = 0;
    socklen_t size = sizeof(pending);
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &pending, &size) == 0 ? pending : errno;
}

static enum b10_reason try_address(struct dial *dial, const struct addrinfo *address,
                                   uint64_t deadline_ns, struct b10_error *error)
{
    bool ready = false;
    dial->words[0] = '\0';
    dial->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (dial->fd < 0) {
        fail_errno(dial, errno);
        return B10_REASON_OK;
    }
    int problem = connect(dial->fd, address->ai_addr, address->ai_addrlen) == 0 ? 0 : errno;
    if (problem == EINPROGRESS || problem == EINTR) {
        TRY(wait_for(dial, POLLOUT, deadline_ns, &ready, error));
        problem = ready ? pending_error(dial->fd) : ETIMEDOUT;
    }
    if (problem != 0) {
        fail_errno(dial, problem);
        fd_guard(&dial->fd);
    }
    return B10_REASON_OK;
}

static void addresses_guard(struct addrinfo **addresses)
{
    if (*addresses != NULL)
        freeaddrinfo(*addresses);
}

/* Every address gets its share of the time that is left. */
static enum b10_reason try_addresses(struct dial *dial, const struct addrinfo *addresses,
                                     struct b10_error *error)
{
    unsigned count = 0;
    for (const struct addrinfo *at = addresses; at != NULL; at = at->ai_next)
        count++;
    for (const struct addrinfo *at = addresses; at != NULL && dial->fd < 0; at = at->ai_next) {
        const uint64_t share_ns = ms_left(dial->deadline_ns) * 1000000 / count--;
        TRY(try_address(dial, at, clock_now_ns() + share_ns, error));
    }
    return B10_REASON_OK;
}

enum b10_reason dial_open(struct dial *dial, const struct url *url, unsigned limit_ms,
                          struct progress *progress, struct b10_error *error)
{
    SCOPED(addresses) struct addrinfo *addresses = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    *dial = (struct dial){.fd = -1, .progress = progress};
    dial->deadline_ns = clock_now_ns() + (uint64_t)limit_ms * 1000000;
    int problem = getaddrinfo(url->host, url->port, &hints, &addresses);
    if (problem == EAI_NONAME) { /* no address: a name, whose look-up may take its time */
        hints.ai_flags = 0;
        problem = getaddrinfo(url->host, url->port, &hints, &addresses);
    }
    TRY(progress_step(progress, error));
    if (problem != 0) {
        fail(dial, "the host's name is not known: ", gai_strerror(problem));
        return B10_REASON_OK;
    }
    if (ms_left(dial->deadline_ns) == 0) {
        fail(dial, "looking up the host's name took too long", "");
        return B10_REASON_OK;
    }
    return try_addresses(dial, addresses, error);
}

/* ---- talking ---- */

enum b10_reason dial_send(struct dial *dial, const char *bytes, size_t size,
                          struct b10_error *error)
{
    while (size > 0) {
        bool ready = false;
        TRY(wait_for(dial, POLLOUT, dial->deadline_ns, &ready, error));
        const ssize_t sent = ready ? send(dial->fd, bytes, size, MSG_NOSIGNAL) : 0;
        if (!ready) {
            fail(dial, "the server takes no question in time", "");
            return B10_REASON_OK;
        }
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            fail_errno(dial, errno);
            return B10_REASON_OK;
        }
        bytes += sent > 0 ? sent : 0;
        size -= sent > 0 ? (size_t)sent : 0;
    }
    return B10_REASON_OK;
}

enum b10_reason dial_read(struct dial *dial, char *bytes, size_t size, size_t *got,
                          struct b10_error *error)
{
    *got = 0;
    for (;;) {
        bool ready = false;
        TRY(wait_for(dial, POLLIN, dial->deadline_ns, &ready, error));
        if (!ready) {
            fail(dial, "no answer in time", "");
            return B10_REASON_OK;
        }
        const ssize_t length = recv(dial->fd, bytes, size, 0);
        if (length >= 0) {
            *got = (size_t)length;
            return B10_REASON_OK;
        }
        if (errno != EAGAIN && errno != EINTR) {
            fail_errno(dial, errno);
            return B10_REASON_OK;
        }
    }
}
