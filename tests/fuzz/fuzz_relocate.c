/* A file that holds paths, from anywhere: what it becomes is bounded, needs nothing more, and is
 * still of its form. */
#include <string.h>

#include "base/guard.h"
#include "cache/relocate_text.h"
#include "fuzz.h"

static struct prefix table[] = {
    {.from = "/old/main", .length = 9, .to = "/new/place", .state = PREFIX_MOVED},
    {.from = "/old/main/in", .length = 12, .to = "/n/i", .root = 1, .state = PREFIX_MOVED},
    {.from = "/old/stays", .length = 10, .to = "/old/stays", .state = PREFIX_STAYS},
    {.from = "/old/bad", .length = 8, .to = "/b'b", .state = PREFIX_REFUSED},
};
static const struct prefixes prefixes = {.items = table, .count = 4, .any_moved = true};

typedef enum b10_reason (*rewrite_fn)(const struct prefixes *, size_t, const struct bytes *,
                                      struct bytes *, enum relocate_answer *, struct b10_error *);

static void relocate_twice(rewrite_fn rewrite, const struct bytes *text)
{
    SCOPED(bytes) struct bytes out = BYTES_EMPTY;
    SCOPED(bytes) struct bytes unused = BYTES_EMPTY;
    enum relocate_answer answer;
    HOLDS(rewrite(&prefixes, 0, text, &out, &answer, NULL) == B10_REASON_OK);
    HOLDS(out.size <= RELOCATE_TEXT_LIMIT);
    if (answer != RELOCATE_CHANGED)
        return;
    HOLDS(rewrite(&prefixes, 0, &out, &unused, &answer, NULL) == B10_REASON_OK);
    HOLDS(answer == RELOCATE_SAME);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(bytes) struct bytes text = BYTES_EMPTY;
    HOLDS(bytes_append(&text, data, size, NULL) == B10_REASON_OK);
    relocate_twice(relocate_group, &text);
    relocate_twice(relocate_source, &text);
    return 0;
}
