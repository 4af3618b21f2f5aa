/* What a server has answered so far, as far as readiness goes: its status, and whether the answer is
 * whole.
 *
 * Only 200 asks for more than the status line: a server that breaks off in the middle of its answer
 * is not ready. Interim answers (1xx) are passed over.
 * Threads: any.
 */
#ifndef SERVER_RESPONSE_H
#define SERVER_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>

enum response_state {
    RESPONSE_MORE,  /* so far so good */
    RESPONSE_WHOLE, /* status is what the server has to say */
    RESPONSE_BROKEN /* no HTTP/1, or broken off */
};

struct response {
    int status;         /* 0: not known */
    bool head_is_whole; /* of a final answer: only its body is not */
};

/* All bytes since the beginning; `ended`: no more will come. */
enum response_state response_look(struct response *response, const char *bytes, size_t size,
                                  bool ended);

#endif
