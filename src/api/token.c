/* Exported: the cancel token. */
#include "api/token.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/forked.h"

/* Owned by the caller of b10_cancel_token_new. */
struct b10_cancel_token {
    struct fork_mark mark;
    atomic_bool raised; /* lock-free, hence safe in a signal handler */
};

b10_cancel_token *b10_cancel_token_new(void)
{
    b10_cancel_token *token = calloc(1, sizeof(*token));
    if (token != NULL)
        fork_mark_init(&token->mark);
    return token;
}

void b10_cancel_token_free(b10_cancel_token *token)
{
    if (token == NULL)
        return;
    fork_mark_release(&token->mark);
    free(token);
}

void b10_cancel(b10_cancel_token *token)
{
    if (token != NULL)
        atomic_store(&token->raised, true);
}

bool token_is_cancelled(const struct b10_cancel_token *token)
{
    return token != NULL && atomic_load(&token->raised);
}

enum b10_reason token_check(const struct b10_cancel_token *token, struct b10_error *error)
{
    return fork_mark_check(&token->mark, "b10_cancel_token", error);
}
