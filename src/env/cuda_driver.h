/* libcuda.so.1, the driver's user-space half: asked where the process itself has initialised it,
 * and for its version, which needs no initialisation. cuInit is called by cuda_driver_init_and_ask
 * alone, and that by the helper process alone.
 * Threads: any.
 */
#ifndef ENV_CUDA_DRIVER_H
#define ENV_CUDA_DRIVER_H

#include <stdbool.h>

#include "env/gpu.h"

/* CUDA version (12080) of the driver library; 0 with said->text if there is none or it does not
 * say. Loads the library and lets it go. */
int cuda_driver_version(struct gpu_said *said);

/* Only for a process of its own, which ends soon: cuInit, then as cuda_driver_ask. The library stays
 * loaded. */
bool cuda_driver_init_and_ask(struct gpus *gpus, struct gpu_said *said);

#endif
