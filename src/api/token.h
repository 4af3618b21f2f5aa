/* b10_cancel_token: a flag that any thread or signal handler may raise.
 * Threads: any.
 */
#ifndef API_TOKEN_H
#define API_TOKEN_H

#include <stdbool.h>

#include "base/error.h"

bool token_is_cancelled(const struct b10_cancel_token *token); /* NULL: no */

/* FORKED for a token of this process's parent. */
MUST_CHECK enum b10_reason token_check(const struct b10_cancel_token *token,
                                       struct b10_error *error);

#endif
