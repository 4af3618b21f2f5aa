/* Stand-in for libnvidia-ml.so.1, see fake.h.
 *
 * With FAKE_NVML_OLD it is a library from before the _v2 functions and MIG; with FAKE_NVML_LACKS_UUID
 * one that lacks a function everything depends on. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "support/nvidia/fake.h"

enum { OK = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6 };
enum { INSUFFICIENT_SIZE = 7 };

#define EXPORT __attribute__((visibility("default")))

/* Numbers disguised as pointers: 1 + card * 16 + (0 for the card, 1 + n for its nth MIG device). */
typedef void *device;

static _Atomic int initialised;
static _Thread_local struct fake_card cards[FAKE_CARDS_MAX];

static int enter(const char *function)
{
    int code = fake_enter(function);
    if (initialised == 0)
        return UNINITIALIZED;
    return code;
}

static struct fake_card *card_of(device handle, int *mig)
{
    uintptr_t number = (uintptr_t)handle - 1;
    int card = (int)(number / 16);
    *mig = (int)(number % 16) - 1;
    return card < fake_cards(cards) && *mig < cards[card].mig_count ? &cards[card] : NULL;
}

static int put(char *out, unsigned size, const char *text)
{
    if (strlen(text) >= size)
        return INSUFFICIENT_SIZE;
    memcpy(out, text, strlen(text) + 1);
    return OK;
}

/* ---- the library ---- */

static int start(const char *function)
{
    int code = fake_enter(function);
    if (code == OK)
        initialised++;
    return code;
}

EXPORT int nvmlShutdown(void);
EXPORT int nvmlShutdown(void)
{
    int code = enter("nvmlShutdown");
    if (code == OK)
        initialised--;
    return code;
}

static int count(const char *function, unsigned *out)
{
    int code = enter(function);
    if (code == OK)
        *out = (unsigned)fake_cards(cards);
    return code;
}

static int by_index(const char *function, unsigned index, device *out)
{
    int code = enter(function);
    if (code != OK)
        return code;
    if (index >= (unsigned)fake_cards(cards))
        return INVALID_ARGUMENT;
    *out = (device)(uintptr_t)(1 + index * 16);
    return OK;
}

static int cuda_version(const char *function, int *out)
{
    int code = enter(function);
    if (code == OK)
        *out = fake_cuda_version();
    return code;
}

EXPORT int nvmlSystemGetCudaDriverVersion(int *out);
EXPORT int nvmlSystemGetCudaDriverVersion(int *out)
{
    return cuda_version("nvmlSystemGetCudaDriverVersion", out);
}

/* ---- a card ---- */

EXPORT int nvmlDeviceGetName(device handle, char *out, unsigned size);
EXPORT int nvmlDeviceGetName(device handle, char *out, unsigned size)
{
    char name[160];
    int mig;
    int code = enter("nvmlDeviceGetName");
    const struct fake_card *card = card_of(handle, &mig);
    if (code != OK || card == NULL)
        return code != OK ? code : INVALID_ARGUMENT;
    if (mig < 0)
        return put(out, size, card->name);
    snprintf(name, sizeof(name), "%s MIG %s", card->name, card->migs[mig].profile);
    return put(out, size, name);
}

#ifndef FAKE_NVML_LACKS_UUID
EXPORT int nvmlDeviceGetUUID(device handle, char *out, unsigned size);
EXPORT int nvmlDeviceGetUUID(device handle, char *out, unsigned size)
{
    int mig;
    int code = enter("nvmlDeviceGetUUID");
    const struct fake_card *card = card_of(handle, &mig);
    if (code != OK || card == NULL)
        return code != OK ? code : INVALID_ARGUMENT;
    return put(out, size, mig < 0 ? card->uuid : card->migs[mig].uuid);
}
#endif

EXPORT int nvmlDeviceGetCudaComputeCapability(device handle, int *major, int *minor);
EXPORT int nvmlDeviceGetCudaComputeCapability(device handle, int *major, int *minor)
{
    int mig;
    int code = enter("nvmlDeviceGetCudaComputeCapability");
    const struct fake_card *card = card_of(handle, &mig);
    if (code != OK || card == NULL)
        return code != OK ? code : INVALID_ARGUMENT;
    if (mig >= 0)
        return NOT_SUPPORTED;
    *major = card->major;
    *minor = card->minor;
    return OK;
}

#ifdef FAKE_NVML_OLD

EXPORT int nvmlInit(void);
EXPORT int nvmlInit(void)
{
    return start("nvmlInit");
}

EXPORT int nvmlDeviceGetCount(unsigned *out);
EXPORT int nvmlDeviceGetCount(unsigned *out)
{
    return count("nvmlDeviceGetCount", out);
}

EXPORT int nvmlDeviceGetHandleByIndex(unsigned index, device *out);
EXPORT int nvmlDeviceGetHandleByIndex(unsigned index, device *out)
{
    return by_index("nvmlDeviceGetHandleByIndex", index, out);
}

#else

EXPORT int nvmlInit_v2(void);
EXPORT int nvmlInit_v2(void)
{
    return start("nvmlInit_v2");
}

EXPORT int nvmlDeviceGetCount_v2(unsigned *out);
EXPORT int nvmlDeviceGetCount_v2(unsigned *out)
{
    return count("nvmlDeviceGetCount_v2", out);
}

EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, device *out);
EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, device *out)
{
    return by_index("nvmlDeviceGetHandleByIndex_v2", index, out);
}

EXPORT int nvmlSystemGetCudaDriverVersion_v2(int *out);
EXPORT int nvmlSystemGetCudaDriverVersion_v2(int *out)
{
    return cuda_version("nvmlSystemGetCudaDriverVersion_v2", out);
}

/* ---- MIG ---- */

/* Cards before the A100 do not know the question. */
EXPORT int nvmlDeviceGetMigMode(device handle, unsigned *current, unsigned *pending);
EXPORT int nvmlDeviceGetMigMode(device handle, unsigned *current, unsigned *pending)
{
    int mig;
    int code = enter("nvmlDeviceGetMigMode");
    const struct fake_card *card = card_of(handle, &mig);
    if (code != OK || card == NULL)
        return code != OK ? code : INVALID_ARGUMENT;
    if (card->major < 8 || mig >= 0)
        return NOT_SUPPORTED;
    *current = *pending = card->mig_count > 0;
    return OK;
}

EXPORT int nvmlDeviceGetMaxMigDeviceCount(device handle, unsigned *out);
EXPORT int nvmlDeviceGetMaxMigDeviceCount(device handle, unsigned *out)
{
    (void)handle;
    int code = enter("nvmlDeviceGetMaxMigDeviceCount");
    if (code == OK)
        *out = FAKE_MIGS_MAX;
    return code;
}

EXPORT int nvmlDeviceGetMigDeviceHandleByIndex(device handle, unsigned index, device *out);
EXPORT int nvmlDeviceGetMigDeviceHandleByIndex(device handle, unsigned index, device *out)
{
    int mig;
    int code = enter("nvmlDeviceGetMigDeviceHandleByIndex");
    const struct fake_card *card = card_of(handle, &mig);
    if (code != OK || card == NULL || mig >= 0)
        return code != OK ? code : INVALID_ARGUMENT;
    if (index >= (unsigned)card->mig_count)
        return NOT_FOUND;
    *out = (device)((uintptr_t)handle + 1 + index);
    return OK;
}

static int instance(const char *function, device handle, unsigned *out, unsigned first)
{
    int mig;
    int code = enter(function);
    const struct fake_card *card = card_of(handle, &mig);
    if (code != OK || card == NULL)
        return code != OK ? code : INVALID_ARGUMENT;
    if (mig < 0)
        return NOT_SUPPORTED;
    *out = first != 0 ? first + (unsigned)mig : 0;
    return OK;
}

EXPORT int nvmlDeviceGetGpuInstanceId(device handle, unsigned *out);
EXPORT int nvmlDeviceGetGpuInstanceId(device handle, unsigned *out)
{
    return instance("nvmlDeviceGetGpuInstanceId", handle, out, 7);
}

EXPORT int nvmlDeviceGetComputeInstanceId(device handle, unsigned *out);
EXPORT int nvmlDeviceGetComputeInstanceId(device handle, unsigned *out)
{
    return instance("nvmlDeviceGetComputeInstanceId", handle, out, 0);
}

#endif
