/* Which GPUs this process sees, without touching CUDA.
 *
 *     driver ──▶ nvml ──▶ spawn ──▶ proc ──▶ none of them: no GPU here, or unknown
 *     the first step that has every key fact of every visible device answers
 *
 * cuInit in a process breaks CUDA in every child that it forks later, costs half a second and
 * changes what the process is; this library lives in exactly such processes. So it never calls it:
 *
 *   driver  libcuda.so.1, where the process itself has loaded and initialised it: what CUDA itself
 *           says, CUDA_VISIBLE_DEVICES, order and MIG included
 *   nvml    the management library, told apart by CUDA_VISIBLE_DEVICES as CUDA would
 *   spawn   a helper process calls cuInit and prints a line (gpu_helper.c)
 *   proc    /proc/driver/nvidia: models and kernel driver, no compute capability; its facts are
 *           never equal to those of another step
 *
 * The steps driver, nvml and spawn give equal facts. Where none answers, a host without any sign of
 * a GPU (gpu_host_signs) has none; any other is unknown.
 * Threads: any.
 */
#ifndef ENV_GPU_H
#define ENV_GPU_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum {
    GPU_NAME_SIZE = 96,  /* as both libraries give it, without the MIG profile */
    GPU_SHORT_SIZE = 32, /* profile, version */
    GPU_KINDS_LIMIT = 16,
    GPU_SAID_SIZE = 200,
};

/* One kind of visible device. */
struct gpu {
    char name[GPU_NAME_SIZE];        /* "NVIDIA H100 80GB HBM3": printable ASCII, not empty */
    char mig[GPU_SHORT_SIZE];        /* MIG profile "1g.10gb"; "" for a whole card */
    char capability[GPU_SHORT_SIZE]; /* "90"; "x" when only /proc told */
};

/* The answer of a step: the kinds, sorted, each once however many cards there are; none of them is
 * an answer too. */
struct gpus {
    struct gpu kinds[GPU_KINDS_LIMIT];
    size_t count;
    char cuda[GPU_SHORT_SIZE]; /* CUDA version of the driver, "12.8"; "" when only /proc told */
    char
        driver[GPU_SHORT_SIZE]; /* kernel driver "535.309.01", only when only /proc told; else "" */
};

enum gpu_step { GPU_DRIVER, GPU_NVML, GPU_SPAWN, GPU_PROC, GPU_STEP_COUNT };

/* What a step came to: its answer, or why it has none. */
struct gpu_said {
    bool tried;
    bool answered;
    char
        text[GPU_SAID_SIZE]; /* "libcuda.so.1 is not loaded in this process"; printable, one line */
};

enum gpu_verdict { GPU_NONE, GPU_KNOWN, GPU_UNKNOWN };

struct gpu_detection {
    enum gpu_verdict verdict;
    enum gpu_step step; /* which answered, if `answered` */
    bool answered;
    struct gpus gpus; /* of GPU_KNOWN */
    struct gpu_said said[GPU_STEP_COUNT];
    char signs[GPU_SAID_SIZE]; /* "/dev/nvidia0, /proc/driver/nvidia", "" for none */
};

/* What may be asked, and what CUDA would obey. Strings borrowed. */
struct gpu_probe {
    unsigned steps;              /* bits 1 << enum gpu_step; 0: nothing, this is a CPU host */
    const char *visible_devices; /* CUDA_VISIBLE_DEVICES, NULL if unset */
    const char *device_order;    /* CUDA_DEVICE_ORDER, NULL if unset */
};

/* "auto" (driver, nvml, proc), "off", or a list of driver, nvml, spawn, proc; CONFIG otherwise. */
MUST_CHECK enum b10_reason gpu_parse_steps(unsigned *steps, const char *text,
                                           struct b10_error *error);

/* Asks the steps in order. A step that cannot answer is no error: NO_MEMORY only. */
MUST_CHECK enum b10_reason gpu_detect(struct gpu_detection *detection,
                                      const struct gpu_probe *probe, struct b10_error *error);

const char *gpu_step_name(enum gpu_step step);

/* ---- for the steps ---- */

/* Adds a device to the kinds by the name that a library gave, " MIG <profile>" at its end split
 * off; `capability` is major * 10 + minor. False, with the reason in `said`: the name is missing,
 * too long or not printable ASCII, the capability is not positive, too many kinds. */
bool gpus_add(struct gpus *gpus, const char *name, int capability, struct gpu_said *said);

/* "12.8" of 12080; false if it is not a version. */
bool gpus_set_cuda(struct gpus *gpus, int version, struct gpu_said *said);

/* Writes why; returns false, so that a step can `return gpu_mute(…)`. */
bool gpu_mute(struct gpu_said *said, const char *format, ...) PRINTF_LIKE(2, 3);

/* The steps themselves: true with *gpus filled, or false with said->text. */
bool cuda_driver_ask(struct gpus *gpus, struct gpu_said *said);
bool nvml_ask(struct gpus *gpus, const struct gpu_probe *probe, struct gpu_said *said);
bool gpu_helper_ask(struct gpus *gpus, struct gpu_said *said);
bool gpu_proc_ask(struct gpus *gpus, struct gpu_said *said);

/* The devices and directories that say "there is a GPU", comma-separated; "" if there is none. */
void gpu_host_signs(char *signs, size_t size);

#endif
