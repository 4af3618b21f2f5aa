#include "cli/refusal.h"

#include <stdio.h>
#include <string.h>

static const char sign[] = "Compiling model again due to a load failure";
static const char before_reason[] = "reason: ";

/* The line is whole. */
static bool judge(struct refusal *refusal, char reason[REFUSAL_REASON])
{
    refusal->line[refusal->used] = '\0';
    const char *found = strstr(refusal->line, sign);
    refusal->used = 0;
    if (found == NULL || refusal->told)
        return false;
    const char *words = strstr(found, before_reason);
    words = words != NULL ? words + sizeof before_reason - 1 : found;
    snprintf(reason, REFUSAL_REASON, "%.*s", (int)strcspn(words, "\r"), words);
    refusal->told = true;
    return true;
}

static void keep(struct refusal *refusal, const char *data, size_t size)
{
    const size_t room = sizeof refusal->line - 1 - refusal->used;
    const size_t taken = size < room ? size : room;
    memcpy(refusal->line + refusal->used, data, taken);
    refusal->used += taken;
}

bool refusal_feed(struct refusal *refusal, const char *data, size_t size,
                  char reason[REFUSAL_REASON])
{
    bool found = false;
    while (size > 0 && !refusal->told) {
        const char *end = memchr(data, '\n', size);
        const size_t length = end != NULL ? (size_t)(end - data) : size;
        keep(refusal, data, length);
        if (end == NULL)
            break;
        found = judge(refusal, reason) || found;
        data += length + 1;
        size -= length + 1;
    }
    return found;
}
