/* Whether an archive that was made there may be used here.
 *
 * EXACT     every fact is the same (with an overridden key: kind, arch and the key itself)
 * FALLBACK  the facts that differ are allowed to: an older CUDA driver version there (new drivers
 *           run older cubins; the reverse fails hard), and another processor, if the archive holds
 *           no code that was compiled for it
 * OTHER     anything else; never across compute capability, tags or kind
 * Threads: any.
 */
#ifndef ENV_COMPARE_H
#define ENV_COMPARE_H

#include "env/facts.h"
#include "env/key.h"

enum match { MATCH_EXACT, MATCH_FALLBACK, MATCH_OTHER };

/* Facts as an archive repeats them. Borrowed. */
struct stored_facts {
    const struct fact *items;
    size_t count;
    uint64_t host_code; /* files with code for its processor */
    const char *key;    /* its own; NULL: not compared with an overridden one */
};

/* Also describes one difference, the one that decided: "cuda: '12.4' there, '12.8' here" ("" when
 * all facts are equal; with an overridden key a difference that does not matter is described). */
enum match compare_facts(const struct key *key, const struct facts *here,
                         const struct stored_facts *there, char *difference, size_t size);

/* Every difference, one line each, those that forbid the use first. Lists of words (cpu_features)
 * are told by what is only on one side: "cpu_features: only there: avx512f; only here: amx-tile".
 * NUL-terminated. */
MUST_CHECK enum b10_reason compare_describe(const struct key *key, const struct facts *here,
                                            const struct stored_facts *there, struct bytes *lines,
                                            struct b10_error *error);

#endif
