/* What a GPU helper prints and its parent reads: the answer of a step as one line of text.
 *
 *     b10-gpu 1|cuda=12.8|NVIDIA H100 80GB HBM3;90;|NVIDIA A100;80;1g.5gb
 *     b10-gpu 1!cuInit failed: 100
 *
 * Reading trusts nothing: every rule of gpus_add holds.
 */
#ifndef ENV_GPU_LINE_H
#define ENV_GPU_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "env/gpu.h"

enum { GPU_LINE_SIZE = 4096 };

/* Writes the answer, or, where gpus is NULL, why there is none; with its newline. */
void gpu_line_write(char line[GPU_LINE_SIZE], const struct gpus *gpus, const struct gpu_said *said);

/* True with *gpus filled; false with said->text: what the helper said, or that it made no sense. */
bool gpu_line_read(struct gpus *gpus, const char *line, struct gpu_said *said);

#endif
