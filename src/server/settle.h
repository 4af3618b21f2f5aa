/* Waiting until the cache is quiet: a server that is ready may still be writing what it compiled.
 *
 * Quiet is: no change of count, size and newest time for SETTLE_QUIET_S, in the main root and what lies
 * inside it, and in the further roots. Looks often, but never more than a fifth of the time, so that a
 * large tree does not keep a disk busy that the server needs.
 * Threads: one at a time.
 */
#ifndef SERVER_SETTLE_H
#define SERVER_SETTLE_H

#include "cache/scan.h"

enum { SETTLE_QUIET_S = 5, SETTLE_LIMIT_S = 120, SETTLE_INTERVAL_MS = 500 };

struct settled {
    bool quiet; /* false: the limit came first */
    struct scan_activity activity;
};

MUST_CHECK enum b10_reason settle_wait(const struct settings *settings, struct settled *settled,
                                       struct progress *progress, struct b10_error *error);

#endif
