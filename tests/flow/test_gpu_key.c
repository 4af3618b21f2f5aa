/* Replicas on machines with GPUs that the stand-in for NVML makes up. Every
 * machine is a process of its own, because a process keeps its first answer. A
 * host without a GPU: test_fallback.c. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guard.h"
#include "support/elsewhere.h"
#include "support/replica.h"
#include "support/sandbox.h"

#define H100 "NVIDIA H100 80GB HBM3;9.0;GPU-11111111-2222-3333-4444-555555555555"
#define L4   "NVIDIA L4;8.9;GPU-22222222-2222-3333-4444-555555555555"

struct machine {
    const struct scratch *scratch;
    const char *gpus;    /* B10_FAKE_GPUS */
    const char *cuda;    /* B10_FAKE_CUDA; NULL: 12080 */
    const char *visible; /* CUDA_VISIBLE_DEVICES; NULL: unset */
    const char *probe;   /* B10_GPU_PROBE; NULL: nvml */
    void (*act)(struct replica *replica);
};

static void set_or_not(const char *name, const char *value)
{
    if (value != NULL)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

static void be(void *context)
{
    const struct machine *machine = context;
    struct replica replica;
    set_or_not("B10_FAKE_GPUS", machine->gpus);
    set_or_not("B10_FAKE_CUDA", machine->cuda);
    set_or_not("CUDA_VISIBLE_DEVICES", machine->visible);
    replica_init(&replica, machine->scratch);
    replica_set(&replica, "b10_gpu_probe", machine->probe != NULL ? machine->probe : "nvml");
    machine->act(&replica);
    replica_release(&replica);
}

/* `machine` but for the scratch directory. */
static void on(const struct scratch *scratch, struct machine machine)
{
    machine.scratch = scratch;
    sandbox_run(be, &machine);
}

static void clear(struct replica *replica)
{
    CHECK(b10_clear(replica_config(replica), NULL, NULL, &replica->error) == B10_SUCCESS);
}

/* What it saves is its key. */
static void save(struct replica *replica)
{
    b10_cache_info info = B10_INIT(b10_cache_info);
    CHECK(b10_info(replica_config(replica), NULL, &info, &replica->error) == B10_SUCCESS);
    scratch_text(replica->scratch, "local/which", info.environment_key);
    replica_assert(replica, replica_save(replica), B10_SUCCESS, B10_REASON_OK);
    CHECK(strcmp(replica->report.environment_key, info.environment_key) == 0);
    clear(replica);
}

static void load_exact(struct replica *replica)
{
    replica_assert(replica, replica_load(replica), B10_SUCCESS, B10_REASON_OK);
    CHECK(replica->report.fallback == 0);
    SCOPED(heap)
    char *found = scratch_read(replica->scratch, "local/which", NULL);
    CHECK(strcmp(found, replica->report.environment_key) == 0);
    clear(replica);
}

static void load_nothing(struct replica *replica)
{
    replica_assert(replica, replica_load(replica), B10_DOES_NOT_EXIST, B10_REASON_ABSENT);
}

static void load_older(struct replica *replica)
{
    replica_assert(replica, replica_load(replica), B10_SUCCESS, B10_REASON_OK);
    CHECK(replica->report.fallback == 1);
    CHECK(strcmp(replica->report.difference, "cuda: '12.4' there, '12.8' here") == 0);
    CHECK(strstr(replica->report.archive, "-cuda12.4-") != NULL);
    CHECK(strstr(replica->log, "cuda: '12.4' there, '12.8' here") != NULL);
    clear(replica);
}

/* ---- promise ---- */

static void look_at_an_h100(struct replica *replica)
{
    b10_cache_info info = B10_INIT(b10_cache_info);
    CHECK(b10_info(replica_config(replica), NULL, &info, &replica->error) == B10_SUCCESS);
    const char *beginning = "inductor-cuda-nvidia_h100_80gb_hbm3-sm90-cuda12.8-";
    CHECK(strncmp(info.environment_key, beginning, strlen(beginning)) == 0);
    CHECK(strcmp(info.detection, "nvml") == 0);
    CHECK(strcmp(info.detection_steps, "nvml=answered\n") == 0);
    CHECK(strstr(info.facts, "\ncuda=12.8\ndevice=cuda\ngpu.1.capability=90\n"
                             "gpu.1.name=NVIDIA H100 80GB HBM3\nkind=") != NULL);
    CHECK(strstr(info.facts, "GPU-1111") == NULL);
}

static void the_key_names_card_capability_and_cuda(void **state)
{
    on(*state, (struct machine){.gpus = H100, .act = look_at_an_h100});
    on(*state, (struct machine){.gpus = H100 "|" H100, .act = look_at_an_h100});
    on(*state,
       (struct machine){.gpus = H100 "|" L4, .visible = "GPU-1111", .act = look_at_an_h100});
}

static void equal_machines_share_an_archive(void **state)
{
    on(*state, (struct machine){.gpus = H100, .act = save});
    on(*state, (struct machine){.gpus = H100, .act = load_exact});
    on(*state, (struct machine){.gpus = H100 "|" H100, .act = load_exact});
    on(*state, (struct machine){.gpus = H100 "|" L4, .visible = "GPU-1111", .act = load_exact});
}

static void an_older_cuda_version_will_do(void **state)
{
    on(*state, (struct machine){.gpus = H100, .cuda = "12040", .act = save});
    on(*state, (struct machine){.gpus = H100, .act = load_older});
}

static void a_newer_cuda_version_will_not(void **state)
{
    on(*state, (struct machine){.gpus = H100, .cuda = "12090", .act = save});
    on(*state, (struct machine){.gpus = H100, .cuda = "13000", .act = save});
    on(*state, (struct machine){.gpus = H100, .act = load_nothing});
}

static void another_card_will_not(void **state)
{
    on(*state, (struct machine){.gpus = L4, .cuda = "12040", .act = save});
    on(*state, (struct machine){.gpus = H100 "|" L4, .cuda = "12040", .act = save});
    on(*state,
       (struct machine){.gpus = "NVIDIA H100 80GB HBM3;8.0;GPU-1", .cuda = "12040", .act = save});
    on(*state, (struct machine){.gpus = H100, .act = load_nothing});
}

static void without_a_visible_card_this_is_a_cpu_host(void **state)
{
    on(*state, (struct machine){.gpus = H100, .probe = "off", .act = save});
    on(*state, (struct machine){.gpus = H100, .visible = "", .act = load_exact});
    on(*state, (struct machine){.gpus = H100, .act = load_nothing});
}

/* ---- the first answer ---- */

static void load_and_save_after_the_driver_changed(struct replica *replica)
{
    replica_assert(replica, replica_load(replica), B10_DOES_NOT_EXIST, B10_REASON_ABSENT);
    char key[B10_KEY_SIZE];
    memcpy(key, replica->report.environment_key, sizeof(key));
    setenv("B10_FAKE_CUDA", "13000", 1);
    setenv("CUDA_VISIBLE_DEVICES", "", 1);
    scratch_text(replica->scratch, "local/which", "x");
    replica_assert(replica, replica_save(replica), B10_SUCCESS, B10_REASON_OK);
    CHECK(strcmp(key, replica->report.environment_key) == 0);
    /* other steps are another question, and the answer to it is not kept */
    replica_set(replica, "b10_gpu_probe", "nvml,proc");
    replica_assert(replica, replica_load(replica), B10_SKIPPED, B10_REASON_LOCAL_PRESENT);
    clear(replica);
    replica_assert(replica, replica_load(replica), B10_DOES_NOT_EXIST, B10_REASON_ABSENT);
    CHECK(strstr(replica->report.environment_key, "inductor-cpu-") != NULL);
    replica_set(replica, "b10_gpu_probe", "nvml");
    replica_assert(replica, replica_load(replica), B10_SUCCESS, B10_REASON_OK);
    CHECK(strcmp(key, replica->report.environment_key) == 0);
}

static void a_save_uses_the_key_of_its_load(void **state)
{
    on(*state, (struct machine){.gpus = H100, .act = load_and_save_after_the_driver_changed});
}

/* ---- unknown ---- */

/* A machine with a device file and no library that works. */
static void with_a_device_file(const struct replica *replica)
{
    struct scratch scratch = *replica->scratch;
    sandbox_private_mounts(&scratch);
    sandbox_tmpfs("/dev", "size=64k");
    int fd = open("/dev/nvidia0", O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    CHECK(fd >= 0);
    close(fd);
    setenv("B10_FAKE_RC", "nvmlInit_v2:9", 1);
}

static void neither_load_nor_save(struct replica *replica)
{
    with_a_device_file(replica);
    CHECK(replica_load(replica) == B10_DOES_NOT_EXIST);
    CHECK(replica->error.code == B10_REASON_ABSENT);
    CHECK(strstr(replica->error.message, "B10_GPU_PROBE") != NULL);
    CHECK(strstr(replica->error.message, "B10_ENVIRONMENT_KEY") != NULL);
    CHECK(strstr(replica->error.message, "nvml: ") != NULL);
    CHECK(strstr(replica->error.message, "/dev/nvidia0") != NULL);
    CHECK(strstr(replica->report.environment_key, "inductor-cuda-unknown-") != NULL);
    scratch_text(replica->scratch, "local/which", "x");
    CHECK(replica_save(replica) == B10_SKIPPED);
    CHECK(replica->error.code == B10_REASON_NO_KEY);
    CHECK(strstr(replica->error.message, "B10_GPU_PROBE") != NULL);
    CHECK(replica_volume_entries(replica) == 0);
}

static void info_works_all_the_same(struct replica *replica)
{
    b10_cache_info info = B10_INIT(b10_cache_info);
    with_a_device_file(replica);
    CHECK(b10_info(replica_config(replica), NULL, &info, &replica->error) == B10_SUCCESS);
    CHECK(strcmp(info.detection, "unknown") == 0);
    CHECK(strstr(info.facts, "\ndevice=cuda-unknown\n") != NULL);
    CHECK(strstr(info.detection_steps, "nvml=") == info.detection_steps);
    CHECK(strstr(info.detection_steps, "\ncpu=no host without a GPU: there is /dev/nvidia0") !=
          NULL);
    CHECK(info.b10fs_cache_exists == 0);
}

static void the_next_question_may_have_an_answer(struct replica *replica)
{
    with_a_device_file(replica);
    CHECK(replica_load(replica) == B10_DOES_NOT_EXIST);
    unsetenv("B10_FAKE_RC");
    CHECK(replica_load(replica) == B10_DOES_NOT_EXIST);
    CHECK(strstr(replica->report.environment_key, "inductor-cuda-nvidia_h100") != NULL);
}

static void off_settles_it(struct replica *replica)
{
    with_a_device_file(replica);
    scratch_text(replica->scratch, "local/which", "x");
    CHECK(replica_save(replica) == B10_SUCCESS);
    CHECK(strstr(replica->report.environment_key, "inductor-cpu-") != NULL);
}

static void a_given_key_settles_it(struct replica *replica)
{
    with_a_device_file(replica);
    setenv("B10_FAKE_LOG", scratch_path(replica->scratch, "calls"), 1);
    replica_set(replica, "b10_environment_key", "mine");
    scratch_text(replica->scratch, "local/which", "x");
    CHECK(replica_save(replica) == B10_SUCCESS);
    clear(replica);
    CHECK(replica_load(replica) == B10_SUCCESS);
    CHECK(!scratch_exists(replica->scratch, "calls")); /* no step was asked */
}

static void a_gpu_that_no_step_can_tell_has_no_archive(void **state)
{
    on(*state, (struct machine){.gpus = H100, .act = neither_load_nor_save});
    on(*state, (struct machine){.gpus = H100, .act = info_works_all_the_same});
}

static void an_unknown_gpu_is_asked_for_again(void **state)
{
    on(*state, (struct machine){.gpus = H100, .act = the_next_question_may_have_an_answer});
}

static void a_setting_settles_which_gpu_there_is(void **state)
{
    on(*state, (struct machine){.gpus = H100, .probe = "off", .act = off_settles_it});
    on(*state, (struct machine){.gpus = H100, .act = a_given_key_settles_it});
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

/* The loader reads LD_LIBRARY_PATH once, when a process starts. */
static void begin_with_the_stand_in(char **argv)
{
    static const char folder[] = TEST_NVIDIA "/nvml";
    const char *path = getenv("LD_LIBRARY_PATH");
    if (path != NULL && strcmp(path, folder) == 0)
        return;
    setenv("LD_LIBRARY_PATH", folder, 1);
    execv("/proc/self/exe", argv);
    perror("/proc/self/exe");
    exit(1);
}

int main(int argc, char **argv)
{
    (void)argc;
    begin_with_the_stand_in(argv);
    const struct CMUnitTest tests[] = {
        ROW(the_key_names_card_capability_and_cuda),
        ROW(equal_machines_share_an_archive),
        ROW(an_older_cuda_version_will_do),
        ROW(a_newer_cuda_version_will_not),
        ROW(another_card_will_not),
        ROW(without_a_visible_card_this_is_a_cpu_host),
        ROW(a_save_uses_the_key_of_its_load),
        ROW(a_gpu_that_no_step_can_tell_has_no_archive),
        ROW(an_unknown_gpu_is_asked_for_again),
        ROW(a_setting_settles_which_gpu_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
