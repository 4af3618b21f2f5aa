#include "env/detection.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/guard.h"
#include "env/cpu.h"

enum { KEPT_NONE, KEPT_BEING_WRITTEN, KEPT_KNOWN };

static _Atomic int cpu_state = KEPT_NONE;
static struct detection_cpu cpu_kept;
static _Atomic int gpu_state = KEPT_NONE;
static struct {
    unsigned steps;
    struct gpu_detection detection;
} gpu_kept;

static bool is_known(_Atomic int *state)
{
    return atomic_load_explicit(state, memory_order_acquire) == KEPT_KNOWN;
}

/* True for the one who may write; who is late, or was forked in the middle, goes without. */
static bool may_write(_Atomic int *state)
{
    int expected = KEPT_NONE;
    return atomic_compare_exchange_strong(state, &expected, KEPT_BEING_WRITTEN);
}

static void publish(_Atomic int *state)
{
    atomic_store_explicit(state, KEPT_KNOWN, memory_order_release);
}

/* ---- processor ---- */

static enum b10_reason detect_cpu(struct detection_cpu *found, struct b10_error *error)
{
    struct utsname names;
    if (uname(&names) != 0)
        return error_errno(error, errno, "cannot ask for the operating system");
    snprintf(found->os, sizeof(found->os), "%.31s", names.sysname);
    for (char *c = found->os; *c != '\0'; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    }
    SCOPED(cpu_facts) struct cpu_facts cpu = CPU_FACTS_NONE;
    TRY(cpu_detect(&cpu, error));
    if (cpu.features.size >= sizeof(found->features))
        return error_set(error, B10_REASON_INTERNAL, "CPU features of %zu bytes",
                         cpu.features.size);
    memcpy(found->architecture, cpu.architecture, sizeof(cpu.architecture));
    memcpy(found->level, cpu.level, sizeof(cpu.level));
    memcpy(found->features, cpu.features.data, cpu.features.size + 1);
    return B10_REASON_OK;
}

enum b10_reason detection_cpu(struct detection_cpu *cpu, struct b10_error *error)
{
    if (is_known(&cpu_state)) {
        *cpu = cpu_kept;
        return B10_REASON_OK;
    }
    *cpu = (struct detection_cpu){0};
    TRY(detect_cpu(cpu, error));
    if (may_write(&cpu_state)) {
        cpu_kept = *cpu;
        publish(&cpu_state);
    }
    return B10_REASON_OK;
}

/* ---- GPUs ---- */

enum b10_reason detection_gpu(struct gpu_detection *gpu, const struct gpu_probe *probe,
                              struct b10_error *error)
{
    if (is_known(&gpu_state) && gpu_kept.steps == probe->steps) {
        *gpu = gpu_kept.detection;
        return B10_REASON_OK;
    }
    *gpu = (struct gpu_detection){.verdict = GPU_NONE};
    if (probe->steps == 0) /* nothing was asked, so nothing is kept */
        return B10_REASON_OK;
    TRY(gpu_detect(gpu, probe, error));
    if (gpu->verdict != GPU_UNKNOWN && may_write(&gpu_state)) {
        gpu_kept.steps = probe->steps;
        gpu_kept.detection = *gpu;
        publish(&gpu_state);
    }
    return B10_REASON_OK;
}
