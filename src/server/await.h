/* Waiting until the server is ready: a question every interval, until it is, or the time is up.
 *
 * Somebody starts a server that compiles for half an hour: as long as the waiting may last it counts as
 * movement, whatever a resolver or a host's callback does meanwhile (par/job.h).
 * Threads: one at a time.
 */
#ifndef SERVER_AWAIT_H
#define SERVER_AWAIT_H

#include "base/log.h"
#include "server/desk.h"
#include "server/probe.h"
#include "settings/config.h"

struct awaited {
    uint64_t tries;
    int status; /* HTTP, of the last one; 0: none */
};

/* desk (borrowed): open when the host answers itself; otherwise the server is asked at its URL.
 * TIMEOUT, with what the last try came to; DENIED: the server wants a key; CONFIG: no libcurl for https;
 * CANCELLED: the host says that it never will be ready. */
MUST_CHECK enum b10_reason await_server(const struct settings *settings, struct desk *desk,
                                        struct log *log, struct progress *progress,
                                        struct awaited *awaited, struct b10_error *error);

#endif
