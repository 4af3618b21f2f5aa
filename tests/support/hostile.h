/* What every hostile archive must meet: refused by load and by verify, with a reason and a message
 * that names it, nothing outside the staging roots touched, no descriptor left open.
 */
#ifndef SUPPORT_HOSTILE_H
#define SUPPORT_HOSTILE_H

#include "support/forge.h"

#define REASON(name) (1U << B10_REASON_##name)

/* setup: a scratch directory with volume/, stage/inductor/, stage/headers/ and outside/secret. */
int hostile_setup(void **state);

/* Saves the archive and has it refused by unpack (one thread, and four) and by check_archive, each
 * with one of `reasons` (bits of REASON()). The message names the archive and, unless it is NULL,
 * `member`. */
void hostile_refused(const struct scratch *scratch, struct forge *forge, unsigned reasons,
                     const char *member);

/* The same for a file that is there already, volume/a.tar.zst. */
void hostile_file_refused(const struct scratch *scratch, unsigned reasons, const char *member);

/* reader_open and unpack of volume/a.tar.zst into fresh stage roots; the error as the loader tells
 * it. */
enum b10_reason hostile_load(const struct scratch *scratch, unsigned threads,
                             struct b10_error *error);
/* reader_open and check_archive. */
enum b10_reason hostile_check(const struct scratch *scratch, struct b10_error *error);

#endif
