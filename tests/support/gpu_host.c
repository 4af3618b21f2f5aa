#include "support/gpu_host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static const char cards[] =
    "NVIDIA H100 80GB HBM3;9.0;GPU-11111111|NVIDIA A100;8.0;GPU-22222222;1g.5gb:MIG-33333333,"
    "2g.10gb:MIG-44444444|NVIDIA L4;8.9;GPU-55555555";

void host_run(const struct scratch *scratch, const char *host, const char *part, const char *more)
{
    char machine[512];
    char log[512];
    char report[512];
    snprintf(machine, sizeof(machine), "B10_FAKE_GPUS=%s", cards);
    snprintf(log, sizeof(log), "B10_FAKE_LOG=%s", scratch_path(scratch, "log"));
    snprintf(report, sizeof(report), "REPORT=%s", scratch_path(scratch, "report"));
    scratch_mkdir(scratch, "bin");
    rerun_as(scratch_path(scratch, host), part, "LD_LIBRARY_PATH=" TEST_NVIDIA "/cuda", machine,
             log, report, "CUDA_VISIBLE_DEVICES", "EXPECTED", more, NULL);
}

void host_answers(struct gpus *gpus)
{
    struct gpu_said said = {0};
    *gpus = (struct gpus){.count = 0};
    if (!gpu_helper_ask(gpus, &said)) {
        fprintf(stderr, "the helper said: %s\n", said.text);
        CHECK(!"an answer");
    }
}

void host_mute(const char *why)
{
    struct gpus gpus = {0};
    struct gpu_said said = {0};
    CHECK(!gpu_helper_ask(&gpus, &said));
    if (strstr(said.text, why) == NULL) {
        fprintf(stderr, "said '%s' instead of '%s'\n", said.text, why);
        CHECK(!"the expected reason");
    }
}

void host_no_child(void)
{
    CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}
