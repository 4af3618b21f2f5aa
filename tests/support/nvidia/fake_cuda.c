/* Stand-in for libcuda.so.1, see fake.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/nvidia/fake.h"

#define EXPORT __attribute__((visibility("default")))

enum { OK = 0, INVALID_VALUE = 1, NOT_INITIALIZED = 3, NO_DEVICE = 100, INVALID_DEVICE = 101 };
enum { CAPABILITY_MAJOR = 75, CAPABILITY_MINOR = 76 };

EXPORT int cuInit(unsigned flags);
EXPORT int cuDriverGetVersion(int *version);
EXPORT int cuDeviceGetCount(int *count);
EXPORT int cuDeviceGet(int *device, int index);
EXPORT int cuDeviceGetName(char *name, int size, int device);
EXPORT int cuDeviceGetAttribute(int *value, int attribute, int device);

/* A forked child of an initialised process is not initialised, and cannot be. */
static pid_t initialised_by;

/* ---- what CUDA_VISIBLE_DEVICES leaves ---- */

struct shown {
    int card;
    int mig; /* -1: the card itself */
};

struct machine {
    struct fake_card cards[FAKE_CARDS_MAX];
    int card_count;
    struct shown shown[FAKE_CARDS_MAX];
    int shown_count;
};

/* A card in MIG mode is shown as its first MIG device. */
static struct shown whole(const struct machine *machine, int card)
{
    return (struct shown){card, machine->cards[card].mig_count > 0 ? 0 : -1};
}

/* Finds what an entry names; a prefix that several things have names nothing. */
static int find(const struct machine *machine, const char *entry, struct shown *found)
{
    size_t length = strlen(entry);
    int matches = 0;
    for (int c = 0; c < machine->card_count; c++) {
        const struct fake_card *card = &machine->cards[c];
        if (strncmp(entry, "GPU-", 4) == 0 && strncmp(card->uuid, entry, length) == 0) {
            *found = whole(machine, c);
            matches++;
        }
        for (int m = 0; m < card->mig_count; m++) {
            if (strncmp(entry, "MIG-", 4) == 0 && strncmp(card->migs[m].uuid, entry, length) == 0) {
                *found = (struct shown){c, m};
                matches++;
            }
        }
    }
    return matches == 1;
}

static int find_entry(const struct machine *machine, const char *entry, struct shown *found)
{
    char *end;
    long index = strtol(entry, &end, 10);
    if (end == entry || *end != '\0')
        return find(machine, entry, found);
    if (index < 0 || index >= machine->card_count)
        return 0;
    *found = whole(machine, (int)index);
    return 1;
}

static void show(struct machine *machine)
{
    const char *list = getenv("CUDA_VISIBLE_DEVICES");
    machine->card_count = fake_cards(machine->cards);
    machine->shown_count = 0;
    for (int i = 0; list == NULL && i < machine->card_count; i++)
        machine->shown[machine->shown_count++] = whole(machine, i);
    while (list != NULL && *list != '\0' && machine->shown_count < FAKE_CARDS_MAX) {
        char entry[128];
        size_t length = strcspn(list, ",");
        snprintf(entry, sizeof(entry), "%.*s", (int)length, list);
        if (!find_entry(machine, entry, &machine->shown[machine->shown_count]))
            return;
        machine->shown_count++;
        list += length + (list[length] == ',' ? 1 : 0);
    }
}

/* ---- the calls ---- */

static int enter(const char *function, struct machine *machine)
{
    int rc = fake_enter(function);
    show(machine);
    return initialised_by != getpid() ? NOT_INITIALIZED : rc;
}

int cuInit(unsigned flags)
{
    struct machine machine;
    int rc = fake_enter("cuInit");
    show(&machine);
    if (rc == OK && flags != 0)
        rc = INVALID_VALUE;
    if (rc == OK && initialised_by != 0 && initialised_by != getpid())
        rc = NOT_INITIALIZED;
    if (rc == OK && machine.shown_count == 0)
        rc = NO_DEVICE;
    if (rc == OK)
        initialised_by = getpid();
    return rc;
}

int cuDriverGetVersion(int *version)
{
    int rc = fake_enter("cuDriverGetVersion");
    if (rc == OK)
        *version = fake_cuda_version();
    return rc;
}

int cuDeviceGetCount(int *count)
{
    struct machine machine;
    int rc = enter("cuDeviceGetCount", &machine);
    if (rc == OK)
        *count = machine.shown_count;
    return rc;
}

int cuDeviceGet(int *device, int index)
{
    struct machine machine;
    int rc = enter("cuDeviceGet", &machine);
    if (rc == OK && (index < 0 || index >= machine.shown_count))
        rc = INVALID_DEVICE;
    if (rc == OK)
        *device = index;
    return rc;
}

int cuDeviceGetName(char *name, int size, int device)
{
    struct machine machine;
    int rc = enter("cuDeviceGetName", &machine);
    if (rc == OK && (device < 0 || device >= machine.shown_count))
        rc = INVALID_DEVICE;
    if (rc != OK)
        return rc;
    const struct shown *shown = &machine.shown[device];
    const struct fake_card *card = &machine.cards[shown->card];
    snprintf(name, (size_t)size, "%s%s%s", card->name, shown->mig >= 0 ? " MIG " : "",
             shown->mig >= 0 ? card->migs[shown->mig].profile : "");
    return OK;
}

int cuDeviceGetAttribute(int *value, int attribute, int device)
{
    struct machine machine;
    int rc = enter("cuDeviceGetAttribute", &machine);
    if (rc == OK && (device < 0 || device >= machine.shown_count))
        rc = INVALID_DEVICE;
    if (rc != OK)
        return rc;
    const struct fake_card *card = &machine.cards[machine.shown[device].card];
    *value = attribute == CAPABILITY_MAJOR   ? card->major
             : attribute == CAPABILITY_MINOR ? card->minor
                                             : 1;
    return OK;
}
