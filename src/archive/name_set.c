#include "archive/name_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "fs/path.h"

enum b10_reason name_set_init(struct name_set *set, size_t capacity, struct b10_error *error)
{
    size_t slots = 16;
    while (slots / 2 < capacity)
        slots *= 2;
    *set = (struct name_set){.mask = slots - 1, .capacity = capacity};
    set->slots = calloc(slots, sizeof(*set->slots));
    return set->slots == NULL ? error_no_memory(error) : B10_REASON_OK;
}

static uint64_t hash(uint32_t root, const char *name, size_t length)
{
    unsigned char text[sizeof(root) + PATH_LIMIT];
    unsigned char digest[DIGEST_SIZE];
    uint64_t bits;
    memcpy(text, &root, sizeof(root));
    memcpy(text + sizeof(root), name, length);
    digest_256(digest, text, sizeof(root) + length);
    memcpy(&bits, digest, sizeof(bits));
    return bits == 0 ? 1 : bits;
}

/* The slot of these bits, or the free one where they belong: there is one, since half of them stay
 * free. */
static uint64_t *find(const struct name_set *set, uint64_t bits)
{
    size_t slot = (size_t)bits & set->mask;
    while (set->slots[slot] != 0 && set->slots[slot] != bits)
        slot = (slot + 1) & set->mask;
    return &set->slots[slot];
}

bool name_set_add(struct name_set *set, uint32_t root, const char *name, size_t length)
{
    uint64_t bits = hash(root, name, length);
    uint64_t *slot = find(set, bits);
    if (*slot == bits || set->count == set->capacity)
        return false;
    *slot = bits;
    set->count++;
    return true;
}

bool name_set_has(const struct name_set *set, uint32_t root, const char *name, size_t length)
{
    return *find(set, hash(root, name, length)) != 0;
}

void name_set_release(struct name_set *set)
{
    free(set->slots);
    *set = (struct name_set)NAME_SET_EMPTY;
}

void name_set_guard(struct name_set *set)
{
    name_set_release(set);
}
