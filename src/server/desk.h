/* A question that only the host can answer, asked on the job's thread and answered on the caller's, where all its
 * callbacks run.
 *
 *     idle ──ask──▶ asked ──(caller's thread, when it looks)──▶ answered ──take──▶ idle
 *
 * Threads: ask and take the job's; look the caller's, while it listens to the job.
 */
#ifndef SERVER_DESK_H
#define SERVER_DESK_H

#include <stdatomic.h>
#include <stdbool.h>

enum desk_answer { DESK_NONE, DESK_NOT_YET, DESK_READY, DESK_HOPELESS };

struct desk {
    atomic_bool open; /* there is somebody who answers */
    atomic_bool asked;
    _Atomic int answer; /* enum desk_answer */
};

void desk_ask(struct desk *desk);

/* DESK_NONE: not answered yet. */
enum desk_answer desk_take(struct desk *desk);

/* Answers by `ready` if there is a question: 1 ready, 0 not yet, negative: it never will be. */
void desk_look(struct desk *desk, int (*ready)(void *user), void *user);

#endif
