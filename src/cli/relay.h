/* The server's output on its way through: byte by byte as it was written, at once, and looked at
 * (refusal.h).
 *
 *     server ──pipe──▶ relay, a process of its own ──▶ where our stdout, stderr lead
 *                        └── pipe ──▶ us: a reason why a cache was refused; that everything has gone through
 *
 * A process of its own, so that the server does not lose its output should this one die: the relay
 * lives as long as somebody holds the other end. A stream that is a terminal is not relayed, because
 * servers write otherwise to anything else; where stdout and stderr are one file they share one pipe,
 * so that what is written keeps its order. A reader that goes away is gone for the server, too.
 * Threads: none may exist.
 */
#ifndef CLI_RELAY_H
#define CLI_RELAY_H

#include <stdbool.h>
#include <sys/types.h>

#include "cli/refusal.h"

struct relay {
    pid_t pid;      /* 0: there is none */
    int streams[2]; /* owned: what becomes the server's stdout, stderr; -1: its own is left */
    int told;       /* owned: what the relay says */
    int ask;        /* owned: asks it to say when everything has gone through */
};

#define RELAY_NONE                                                                                 \
    {                                                                                              \
        .streams = {-1, -1}, .told = -1, .ask = -1                                                 \
    }

/* Starts it if there is something to relay. Where that is impossible the server writes by itself. */
void relay_start(struct relay *relay);

/* In the server's process, before it is executed. */
void relay_put_in_place(const struct relay *relay);

enum relay_word { RELAY_NOTHING, RELAY_REFUSED, RELAY_DRAINED, RELAY_GONE };

/* What it says, one word at a time; `reason` for RELAY_REFUSED. */
enum relay_word relay_read(struct relay *relay, char reason[REFUSAL_REASON]);

/* Everything written so far is to go through; RELAY_DRAINED follows. */
void relay_ask(struct relay *relay);

/* Closes our ends; the relay goes on as long as somebody writes. */
void relay_leave(struct relay *relay);

#endif
