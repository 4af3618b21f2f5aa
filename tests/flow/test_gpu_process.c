/* The helper process that calls cuInit in its caller's place, with the stand-in for libcuda.so.1. */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "env/cuda_driver.h"
#include "support/gpu_host.h"

/* ---- in the host ---- */

static void set(const char *name, const char *value)
{
    CHECK(setenv(name, value, 1) == 0);
}

static int (*cuda_init(void))(unsigned)
{
    int (*init)(unsigned);
    void *handle = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    CHECK(handle != NULL);
    void *found = dlsym(handle, "cuInit");
    CHECK(found != NULL);
    memcpy(&init, &found, sizeof(init));
    return init;
}

/* How often process `pid` (0: anyone) called a function, by the log. *last: the last who did. */
static int calls(const char *function, pid_t pid, pid_t *last)
{
    char line[128];
    char called[100];
    int caller;
    int count = 0;
    FILE *file = fopen(getenv("B10_FAKE_LOG"), "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "%d %99s", &caller, called) != 2 || strcmp(called, function) != 0)
            continue;
        if (last != NULL)
            *last = caller;
        count += pid == 0 || pid == caller ? 1 : 0;
    }
    if (file != NULL)
        fclose(file);
    return count;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void check_equal_by_driver_and_spawn(const char *machine, const char *visible)
{
    struct gpus by_driver = {0};
    struct gpus by_spawn = {0};
    struct gpu_said said = {0};
    set("B10_FAKE_GPUS", machine);
    if (visible != NULL)
        set("CUDA_VISIBLE_DEVICES", visible);
    else
        CHECK(unsetenv("CUDA_VISIBLE_DEVICES") == 0);
    CHECK(cuda_driver_ask(&by_driver, &said));
    host_answers(&by_spawn);
    CHECK(by_driver.count > 0);
    CHECK(memcmp(&by_driver, &by_spawn, sizeof(by_driver)) == 0);
}

/* Some cards of few models in any order, of any capability, some in MIG mode. */
static void random_machine(char *text, size_t size, unsigned *seed)
{
    static const char *const names[] = {"NVIDIA A100", "NVIDIA H100 80GB HBM3", "T4", "A MIG B C"};
    static const char *const profiles[] = {"1g.5gb", "2g.10gb", "7g.40gb+me"};
    size_t used = 0;
    int count = 1 + rand_r(seed) % 16;
    for (int i = 0; i < count; i++) {
        used +=
            (size_t)snprintf(text + used, size - used, "%s%s;%d.%d;GPU-%d", i > 0 ? "|" : "",
                             names[rand_r(seed) % 4], 7 + rand_r(seed) % 2, rand_r(seed) % 2, i);
        if (rand_r(seed) % 3 == 0)
            used += (size_t)snprintf(text + used, size - used, ";%s:MIG-%d",
                                     profiles[rand_r(seed) % 3], i);
    }
    CHECK(used < size);
}

static void part_driver_and_spawn(void)
{
    static const char *const visible[] = {NULL,    "0",     "2,0",   "1",
                                          "GPU-5", "GPU-2", "MIG-4", "0,9,1"};
    char machine[4096];
    unsigned seed = 4;
    CHECK(cuda_init()(0) == 0);
    snprintf(machine, sizeof(machine), "%s", getenv("B10_FAKE_GPUS"));
    for (size_t i = 0; i < sizeof(visible) / sizeof(*visible); i++)
        check_equal_by_driver_and_spawn(machine, visible[i]);
    for (int i = 0; i < 50; i++) {
        random_machine(machine, sizeof(machine), &seed);
        check_equal_by_driver_and_spawn(machine, NULL);
    }
    CHECK(calls("cuInit", getpid(), NULL) == 1);
}

static void part_cuda_codes(void)
{
    static const char *const rows[][2] = {
        {"cuInit:34", "cuInit: 34 (stub library)"},
        {"cuInit:100", "cuInit: 100 (no device)"},
        {"cuInit:803", "cuInit: 803 (driver and library mismatch)"},
        {"cuInit:999", "cuInit: 999 (unknown error)"},
        {"cuInit:46", "cuInit: 46"},
        {"cuDeviceGetCount:3", "cuDeviceGetCount: 3 (not initialised)"},
        {"cuDriverGetVersion:34", "cuDriverGetVersion: 34 (stub library)"},
        {"cuDeviceGetName:1", "cuDeviceGetName: 1"},
        {"cuDeviceGetAttribute:999", "cuDeviceGetAttribute: 999 (unknown error)"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        set("B10_FAKE_RC", rows[i][0]);
        host_mute(rows[i][1]);
    }
    set("B10_FAKE_RC", "");
    set("B10_FAKE_GPUS", "");
    host_mute("cuInit: 100 (no device)");
    set("B10_FAKE_GPUS", ";9.0;GPU-1");
    host_mute("a device has no name");
    set("B10_FAKE_GPUS", "NVIDIA \xc3\xa9;9.0;GPU-1");
    host_mute("not printable ASCII");
    set("B10_FAKE_GPUS", "NVIDIA H100;0.0;GPU-1");
    host_mute("compute capability 0.0");
    CHECK(calls("cuInit", getpid(), NULL) == 0);
    host_no_child();
}

static void part_hang(void)
{
    pid_t helper = 0;
    size_t descriptors = scratch_open_descriptors();
    double begin = seconds();
    host_mute("b10-gpu-probe did not answer within 5 s");
    double took = seconds() - begin;
    CHECK(took > 4.9 && took < 8);
    CHECK(calls("cuInit", 0, &helper) == 1 && helper != getpid());
    CHECK(kill(helper, 0) < 0 && errno == ESRCH);
    CHECK(scratch_open_descriptors() == descriptors);
    host_no_child();
}

static void use_cuda_in_child(void *context)
{
    struct gpus gpus = {0};
    struct gpu_said said = {0};
    (void)context;
    CHECK(cuda_init()(0) == 0);
    CHECK(cuda_driver_ask(&gpus, &said) && gpus.count == 3);
    CHECK(calls("cuInit", getpid(), NULL) == 1);
}

static void part_fork_after_detection(void)
{
    struct gpu_detection detection;
    struct gpu_said said = {0};
    struct b10_error error = ERROR_NONE;
    const struct gpu_probe every = {.steps = ~0U};
    const struct gpu_probe spawn = {.steps = 1U << GPU_SPAWN};
    CHECK(cuda_driver_version(&said) == 12080);
    CHECK(gpu_detect(&detection, &every, &error) == B10_REASON_OK);
    CHECK(gpu_detect(&detection, &spawn, &error) == B10_REASON_OK);
    CHECK(detection.verdict == GPU_KNOWN && detection.gpus.count == 3);
    CHECK(calls("cuInit", getpid(), NULL) == 0);
    sandbox_run(use_cuda_in_child, NULL);
    CHECK(calls("cuInit", getpid(), NULL) == 0);
}

static void part_detect(void)
{
    struct gpu_detection detection;
    struct b10_error error = ERROR_NONE;
    const struct gpu_probe probe = {.steps = 1U << GPU_DRIVER | 1U << GPU_SPAWN};
    CHECK(gpu_detect(&detection, &probe, &error) == B10_REASON_OK);
    CHECK(detection.verdict == GPU_KNOWN && detection.answered && detection.step == GPU_SPAWN);
    CHECK(!detection.said[GPU_DRIVER].answered && *detection.said[GPU_DRIVER].text != '\0');
    CHECK(detection.said[GPU_SPAWN].answered && !detection.said[GPU_NVML].tried);
    struct gpus by_spawn = detection.gpus;
    CHECK(cuda_init()(0) == 0);
    CHECK(gpu_detect(&detection, &probe, &error) == B10_REASON_OK);
    CHECK(detection.step == GPU_DRIVER && !detection.said[GPU_SPAWN].tried);
    CHECK(memcmp(&by_spawn, &detection.gpus, sizeof(by_spawn)) == 0);
    set("B10_FAKE_GPUS", "");
    CHECK(gpu_detect(&detection, &probe, &error) == B10_REASON_OK);
    CHECK(detection.verdict == GPU_NONE && detection.answered && detection.step == GPU_DRIVER);
}

static const struct rerun_part parts[] = {
    {"driver and spawn", part_driver_and_spawn},
    {"cuda codes", part_cuda_codes},
    {"hang", part_hang},
    {"fork after detection", part_fork_after_detection},
    {"detect", part_detect},
    {NULL, NULL},
};

/* ---- the tests ---- */

static void run_real(void **state, const char *part, const char *more)
{
    scratch_mkdir(*state, "bin");
    assert_int_equal(symlink(TEST_GPU_PROBE, scratch_path(*state, "bin/b10-gpu-probe")), 0);
    host_run(*state, "bin/host", part, more);
}

static void the_same_machine_is_equal_by_driver_and_by_spawn(void **state)
{
    run_real(state, "driver and spawn", "-");
}

static void detection_takes_the_first_step_that_answers(void **state)
{
    run_real(state, "detect", "-");
}

static void a_child_forked_after_detection_may_use_cuda(void **state)
{
    run_real(state, "fork after detection", "-");
}

static void what_cuda_says_no_to_is_said(void **state)
{
    run_real(state, "cuda codes", "-");
}

static void a_driver_that_hangs_costs_five_seconds_and_nothing_stays(void **state)
{
    run_real(state, "hang", "B10_FAKE_DELAY_MS=cuInit:60000");
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        ROW(the_same_machine_is_equal_by_driver_and_by_spawn),
        ROW(detection_takes_the_first_step_that_answers),
        ROW(a_child_forked_after_detection_may_use_cuda),
        ROW(what_cuda_says_no_to_is_said),
        ROW(a_driver_that_hangs_costs_five_seconds_and_nothing_stays),
    };
    rerun_main(argc, argv, parts);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
