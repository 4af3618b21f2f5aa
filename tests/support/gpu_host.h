/* A process that asks a GPU helper, with the stand-in for libcuda.so.1 on its LD_LIBRARY_PATH and
 * whatever helper the test has put beside it.
 */
#ifndef SUPPORT_GPU_HOST_H
#define SUPPORT_GPU_HOST_H

#include "env/gpu.h"
#include "support/rerun.h"

/* ---- in the test ---- */

/* Starts `part` of this program by the name `host`, relative to the scratch directory. It has three
 * cards, $B10_FAKE_LOG and $REPORT in the scratch directory, and `more`, "NAME=value" or "-" for
 * nothing. */
void host_run(const struct scratch *scratch, const char *host, const char *part, const char *more);

/* ---- in the host ---- */

/* gpu_helper_ask answers. */
void host_answers(struct gpus *gpus);

/* gpu_helper_ask does not, and says what contains `why`. */
void host_mute(const char *why);

void host_no_child(void);

#endif
