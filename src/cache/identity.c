#include "cache/identity.h"

enum b10_reason identity_collect(struct identity *identity, const struct settings *settings,
                                 struct b10_error *error)
{
    TRY(facts_collect(&identity->facts, settings->kind, settings->tags, settings->environment_key,
                      error));
    return key_make(&identity->key, &identity->facts, error);
}

void identity_release(struct identity *identity)
{
    facts_release(&identity->facts);
}

void identity_guard(struct identity *identity)
{
    identity_release(identity);
}
