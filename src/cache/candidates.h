/* The archives that a load of this environment may have taken, in the order in which it tries them:
 * the exact key in every directory of the search path, then the newest of similar keys.
 *
 * Threads: any.
 */
#ifndef CACHE_CANDIDATES_H
#define CACHE_CANDIDATES_H

#include "cache/identity.h"
#include "cache/names.h"

enum { CANDIDATES_SIMILAR = 16 }; /* at most, of other keys */

/* One of them, open; its facts have not been compared. *done: no further one is wanted. */
typedef enum b10_reason (*candidates_fn)(void *user, const struct volume *volume, const char *key,
                                         const struct reader *archive, bool *done,
                                         struct b10_error *error);

/* Those that cannot be opened are passed over. Fails as `visit` does, or when the operation must
 * stop. */
MUST_CHECK enum b10_reason candidates_visit(const struct volumes *volumes,
                                            const struct identity *identity, candidates_fn visit,
                                            void *user, struct b10_error *error);

#endif
