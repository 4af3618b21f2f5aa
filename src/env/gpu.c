#include "env/gpu.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/parse.h"

static const char *const step_names[GPU_STEP_COUNT] = {"driver", "nvml", "spawn", "proc"};

const char *gpu_step_name(enum gpu_step step)
{
    return step_names[step];
}

/* ---- which steps ---- */

enum { STEPS_AUTO = 1U << GPU_DRIVER | 1U << GPU_NVML | 1U << GPU_PROC };

static bool is_word(const char *item, size_t length, const char *word)
{
    return strlen(word) == length && strncasecmp(item, word, length) == 0;
}

/* Its bit, 0 if there is no such step. */
static unsigned step_bit(const char *item, size_t length)
{
    for (unsigned step = 0; step < GPU_STEP_COUNT; step++) {
        if (is_word(item, length, step_names[step]))
            return 1U << step;
    }
    return 0;
}

enum b10_reason gpu_parse_steps(unsigned *steps, const char *text, struct b10_error *error)
{
    const char *item;
    size_t length;
    unsigned found = 0;
    if (is_word(text, strlen(text), "auto")) {
        *steps = STEPS_AUTO;
        return B10_REASON_OK;
    }
    if (is_word(text, strlen(text), "off")) {
        *steps = 0;
        return B10_REASON_OK;
    }
    for (const char *cursor = text; parse_item(&cursor, &item, &length);) {
        unsigned bit = step_bit(item, length);
        if (bit == 0)
            return error_set(
                error, B10_REASON_CONFIG,
                "'%.*s' is none of driver, nvml, spawn, proc; auto and off stand alone",
                (int)(length < 100 ? length : 100), item);
        found |= bit;
    }
    if (found == 0)
        return error_set(error, B10_REASON_CONFIG, "an empty list of GPU steps; off asks none");
    *steps = found;
    return B10_REASON_OK;
}

/* ---- signs ---- */

/* What does not fit is left out: the first sign says it all. */
static void add_sign(char *signs, size_t size, const char *directory, const char *name)
{
    size_t used = strlen(signs);
    size_t more = strlen(directory) + strlen(name) + (used > 0 ? 2 : 0);
    if (used + more < size)
        snprintf(signs + used, size - used, "%s%s%s", used > 0 ? ", " : "", directory, name);
}

static int is_card(const struct dirent *entry)
{
    const char *number = entry->d_name + strlen("nvidia");
    return strncmp(entry->d_name, "nvidia", strlen("nvidia")) == 0 && *number >= '0' &&
           *number <= '9';
}

static void add_cards(char *signs, size_t size)
{
    struct dirent **cards = NULL;
    int count;
    do
        count = scandir("/dev", &cards, is_card, versionsort);
    while (count < 0 && errno == EINTR);
    /* Better an unknown host than a wrong CPU host. */
    if (count < 0 && errno != ENOENT)
        add_sign(signs, size, "/dev", " (unreadable)");
    for (int i = 0; i < count; i++) {
        add_sign(signs, size, "/dev/", cards[i]->d_name);
        free(cards[i]);
    }
    free(cards);
}

/* NVIDIA's libraries make this node themselves, as root, even where no kernel driver is: with nothing
 * behind it, it is no sign, or a host would be unknown because somebody once asked it. */
static bool has_driver(const char *path)
{
    if (access(path, F_OK) != 0)
        return false;
    SCOPED(fd) int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    return fd >= 0 || (errno != ENXIO && errno != ENODEV);
}

void gpu_host_signs(char *signs, size_t size)
{
    /* dxg: under Windows; nvmap: Tegra, where the GPU is part of the chip */
    static const char *const others[] = {"/dev/dxg", "/dev/nvmap", "/proc/driver/nvidia"};
    *signs = '\0';
    add_cards(signs, size);
    if (has_driver("/dev/nvidiactl"))
        add_sign(signs, size, "/dev/nvidiactl", "");
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        if (access(others[i], F_OK) == 0)
            add_sign(signs, size, others[i], "");
    }
}

/* ---- detection ---- */

static bool ask(enum gpu_step step, struct gpus *gpus, const struct gpu_probe *probe,
                struct gpu_said *said)
{
    switch (step) {
    case GPU_DRIVER:
        return cuda_driver_ask(gpus, said);
    case GPU_NVML:
        return nvml_ask(gpus, probe, said);
    case GPU_SPAWN:
        return gpu_helper_ask(gpus, said);
    default:
        return gpu_proc_ask(gpus, said);
    }
}

static bool ask_in_order(struct gpu_detection *detection, const struct gpu_probe *probe)
{
    for (enum gpu_step step = GPU_DRIVER; step < GPU_STEP_COUNT; step++) {
        struct gpu_said *said = &detection->said[step];
        if ((probe->steps & 1U << step) == 0)
            continue;
        detection->gpus = (struct gpus){.count = 0};
        said->tried = true;
        said->answered = ask(step, &detection->gpus, probe, said);
        detection->step = step;
        if (said->answered)
            return true;
    }
    detection->gpus = (struct gpus){.count = 0};
    return false;
}

enum b10_reason gpu_detect(struct gpu_detection *detection, const struct gpu_probe *probe,
                           struct b10_error *error)
{
    (void)error;
    *detection = (struct gpu_detection){.verdict = GPU_NONE};
    gpu_host_signs(detection->signs, sizeof(detection->signs));
    if (probe->steps == 0)
        return B10_REASON_OK;
    detection->answered = ask_in_order(detection, probe);
    if (detection->answered)
        detection->verdict = detection->gpus.count > 0 ? GPU_KNOWN : GPU_NONE;
    else
        detection->verdict = *detection->signs == '\0' ? GPU_NONE : GPU_UNKNOWN;
    return B10_REASON_OK;
}
