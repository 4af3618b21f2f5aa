/* The management library: it tells names and capabilities without touching CUDA. nvmlShutdown
 * follows every nvmlInit that succeeded, dlclose every dlopen.
 *
 * Types and numbers are those of NVIDIA's nvml.h; no header of theirs is needed to build. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "env/cuda_driver.h"
#include "env/cuda_visible.h"
#include "env/gpu.h"

enum { NVML_SUCCESS = 0, NVML_NOT_SUPPORTED = 3, NVML_NOT_FOUND = 6 };
enum { NVML_NAME_SIZE = 96, NVML_UUID_SIZE = 96, CARDS_LIMIT = 256 };

typedef void *nvml_device; /* nvmlDevice_t */

struct nvml {
    void *library; /* owned */
    bool initialised;
    int (*init)(void);
    int (*shutdown)(void);
    int (*count)(unsigned *);
    int (*handle)(unsigned, nvml_device *);
    int (*name)(nvml_device, char *, unsigned);
    int (*uuid)(nvml_device, char *, unsigned);
    int (*capability)(nvml_device, int *, int *);
    int (*cuda_version)(int *);
    int (*cuda_version_old)(int *);
    int (*mig_mode)(nvml_device, unsigned *, unsigned *);
    int (*mig_limit)(nvml_device, unsigned *);
    int (*mig_handle)(nvml_device, unsigned, nvml_device *);
    int (*gpu_instance)(nvml_device, unsigned *);
    int (*compute_instance)(nvml_device, unsigned *);
};

/* What a key needs of a card or MIG device. A fact that is missing matters only if it is chosen. */
struct device {
    char name[NVML_NAME_SIZE];
    int capability;
    const char *failed; /* the function that did not tell, NULL if all did */
    int code;
};

struct listing {
    size_t count;
    struct visible_card cards[CARDS_LIMIT];
    struct device devices[CARDS_LIMIT];
    bool chosen[CARDS_LIMIT];
};

/* ---- the library ---- */

static void nvml_guard(struct nvml *nvml)
{
    if (nvml->initialised)
        (void)nvml->shutdown();
    if (nvml->library != NULL)
        dlclose(nvml->library);
}

static bool failed(struct gpu_said *said, const char *function, int code)
{
    static const struct {
        int code;
        const char *words;
    } known[] = {
        {4, "no permission"},
        {NVML_NOT_FOUND, "not found"},
        {9, "the driver is not loaded"},
        {15, "the GPU is lost"},
        {18, "driver and library are of different versions"},
        {999, "unknown error"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (known[i].code == code)
            return gpu_mute(said, "%s failed: %d (%s)", function, code, known[i].words);
    }
    return gpu_mute(said, "%s failed: %d", function, code);
}

struct symbol {
    size_t offset; /* of the pointer in struct nvml */
    const char *name;
    const char *old_name; /* in older libraries; NULL if the same */
    bool required;
};

#define SYMBOL(member, name, old_name, required)                                                   \
    {                                                                                              \
        offsetof(struct nvml, member), name, old_name, required                                    \
    }

static const struct symbol symbols[] = {
    SYMBOL(init, "nvmlInit_v2", "nvmlInit", true),
    SYMBOL(shutdown, "nvmlShutdown", NULL, true),
    SYMBOL(count, "nvmlDeviceGetCount_v2", "nvmlDeviceGetCount", true),
    SYMBOL(handle, "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex", true),
    SYMBOL(name, "nvmlDeviceGetName", NULL, true),
    SYMBOL(uuid, "nvmlDeviceGetUUID", NULL, true),
    SYMBOL(capability, "nvmlDeviceGetCudaComputeCapability", NULL, true),
    SYMBOL(cuda_version, "nvmlSystemGetCudaDriverVersion_v2", NULL, false),
    SYMBOL(cuda_version_old, "nvmlSystemGetCudaDriverVersion", NULL, false),
    SYMBOL(mig_mode, "nvmlDeviceGetMigMode", NULL, false),
    SYMBOL(mig_limit, "nvmlDeviceGetMaxMigDeviceCount", NULL, false),
    SYMBOL(mig_handle, "nvmlDeviceGetMigDeviceHandleByIndex", NULL, false),
    SYMBOL(gpu_instance, "nvmlDeviceGetGpuInstanceId", NULL, false),
    SYMBOL(compute_instance, "nvmlDeviceGetComputeInstanceId", NULL, false),
};

static bool nvml_find(struct nvml *nvml, const struct symbol *symbol, struct gpu_said *said)
{
    void *found = dlsym(nvml->library, symbol->name);
    if (found == NULL && symbol->old_name != NULL)
        found = dlsym(nvml->library, symbol->old_name);
    /* A copy, because C knows no conversion from void * to a function. */
    memcpy((char *)nvml + symbol->offset, &found, sizeof(found));
    return found != NULL || !symbol->required ||
           gpu_mute(said, "libnvidia-ml.so.1 has no %s", symbol->name);
}

static bool nvml_open(struct nvml *nvml, struct gpu_said *said)
{
    nvml->library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (nvml->library == NULL) {
        const char *why = dlerror();
        return gpu_mute(said, "%s", why != NULL ? why : "cannot load libnvidia-ml.so.1");
    }
    for (size_t i = 0; i < sizeof(symbols) / sizeof(*symbols); i++) {
        if (!nvml_find(nvml, &symbols[i], said))
            return false;
    }
    int code = nvml->init();
    nvml->initialised = code == NVML_SUCCESS;
    return nvml->initialised || failed(said, "nvmlInit", code);
}

/* ---- the cards ---- */

static void ask_name(const struct nvml *nvml, nvml_device handle, struct device *device)
{
    device->code = nvml->name(handle, device->name, NVML_NAME_SIZE);
    device->name[NVML_NAME_SIZE - 1] = '\0';
    if (device->code != NVML_SUCCESS)
        device->failed = "nvmlDeviceGetName";
}

static void ask_capability(const struct nvml *nvml, nvml_device handle, struct device *device)
{
    int major = 0;
    int minor = 0;
    int code = nvml->capability(handle, &major, &minor);
    if (code != NVML_SUCCESS && device->failed == NULL) {
        device->failed = "nvmlDeviceGetCudaComputeCapability";
        device->code = code;
    }
    if (code == NVML_SUCCESS && major > 0 && major < 1000 && minor >= 0 && minor < 10)
        device->capability = major * 10 + minor;
}

/* Equal numbers for what a key cannot tell apart; what lacks a fact is like nothing else. */
static size_t kind_of(const struct listing *listing, size_t index)
{
    const struct device *device = &listing->devices[index];
    for (size_t i = 0; i < index && device->failed == NULL; i++) {
        const struct device *other = &listing->devices[i];
        if (other->failed == NULL && other->capability == device->capability &&
            listing->cards[i].is_mig == listing->cards[index].is_mig &&
            strcmp(other->name, device->name) == 0)
            return i;
    }
    return index;
}

/* A new card with its UUID and name at listing->count, not counted yet. */
static bool list_device(struct listing *listing, const struct nvml *nvml, nvml_device handle,
                        struct gpu_said *said)
{
    if (listing->count == CARDS_LIMIT)
        return gpu_mute(said, "there are more than %d cards and MIG devices", CARDS_LIMIT);
    struct visible_card *card = &listing->cards[listing->count];
    int code = nvml->uuid(handle, card->uuid, NVML_UUID_SIZE);
    card->uuid[NVML_UUID_SIZE - 1] = '\0';
    if (code != NVML_SUCCESS)
        return failed(said, "nvmlDeviceGetUUID", code);
    ask_name(nvml, handle, &listing->devices[listing->count]);
    return true;
}

static bool ask_instances(const struct nvml *nvml, nvml_device handle, int instance[2],
                          struct gpu_said *said)
{
    unsigned gpu = 0;
    unsigned compute = 0;
    int code = nvml->gpu_instance(handle, &gpu);
    if (code != NVML_SUCCESS)
        return failed(said, "nvmlDeviceGetGpuInstanceId", code);
    code = nvml->compute_instance(handle, &compute);
    if (code != NVML_SUCCESS)
        return failed(said, "nvmlDeviceGetComputeInstanceId", code);
    instance[0] = gpu < 1000000 ? (int)gpu : -1;
    instance[1] = compute < 1000000 ? (int)compute : -1;
    return true;
}

static bool list_mig_device(struct listing *listing, size_t parent, const struct nvml *nvml,
                            nvml_device handle, struct gpu_said *said)
{
    if (!list_device(listing, nvml, handle, said))
        return false;
    struct visible_card *card = &listing->cards[listing->count];
    struct device *device = &listing->devices[listing->count];
    card->is_mig = true;
    card->parent = parent;
    if (!ask_instances(nvml, handle, card->instance, said))
        return false;
    const struct device *of_parent = &listing->devices[parent];
    device->capability = of_parent->capability;
    if (device->failed == NULL && of_parent->failed != NULL) {
        device->failed = of_parent->failed;
        device->code = of_parent->code;
    }
    card->kind = kind_of(listing, listing->count);
    listing->count++;
    return true;
}

static bool list_mig_devices(struct listing *listing, size_t parent, const struct nvml *nvml,
                             nvml_device card, struct gpu_said *said)
{
    if (nvml->mig_limit == NULL || nvml->mig_handle == NULL || nvml->gpu_instance == NULL ||
        nvml->compute_instance == NULL)
        return gpu_mute(said, "libnvidia-ml.so.1 does not list MIG devices");
    unsigned limit = 0;
    int code = nvml->mig_limit(card, &limit);
    if (code != NVML_SUCCESS)
        return failed(said, "nvmlDeviceGetMaxMigDeviceCount", code);
    for (unsigned i = 0; i < limit && i < CARDS_LIMIT; i++) {
        nvml_device handle = NULL;
        code = nvml->mig_handle(card, i, &handle);
        if (code == NVML_NOT_FOUND) /* numbers may have holes */
            continue;
        if (code != NVML_SUCCESS)
            return failed(said, "nvmlDeviceGetMigDeviceHandleByIndex", code);
        if (!list_mig_device(listing, parent, nvml, handle, said))
            return false;
    }
    return true;
}

static bool ask_mig_mode(const struct nvml *nvml, nvml_device handle, bool *enabled,
                         struct gpu_said *said)
{
    unsigned current = 0;
    unsigned pending = 0;
    *enabled = false;
    if (nvml->mig_mode == NULL)
        return true;
    int code = nvml->mig_mode(handle, &current, &pending);
    if (code != NVML_SUCCESS && code != NVML_NOT_SUPPORTED)
        return failed(said, "nvmlDeviceGetMigMode", code);
    *enabled = code == NVML_SUCCESS && current != 0;
    return true;
}

static bool list_card(struct listing *listing, const struct nvml *nvml, unsigned index,
                      struct gpu_said *said)
{
    nvml_device handle = NULL;
    int code = nvml->handle(index, &handle);
    if (code != NVML_SUCCESS)
        return failed(said, "nvmlDeviceGetHandleByIndex", code);
    if (!list_device(listing, nvml, handle, said))
        return false;
    size_t at = listing->count;
    ask_capability(nvml, handle, &listing->devices[at]);
    listing->cards[at].kind = kind_of(listing, at);
    listing->count++;
    bool *cut = &listing->cards[at].mig_enabled;
    return ask_mig_mode(nvml, handle, cut, said) &&
           (!*cut || list_mig_devices(listing, at, nvml, handle, said));
}

static bool list_cards(struct listing *listing, const struct nvml *nvml, struct gpu_said *said)
{
    unsigned count = 0;
    int code = nvml->count(&count);
    if (code != NVML_SUCCESS)
        return failed(said, "nvmlDeviceGetCount", code);
    for (unsigned i = 0; i < count; i++) {
        if (!list_card(listing, nvml, i, said))
            return false;
    }
    return true;
}

/* ---- the answer ---- */

/* "… MIG 1g.10gb": what gpus_add splits off. Without it a MIG device would look like its card. */
static bool has_profile(const char *name)
{
    const char *last = strrchr(name, ' ');
    return last != NULL && last[1] != '\0' && last - name > 4 && memcmp(last - 4, " MIG", 4) == 0;
}

static bool add_chosen(struct gpus *gpus, const struct listing *listing, struct gpu_said *said)
{
    for (size_t i = 0; i < listing->count; i++) {
        const struct device *device = &listing->devices[i];
        if (!listing->chosen[i])
            continue;
        if (device->failed != NULL)
            return failed(said, device->failed, device->code);
        if (listing->cards[i].is_mig && !has_profile(device->name))
            return gpu_mute(said, "the name '%s' of a MIG device has no profile", device->name);
        if (!gpus_add(gpus, device->name, device->capability, said))
            return false;
    }
    return true;
}

/* What CUDA itself would say comes first: libcuda.so.1 may be newer than the driver (forward
 * compatibility). The _v2 function asks libcuda, too; the other one knows without. */
static bool ask_cuda_version(struct gpus *gpus, const struct nvml *nvml, struct gpu_said *said)
{
    struct gpu_said unused;
    int version = cuda_driver_version(&unused);
    if (version > 0)
        return gpus_set_cuda(gpus, version, said);
    int code = NVML_NOT_FOUND;
    if (nvml->cuda_version != NULL)
        code = nvml->cuda_version(&version);
    if (code != NVML_SUCCESS && nvml->cuda_version_old != NULL)
        code = nvml->cuda_version_old(&version);
    return code == NVML_SUCCESS ? gpus_set_cuda(gpus, version, said)
                                : failed(said, "nvmlSystemGetCudaDriverVersion", code);
}

bool nvml_ask(struct gpus *gpus, const struct gpu_probe *probe, struct gpu_said *said)
{
    SCOPED(nvml) struct nvml nvml = {.library = NULL};
    SCOPED(heap) struct listing *listing = calloc(1, sizeof(*listing));
    *gpus = (struct gpus){.count = 0};
    if (listing == NULL)
        return gpu_mute(said, "out of memory");
    if (!nvml_open(&nvml, said) || !list_cards(listing, &nvml, said) ||
        !cuda_visible_select(listing->chosen, listing->cards, listing->count, probe, said) ||
        !add_chosen(gpus, listing, said))
        return false;
    return gpus->count == 0 || ask_cuda_version(gpus, &nvml, said);
}
