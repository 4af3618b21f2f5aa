#include "env/cuda_driver.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#include "base/guard.h"

/* Of CUDA's driver API (cuda.h), which needs not be installed. */
enum {
    CUDA_SUCCESS = 0,
    CUDA_NOT_INITIALIZED = 3,
    CUDA_STUB_LIBRARY = 34,
    CUDA_NO_DEVICE = 100,
    CUDA_SYSTEM_DRIVER_MISMATCH = 803,
    CUDA_UNKNOWN = 999,
    CAPABILITY_MAJOR = 75,
    CAPABILITY_MINOR = 76,
};

enum { DEVICES_MAX = 1024, NAME_SIZE = 256 };

static const char library_name[] = "libcuda.so.1";

struct cuda {
    void *handle;
    int (*init)(unsigned flags);
    int (*driver_version)(int *version);
    int (*device_count)(int *count);
    int (*device)(int *device, int index);
    int (*device_name)(char *name, int size, int device);
    int (*attribute)(int *value, int attribute, int device);
};

static void cuda_guard(struct cuda *cuda)
{
    if (cuda->handle != NULL)
        dlclose(cuda->handle);
    cuda->handle = NULL;
}

static bool rc_mute(struct gpu_said *said, const char *function, int rc)
{
    static const struct {
        int rc;
        const char *words;
    } known[] = {
        {CUDA_NOT_INITIALIZED, "not initialised"},
        {CUDA_STUB_LIBRARY, "stub library"},
        {CUDA_NO_DEVICE, "no device"},
        {CUDA_SYSTEM_DRIVER_MISMATCH, "driver and library mismatch"},
        {CUDA_UNKNOWN, "unknown error"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (known[i].rc == rc)
            return gpu_mute(said, "%s: %d (%s)", function, rc, known[i].words);
    }
    return gpu_mute(said, "%s: %d", function, rc);
}

/* ---- the library ---- */

static bool load(struct cuda *cuda, int flags, struct gpu_said *said)
{
    cuda->handle = dlopen(library_name, flags | RTLD_LOCAL);
    if (cuda->handle != NULL)
        return true;
    const char *why = dlerror();
    if ((flags & RTLD_NOLOAD) != 0)
        return gpu_mute(said, "%s is not loaded in this process", library_name);
    return gpu_mute(said, "%s", why != NULL ? why : "libcuda.so.1 cannot be loaded");
}

/* `function` is the address of a pointer to a function; ISO C knows no other way from a void *. */
static bool find(const struct cuda *cuda, const char *name, void *function, struct gpu_said *said)
{
    void *found = dlsym(cuda->handle, name);
    memcpy(function, &found, sizeof(found));
    if (found != NULL)
        return true;
    dlerror();
    return gpu_mute(said, "%s has no %s", library_name, name);
}

static bool find_all(struct cuda *cuda, struct gpu_said *said)
{
    return find(cuda, "cuDriverGetVersion", &cuda->driver_version, said) &&
           find(cuda, "cuDeviceGetCount", &cuda->device_count, said) &&
           find(cuda, "cuDeviceGet", &cuda->device, said) &&
           find(cuda, "cuDeviceGetName", &cuda->device_name, said) &&
           find(cuda, "cuDeviceGetAttribute", &cuda->attribute, said);
}

/* ---- the questions ---- */

static bool ask_capability(const struct cuda *cuda, int device, int *capability,
                           struct gpu_said *said)
{
    int major = 0;
    int minor = 0;
    int rc = cuda->attribute(&major, CAPABILITY_MAJOR, device);
    if (rc == CUDA_SUCCESS)
        rc = cuda->attribute(&minor, CAPABILITY_MINOR, device);
    if (rc != CUDA_SUCCESS)
        return rc_mute(said, "cuDeviceGetAttribute", rc);
    if (major < 1 || major > 999 || minor < 0 || minor > 9)
        return gpu_mute(said, "compute capability %d.%d of a device", major, minor);
    *capability = major * 10 + minor;
    return true;
}

static bool ask_device(const struct cuda *cuda, int index, struct gpus *gpus, struct gpu_said *said)
{
    int device = -1;
    int capability = 0;
    char name[NAME_SIZE] = "";
    int rc = cuda->device(&device, index);
    if (rc != CUDA_SUCCESS)
        return rc_mute(said, "cuDeviceGet", rc);
    rc = cuda->device_name(name, NAME_SIZE, device);
    if (rc != CUDA_SUCCESS)
        return rc_mute(said, "cuDeviceGetName", rc);
    name[NAME_SIZE - 1] = '\0';
    return ask_capability(cuda, device, &capability, said) &&
           gpus_add(gpus, name, capability, said);
}

static bool ask_version(const struct cuda *cuda, int *version, struct gpu_said *said)
{
    *version = 0;
    int rc = cuda->driver_version(version);
    if (rc != CUDA_SUCCESS)
        return rc_mute(said, "cuDriverGetVersion", rc);
    return *version > 0 || gpu_mute(said, "cuDriverGetVersion: version %d", *version);
}

static bool ask_devices(const struct cuda *cuda, int count, struct gpus *gpus,
                        struct gpu_said *said)
{
    int version;
    if (count < 0 || count > DEVICES_MAX)
        return gpu_mute(said, "cuDeviceGetCount: %d devices", count);
    if (!ask_version(cuda, &version, said) || !gpus_set_cuda(gpus, version, said))
        return false;
    for (int i = 0; i < count; i++) {
        if (!ask_device(cuda, i, gpus, said))
            return false;
    }
    return true;
}

bool cuda_driver_ask(struct gpus *gpus, struct gpu_said *said)
{
    SCOPED(cuda) struct cuda cuda = {.handle = NULL};
    int count = 0;
    if (!load(&cuda, RTLD_NOW | RTLD_NOLOAD, said) || !find_all(&cuda, said))
        return false;
    int rc = cuda.device_count(&count);
    if (rc == CUDA_NOT_INITIALIZED)
        return gpu_mute(said, "%s is not initialised in this process", library_name);
    if (rc != CUDA_SUCCESS)
        return rc_mute(said, "cuDeviceGetCount", rc);
    return ask_devices(&cuda, count, gpus, said);
}

int cuda_driver_version(struct gpu_said *said)
{
    SCOPED(cuda) struct cuda cuda = {.handle = NULL};
    int version;
    if (!load(&cuda, RTLD_LAZY, said) ||
        !find(&cuda, "cuDriverGetVersion", &cuda.driver_version, said) ||
        !ask_version(&cuda, &version, said))
        return 0;
    return version;
}

bool cuda_driver_init_and_ask(struct gpus *gpus, struct gpu_said *said)
{
    /* Never closed: threads that cuInit starts run in it. */
    struct cuda cuda = {.handle = NULL};
    int count = 0;
    if (!load(&cuda, RTLD_NOW, said) || !find(&cuda, "cuInit", &cuda.init, said) ||
        !find_all(&cuda, said))
        return false;
    int rc = cuda.init(0);
    if (rc != CUDA_SUCCESS)
        return rc_mute(said, "cuInit", rc);
    rc = cuda.device_count(&count);
    if (rc != CUDA_SUCCESS)
        return rc_mute(said, "cuDeviceGetCount", rc);
    return ask_devices(&cuda, count, gpus, said);
}
