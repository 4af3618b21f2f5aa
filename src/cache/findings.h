/* What an examination found, in order, as the list that its caller gets: one piece of memory.
 *
 *     new ──▶ (add, measure) … ──▶ &findings->list, the caller's
 *
 * Threads: one at a time.
 */
#ifndef CACHE_FINDINGS_H
#define CACHE_FINDINGS_H

#include "base/error.h"

enum { FINDINGS_MOST = 64 };

struct findings {
    struct b10_check_list list; /* its checks are those below */
    struct b10_check checks[FINDINGS_MOST];
};

/* Empty; NULL when out of memory. To be freed. */
struct findings *findings_new(void);

/* Appends; list.verdict becomes the worst of all. `name` as docs/json.md has it. */
void findings_add(struct findings *findings, const char *name, enum b10_verdict verdict,
                  const char *format, ...) PRINTF_LIKE(4, 5);

/* The same, with the system's words for `sys_errno` at the end. */
void findings_add_errno(struct findings *findings, const char *name, enum b10_verdict verdict,
                        int sys_errno, const char *format, ...) PRINTF_LIKE(5, 6);

/* What was measured, to the one added last. `unit`: "ms", "MiB", … */
void findings_measure(struct findings *findings, double value, const char *unit);

#endif
