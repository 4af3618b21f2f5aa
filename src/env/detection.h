/* What this host is, its processor and its GPUs, as the process first found it.
 *
 * An operation keeps the answer of an earlier one, so that a save uses its load's key even where
 * the driver, the affinity or the environment changed in between. Threads that detect at the same
 * time come to the same answer; one of them publishes it, and nobody waits.
 * Threads: any, also in a child that was forked meanwhile.
 */
#ifndef ENV_DETECTION_H
#define ENV_DETECTION_H

#include "env/gpu.h"

struct detection_cpu {
    char os[32];
    char architecture[32];
    char level[32];
    char features[2048];
};

MUST_CHECK enum b10_reason detection_cpu(struct detection_cpu *cpu, struct b10_error *error);

/* The first answer that was found with these steps before any other. GPU_UNKNOWN is not kept: the
 * driver may be ready next time. */
MUST_CHECK enum b10_reason detection_gpu(struct gpu_detection *gpu, const struct gpu_probe *probe,
                                         struct b10_error *error);

#endif
