#include "base/fact.h"

#include <stdlib.h>
#include <string.h>

enum b10_reason fact_copy(struct fact *to, const char *name, const char *value,
                          struct b10_error *error)
{
    *to = (struct fact){strdup(name), strdup(value)};
    if (to->name != NULL && to->value != NULL)
        return B10_REASON_OK;
    fact_release(to);
    return error_no_memory(error);
}

void fact_release(struct fact *fact)
{
    free(fact->name);
    free(fact->value);
    *fact = (struct fact){0};
}

void fact_list_free(struct fact *facts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fact_release(&facts[i]);
    free(facts);
}

const char *fact_value(const struct fact *facts, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(facts[i].name, name) == 0)
            return facts[i].value;
    }
    return NULL;
}

int fact_order(const void *a, const void *b)
{
    return strcmp(((const struct fact *)a)->name, ((const struct fact *)b)->name);
}
