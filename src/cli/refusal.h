/* Notices in a server's output that an engine refused what was loaded, and compiles after all.
 *
 *     refusal_feed(piece), refusal_feed(piece), … ──▶ true once, with the reason that the server gives
 *
 * vLLM says "Compiling model again due to a load failure from PATH, reason: WHY". Lines longer than
 * REFUSAL_LINE are looked at as far as that.
 * Threads: one at a time.
 */
#ifndef CLI_REFUSAL_H
#define CLI_REFUSAL_H

#include <stdbool.h>
#include <stddef.h>

enum { REFUSAL_LINE = 4096, REFUSAL_REASON = 400 };

struct refusal {
    char line[REFUSAL_LINE];
    size_t used;
    bool told;
};

/* True when the output so far says so for the first time; `reason` is terminated. */
bool refusal_feed(struct refusal *refusal, const char *data, size_t size,
                  char reason[REFUSAL_REASON]);

#endif
