#include "env/cuda_visible.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "base/parse.h"

/* The cards as listed and what the list of visible devices has named of them so far. */
struct naming {
    bool *chosen;
    const struct visible_card *cards;
    size_t count;
    struct gpu_said *said;
    bool by_index;
    size_t named;
};

/* One entry of the list. */
struct entry {
    const char *text;
    size_t length;
};

enum meaning { NAMES_A_CARD, ENDS_THE_LIST, CANNOT_BE_TOLD };

enum { SHOWN_CHARACTERS = 40 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool begins_with(const struct entry *entry, const char *prefix)
{
    size_t length = strlen(prefix);
    return entry->length >= length && memcmp(entry->text, prefix, length) == 0;
}

static enum meaning unclear(struct gpu_said *said, const struct entry *entry, const char *why)
{
    int shown = entry->length < SHOWN_CHARACTERS ? (int)entry->length : SHOWN_CHARACTERS;
    gpu_mute(said, "'%.*s' in CUDA_VISIBLE_DEVICES %s", shown, entry->text, why);
    return CANNOT_BE_TOLD;
}

/* ---- the cards ---- */

static size_t whole_cards(const struct visible_card *cards, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += !cards[i].is_mig;
    return found;
}

static bool has_mig_devices(const struct visible_card *cards, size_t count, size_t card)
{
    for (size_t i = 0; i < count; i++) {
        if (cards[i].is_mig && cards[i].parent == card)
            return true;
    }
    return false;
}

static bool any_is_cut(const struct visible_card *cards, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (cards[i].mig_enabled)
            return true;
    }
    return false;
}

/* A card in MIG mode without MIG devices shows nothing; whether it has an index is not documented. */
static bool any_is_cut_to_nothing(const struct visible_card *cards, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (cards[i].mig_enabled && !has_mig_devices(cards, count, i))
            return true;
    }
    return false;
}

/* Whether everything that could be shown is of one kind. */
static bool all_alike(const struct visible_card *cards, size_t count)
{
    const struct visible_card *first = NULL;
    for (size_t i = 0; i < count; i++) {
        if (cards[i].mig_enabled)
            continue;
        if (first == NULL)
            first = &cards[i];
        if (cards[i].kind != first->kind)
            return false;
    }
    return true;
}

/* ---- entries ---- */

/* Numbers too large for an index are as invalid as one past the last card. */
static size_t index_of(const struct entry *entry)
{
    size_t index = 0;
    for (size_t i = 0; i < entry->length; i++) {
        index = index * 10 + (size_t)(entry->text[i] - '0');
        if (index > INT_MAX)
            return SIZE_MAX;
    }
    return index;
}

static enum meaning find_index(const struct naming *naming, const struct entry *entry, size_t *at)
{
    /* CUDA reads "1x" as 1, which is not documented. */
    for (size_t i = 0; i < entry->length; i++) {
        if (!is_digit(entry->text[i]))
            return unclear(naming->said, entry, "is not quite an index");
    }
    size_t index = index_of(entry);
    for (size_t i = 0; i < naming->count; i++) {
        if (naming->cards[i].is_mig)
            continue;
        if (index-- == 0) {
            *at = i;
            return NAMES_A_CARD;
        }
    }
    if (any_is_cut(naming->cards, naming->count))
        return unclear(naming->said, entry, "is past the last card, and MIG devices may count");
    return ENDS_THE_LIST;
}

/* "GPU-1111", "MIG-2222": the beginning of one UUID. */
static enum meaning find_uuid(const struct naming *naming, const struct entry *entry, bool mig,
                              size_t *at)
{
    size_t found = 0;
    for (size_t i = 0; i < naming->count; i++) {
        const struct visible_card *card = &naming->cards[i];
        if (card->is_mig == mig && strncmp(card->uuid, entry->text, entry->length) == 0) {
            *at = i;
            found++;
        }
    }
    return found == 1 ? NAMES_A_CARD : ENDS_THE_LIST;
}

/* "3/…" or "3" at the end: moves past it. */
static bool take_instance(const char **text, const char *end, int *instance)
{
    const char *start = *text;
    *instance = 0;
    while (*text < end && is_digit(**text) && *text - start < 6)
        *instance = *instance * 10 + (*(*text)++ - '0');
    return *text > start;
}

/* "MIG-GPU-<uuid>/<GPU instance>/<compute instance>", the form before drivers of branch 470. */
static enum meaning find_instances(const struct naming *naming, const struct entry *entry,
                                   size_t *at)
{
    const char *end = entry->text + entry->length;
    const char *uuid = entry->text + strlen("MIG-");
    const char *slash = memchr(uuid, '/', (size_t)(end - uuid));
    int gpu;
    int compute;
    if (slash == NULL)
        return ENDS_THE_LIST;
    size_t uuid_length = (size_t)(slash++ - uuid);
    if (!take_instance(&slash, end, &gpu) || slash == end || *slash++ != '/' ||
        !take_instance(&slash, end, &compute) || slash != end)
        return ENDS_THE_LIST;
    for (size_t i = 0; i < naming->count; i++) {
        const struct visible_card *card = &naming->cards[i];
        const char *parent = card->is_mig ? naming->cards[card->parent].uuid : "";
        if (card->is_mig && strlen(parent) == uuid_length &&
            memcmp(parent, uuid, uuid_length) == 0 && card->instance[0] == gpu &&
            card->instance[1] == compute) {
            *at = i;
            return NAMES_A_CARD;
        }
    }
    return ENDS_THE_LIST;
}

static enum meaning find(struct naming *naming, const struct entry *entry, size_t *at)
{
    bool by_index = entry->length > 0 && (is_digit(entry->text[0]) || entry->text[0] == '+');
    bool by_uuid = begins_with(entry, "GPU-") || begins_with(entry, "MIG-");
    if (!by_index && !by_uuid)
        return ENDS_THE_LIST;
    if (naming->named > 0 && by_index != naming->by_index)
        return unclear(naming->said, entry, "mixes indices and UUIDs");
    naming->by_index = by_index;
    if (by_index)
        return find_index(naming, entry, at);
    enum meaning meaning = find_uuid(naming, entry, begins_with(entry, "MIG-"), at);
    if (meaning == ENDS_THE_LIST && begins_with(entry, "MIG-GPU-"))
        return find_instances(naming, entry, at);
    return meaning;
}

/* ---- the list ---- */

/* Indices count as NVML does only with PCI_BUS_ID; otherwise the fastest card is first. */
static bool indices_are_clear(const struct naming *naming, const char *order)
{
    if (naming->named == 0 || !naming->by_index ||
        naming->named == whole_cards(naming->cards, naming->count))
        return true;
    if (any_is_cut_to_nothing(naming->cards, naming->count))
        return gpu_mute(naming->said, "CUDA_VISIBLE_DEVICES selects by index, and a card in MIG "
                                      "mode has no MIG devices");
    if (all_alike(naming->cards, naming->count) ||
        (order != NULL && strcmp(order, "PCI_BUS_ID") == 0))
        return true;
    return gpu_mute(naming->said, "CUDA_VISIBLE_DEVICES selects by index among different cards, "
                                  "and CUDA_DEVICE_ORDER is not PCI_BUS_ID");
}

/* Every entry names another card or ends the list: no list is longer than the cards. */
static bool choose_named(struct naming *naming, const struct gpu_probe *probe)
{
    const char *cursor = probe->visible_devices;
    struct entry entry;
    while (parse_item(&cursor, &entry.text, &entry.length)) {
        size_t at = 0;
        enum meaning meaning = find(naming, &entry, &at);
        if (meaning == CANNOT_BE_TOLD)
            return false;
        if (meaning == ENDS_THE_LIST)
            break;
        if (naming->chosen[at]) {
            unclear(naming->said, &entry, "names a card for the second time");
            return false;
        }
        naming->chosen[at] = true;
        naming->named++;
    }
    return indices_are_clear(naming, probe->device_order);
}

/* A card in MIG mode stands for its MIG devices. */
static void replace_cut_cards(const struct naming *naming)
{
    for (size_t i = 0; i < naming->count; i++) {
        const struct visible_card *card = &naming->cards[i];
        if (card->is_mig && naming->chosen[card->parent])
            naming->chosen[i] = true;
    }
    for (size_t i = 0; i < naming->count; i++) {
        if (naming->cards[i].mig_enabled)
            naming->chosen[i] = false;
    }
}

/* CUDA shows one MIG device and then no whole card; which one matters only if they differ. */
static bool keep_one_mig_device(const struct naming *naming)
{
    size_t first = SIZE_MAX;
    bool any_mig = false;
    bool differ = false;
    for (size_t i = 0; i < naming->count; i++) {
        if (!naming->chosen[i])
            continue;
        if (first == SIZE_MAX)
            first = i;
        any_mig = any_mig || naming->cards[i].is_mig;
        differ = differ || naming->cards[i].kind != naming->cards[first].kind;
    }
    if (!any_mig)
        return true;
    if (differ)
        return gpu_mute(naming->said, "CUDA shows only one of several devices, of which some are "
                                      "MIG devices and not all are alike");
    memset(naming->chosen, 0, naming->count * sizeof(*naming->chosen));
    naming->chosen[first] = true;
    return true;
}

bool cuda_visible_select(bool *chosen, const struct visible_card *cards, size_t count,
                         const struct gpu_probe *probe, struct gpu_said *said)
{
    struct naming naming = {.chosen = chosen, .cards = cards, .count = count, .said = said};
    for (size_t i = 0; i < count; i++)
        chosen[i] = probe->visible_devices == NULL && !cards[i].is_mig;
    if (probe->visible_devices != NULL && !choose_named(&naming, probe))
        return false;
    replace_cut_cards(&naming);
    return keep_one_mig_device(&naming);
}
