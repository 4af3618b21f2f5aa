/* Another host that has saved to the volume of a replica: an archive with facts of its own.
 *
 *     init (facts of this host) ──▶ set … ──▶ save ──▶ release
 *
 * Failures fail the test.
 */
#ifndef SUPPORT_ELSEWHERE_H
#define SUPPORT_ELSEWHERE_H

#include <time.h>

#include "env/facts.h"
#include "support/scratch.h"

struct elsewhere {
    const struct scratch *scratch;
    struct facts facts; /* owned */
    uint64_t host_code; /* files with code for its processor */
    time_t modified;    /* of the archive; 0: now */
    uint64_t zeros;     /* bytes of a second file */
};

/* Facts of this host, found with these steps; no tags. */
void elsewhere_init(struct elsewhere *host, const struct scratch *scratch,
                    const struct gpu_probe *probe);
void elsewhere_release(struct elsewhere *host);

/* Changes, adds or (value NULL) removes a fact. */
void elsewhere_set(struct elsewhere *host, const char *fact, const char *value);

/* Static buffers: the key of these facts, and the path of the archive below volume/. */
const char *elsewhere_key(const struct elsewhere *host);
const char *elsewhere_path(const struct elsewhere *host);

/* Writes the archive; its file `which` holds `text`. */
void elsewhere_save(const struct elsewhere *host, const char *text);

#endif
