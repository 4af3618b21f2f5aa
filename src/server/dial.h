/* A TCP connection with one deadline for everything: looking the name up, connecting, sending,
 * reading.
 *
 *     dial_open ──▶ dial_send ──▶ dial_read … ──▶ close(fd)
 *
 * What goes wrong out there is no error of ours: it is told in words. Never a signal (MSG_NOSIGNAL).
 * Threads: one at a time.
 */
#ifndef SERVER_DIAL_H
#define SERVER_DIAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/progress.h"
#include "base/url.h"

struct dial {
    int fd; /* owned; -1: none */
    uint64_t deadline_ns;
    struct progress *progress; /* borrowed */
    char words[160];           /* what went wrong; "": nothing */
};

#define DIAL_CLOSED                                                                                \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

/* OK and fd -1: nobody there, see `words`. Any other reason: the operation must stop. */
MUST_CHECK enum b10_reason dial_open(struct dial *dial, const struct url *url, unsigned limit_ms,
                                     struct progress *progress, struct b10_error *error);

MUST_CHECK enum b10_reason dial_send(struct dial *dial, const char *bytes, size_t size,
                                     struct b10_error *error);

/* *got 0: the other end has closed, or, with words, something went wrong. */
MUST_CHECK enum b10_reason dial_read(struct dial *dial, char *bytes, size_t size, size_t *got,
                                     struct b10_error *error);

void dial_guard(struct dial *dial);

#endif
