/* What the steps share: a list of kinds of devices, built from what libraries say. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/line.h"
#include "env/gpu.h"

bool gpu_mute(struct gpu_said *said, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(said->text, sizeof(said->text), format, arguments);
    va_end(arguments);
    line_clean_ascii(said->text);
    return false;
}

static bool is_printable(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text > '~')
            return false;
    }
    return true;
}

/* The last " MIG " of "NVIDIA A100-SXM4-40GB MIG 1g.5gb" if one word follows it, else the end. */
static const char *find_mig(const char *name)
{
    const char *found = NULL;
    for (const char *at = name; (at = strstr(at, " MIG ")) != NULL; at++)
        found = at;
    if (found == NULL || found[5] == '\0' || strchr(found + 5, ' ') != NULL)
        return name + strlen(name);
    return found;
}

static bool set_name(struct gpu *gpu, const char *name, struct gpu_said *said)
{
    if (!is_printable(name))
        return gpu_mute(said, "the name of a device is not printable ASCII: '%s'", name);
    const char *mig = find_mig(name);
    size_t length = (size_t)(mig - name);
    if (length == 0)
        return gpu_mute(said, "a device has no name");
    if (length >= sizeof(gpu->name) || strlen(mig) >= sizeof(gpu->mig) + 5)
        return gpu_mute(said, "the name of a device is too long: '%s'", name);
    memcpy(gpu->name, name, length);
    if (*mig != '\0')
        memcpy(gpu->mig, mig + 5, strlen(mig + 5));
    return true;
}

static int compare(const struct gpu *a, const struct gpu *b)
{
    int order = strcmp(a->name, b->name);
    if (order == 0)
        order = strcmp(a->mig, b->mig);
    return order != 0 ? order : strcmp(a->capability, b->capability);
}

bool gpus_add(struct gpus *gpus, const char *name, int capability, struct gpu_said *said)
{
    struct gpu gpu = {0};
    if (name == NULL)
        return gpu_mute(said, "a device has no name");
    if (!set_name(&gpu, name, said))
        return false;
    if (capability <= 0)
        return gpu_mute(said, "the compute capability of '%s' is %d", gpu.name, capability);
    snprintf(gpu.capability, sizeof(gpu.capability), "%d", capability);
    size_t at = 0;
    while (at < gpus->count && compare(&gpus->kinds[at], &gpu) < 0)
        at++;
    if (at < gpus->count && compare(&gpus->kinds[at], &gpu) == 0)
        return true;
    if (gpus->count == GPU_KINDS_LIMIT)
        return gpu_mute(said, "there are more than %d kinds of devices", GPU_KINDS_LIMIT);
    memmove(&gpus->kinds[at + 1], &gpus->kinds[at], (gpus->count - at) * sizeof(gpu));
    gpus->kinds[at] = gpu;
    gpus->count++;
    return true;
}

bool gpus_set_cuda(struct gpus *gpus, int version, struct gpu_said *said)
{
    enum { OLDEST = 1000, BEYOND = 1000000 };
    if (version < OLDEST || version >= BEYOND)
        return gpu_mute(said, "%d is not a CUDA version", version);
    memset(gpus->cuda, 0, sizeof(gpus->cuda));
    snprintf(gpus->cuda, sizeof(gpus->cuda), "%d.%d", version / 1000, version % 1000 / 10);
    return true;
}
