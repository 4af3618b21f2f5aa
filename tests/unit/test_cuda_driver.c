/* Each part runs in a process of its own, with the stand-in for libcuda.so.1 on its LD_LIBRARY_PATH.
 * The stand-in reads its environment at every call. */
#include "env/cuda_driver.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/rerun.h"

static const char fakes[] = "LD_LIBRARY_PATH=" TEST_NVIDIA "/cuda";
static const char two_cards[] =
    "B10_FAKE_GPUS=NVIDIA H100 80GB HBM3;9.0;GPU-1|NVIDIA A100;8.0;GPU-2;1g.5gb:MIG-3";

/* ---- in the process of its own ---- */

static void set(const char *name, const char *value)
{
    CHECK(setenv(name, value, 1) == 0);
}

static bool is_mapped(const char *name)
{
    static char maps[1 << 20];
    FILE *file = fopen("/proc/self/maps", "re");
    CHECK(file != NULL);
    size_t size = fread(maps, 1, sizeof(maps) - 1, file);
    CHECK(size > 0 && size < sizeof(maps) - 1);
    maps[size] = '\0';
    CHECK(fclose(file) == 0);
    return strstr(maps, name) != NULL;
}

/* How often a function was called, by the log; of any process. */
static int calls(const char *function)
{
    char line[128];
    char called[100];
    int count = 0;
    FILE *file = fopen(getenv("B10_FAKE_LOG"), "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        count += sscanf(line, "%*d %99s", called) == 1 && strcmp(called, function) == 0 ? 1 : 0;
    if (file != NULL)
        fclose(file);
    return count;
}

static void *load_library(void)
{
    void *handle = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    CHECK(handle != NULL);
    return handle;
}

/* As the process itself would do. */
static void *load_and_initialise(void)
{
    int (*init)(unsigned);
    void *handle = load_library();
    void *found = dlsym(handle, "cuInit");
    memcpy(&init, &found, sizeof(init));
    CHECK(found != NULL && init(0) == 0);
    return handle;
}

static void check_mute(const char *why)
{
    struct gpus gpus = {0};
    struct gpu_said said = {0};
    CHECK(!cuda_driver_ask(&gpus, &said));
    if (strcmp(said.text, why) != 0) {
        fprintf(stderr, "said '%s' instead of '%s'\n", said.text, why);
        CHECK(!"the expected reason");
    }
}

static void check_two_cards(const struct gpus *gpus)
{
    CHECK(gpus->count == 2);
    CHECK(strcmp(gpus->kinds[0].name, "NVIDIA A100") == 0);
    CHECK(strcmp(gpus->kinds[0].mig, "1g.5gb") == 0);
    CHECK(strcmp(gpus->kinds[0].capability, "80") == 0);
    CHECK(strcmp(gpus->kinds[1].name, "NVIDIA H100 80GB HBM3") == 0);
    CHECK(strcmp(gpus->kinds[1].mig, "") == 0);
    CHECK(strcmp(gpus->kinds[1].capability, "90") == 0);
    CHECK(strcmp(gpus->cuda, "12.8") == 0);
    CHECK(strcmp(gpus->driver, "") == 0);
}

static void part_initialised(void)
{
    struct gpus gpus = {0};
    struct gpu_said said = {0};
    load_and_initialise();
    CHECK(cuda_driver_ask(&gpus, &said));
    check_two_cards(&gpus);
    CHECK(calls("cuInit") == 1);
}

static void part_not_loaded(void)
{
    check_mute("libcuda.so.1 is not loaded in this process");
    CHECK(calls("cuDeviceGetCount") == 0);
    CHECK(!is_mapped("libcuda.so"));
}

static void part_not_initialised(void)
{
    load_library();
    check_mute("libcuda.so.1 is not initialised in this process");
    CHECK(calls("cuDeviceGetCount") == 1);
    CHECK(calls("cuInit") == 0);
}

static void part_closed(void)
{
    struct gpus gpus = {0};
    struct gpu_said said = {0};
    void *handle = load_and_initialise();
    for (int i = 0; i < 3; i++)
        CHECK(cuda_driver_ask(&gpus, &said));
    set("B10_FAKE_RC", "cuDeviceGetName:999");
    check_mute("cuDeviceGetName: 999 (unknown error)");
    CHECK(is_mapped("libcuda.so"));
    CHECK(dlclose(handle) == 0);
    CHECK(!is_mapped("libcuda.so"));
    set("B10_FAKE_RC", "");
    CHECK(cuda_driver_version(&said) == 12080);
    CHECK(!is_mapped("libcuda.so"));
    CHECK(dlerror() == NULL);
}

static void part_return_codes(void)
{
    static const char *const functions[] = {"cuDeviceGetCount", "cuDriverGetVersion", "cuDeviceGet",
                                            "cuDeviceGetName", "cuDeviceGetAttribute"};
    static const char *const codes[][2] = {
        {"1", ""},
        {"34", " (stub library)"},
        {"100", " (no device)"},
        {"803", " (driver and library mismatch)"},
        {"999", " (unknown error)"},
        {"-7", ""},
    };
    load_and_initialise();
    for (size_t f = 0; f < sizeof(functions) / sizeof(*functions); f++) {
        for (size_t c = 0; c < sizeof(codes) / sizeof(*codes); c++) {
            char rc[64];
            char why[100];
            snprintf(rc, sizeof(rc), "%s:%s", functions[f], codes[c][0]);
            snprintf(why, sizeof(why), "%s: %s%s", functions[f], codes[c][0], codes[c][1]);
            set("B10_FAKE_RC", rc);
            check_mute(why);
        }
    }
    set("B10_FAKE_RC", "cuDeviceGetName:3");
    check_mute("cuDeviceGetName: 3 (not initialised)");
}

static void part_strange_answers(void)
{
    load_and_initialise();
    set("B10_FAKE_GPUS", ";9.0;GPU-1");
    check_mute("a device has no name");
    set("B10_FAKE_GPUS", "NVIDIA H100;9.0;GPU-1|NVIDIA \xc2\xae;9.0;GPU-2");
    check_mute("the name of a device is not printable ASCII: 'NVIDIA ?"
               "?'");
    set("B10_FAKE_GPUS", "NVIDIA H100;0.0;GPU-1");
    check_mute("compute capability 0.0 of a device");
    set("B10_FAKE_GPUS", "NVIDIA H100;9.10;GPU-1");
    check_mute("compute capability 9.10 of a device");
    set("B10_FAKE_GPUS", "NVIDIA H100;-9.0;GPU-1");
    check_mute("compute capability -9.0 of a device");
    set("B10_FAKE_GPUS", "NVIDIA H100;9.0;GPU-1");
    set("B10_FAKE_CUDA", "0");
    check_mute("cuDriverGetVersion: version 0");
    set("B10_FAKE_CUDA", "-12080");
    check_mute("cuDriverGetVersion: version -12080");
    set("B10_FAKE_CUDA", "12");
    check_mute("12 is not a CUDA version");
}

static void part_no_device(void)
{
    struct gpus gpus = {0};
    struct gpu_said said = {0};
    load_and_initialise();
    set("B10_FAKE_GPUS", "");
    CHECK(cuda_driver_ask(&gpus, &said));
    CHECK(gpus.count == 0);
}

static void ask_in_child(void *context)
{
    (void)context;
    check_mute("libcuda.so.1 is not initialised in this process");
}

static void part_forked(void)
{
    struct gpus gpus = {0};
    struct gpu_said said = {0};
    load_and_initialise();
    sandbox_run(ask_in_child, NULL);
    CHECK(cuda_driver_ask(&gpus, &said));
    check_two_cards(&gpus);
}

static void part_version(void)
{
    struct gpu_said said = {0};
    CHECK(cuda_driver_version(&said) == 12080);
    set("B10_FAKE_CUDA", "13010");
    CHECK(cuda_driver_version(&said) == 13010);
    CHECK(calls("cuDriverGetVersion") == 2);
    CHECK(calls("cuInit") == 0);
    set("B10_FAKE_RC", "cuDriverGetVersion:34");
    CHECK(cuda_driver_version(&said) == 0);
    CHECK(strcmp(said.text, "cuDriverGetVersion: 34 (stub library)") == 0);
    set("B10_FAKE_RC", "");
    set("B10_FAKE_CUDA", "0");
    CHECK(cuda_driver_version(&said) == 0);
    CHECK(strcmp(said.text, "cuDriverGetVersion: version 0") == 0);
    CHECK(!is_mapped("libcuda.so"));
}

static void part_no_library(void)
{
    struct gpus gpus = {0};
    struct gpu_said said = {0};
    CHECK(cuda_driver_version(&said) == 0);
    CHECK(strstr(said.text, "libcuda.so.1: ") != NULL);
    CHECK(!cuda_driver_init_and_ask(&gpus, &said));
    CHECK(strstr(said.text, "libcuda.so.1: ") != NULL);
    check_mute("libcuda.so.1 is not loaded in this process");
}

static void part_other_library(void)
{
    struct gpus gpus = {0};
    struct gpu_said said = {0};
    CHECK(cuda_driver_version(&said) == 0);
    CHECK(strcmp(said.text, "libcuda.so.1 has no cuDriverGetVersion") == 0);
    CHECK(!is_mapped("libcuda.so"));
    CHECK(!cuda_driver_init_and_ask(&gpus, &said));
    CHECK(strcmp(said.text, "libcuda.so.1 has no cuInit") == 0);
}

static void part_init_and_ask(void)
{
    static const char *const codes[][2] = {
        {"cuInit:3", "cuInit: 3 (not initialised)"},
        {"cuInit:34", "cuInit: 34 (stub library)"},
        {"cuInit:100", "cuInit: 100 (no device)"},
        {"cuInit:803", "cuInit: 803 (driver and library mismatch)"},
        {"cuInit:999", "cuInit: 999 (unknown error)"},
        {"cuInit:46", "cuInit: 46"},
        {"cuDeviceGetCount:3", "cuDeviceGetCount: 3 (not initialised)"},
    };
    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
        struct gpus none = {0};
        struct gpu_said said = {0};
        set("B10_FAKE_RC", codes[i][0]);
        CHECK(!cuda_driver_init_and_ask(&none, &said));
        CHECK(strcmp(said.text, codes[i][1]) == 0);
    }
    struct gpus gpus = {0};
    struct gpu_said said = {0};
    set("B10_FAKE_RC", "");
    CHECK(cuda_driver_init_and_ask(&gpus, &said));
    check_two_cards(&gpus);
}

static const struct rerun_part parts[] = {
    {"initialised", part_initialised},
    {"not loaded", part_not_loaded},
    {"not initialised", part_not_initialised},
    {"closed", part_closed},
    {"return codes", part_return_codes},
    {"strange answers", part_strange_answers},
    {"no device", part_no_device},
    {"forked", part_forked},
    {"version", part_version},
    {"no library", part_no_library},
    {"other library", part_other_library},
    {"init and ask", part_init_and_ask},
    {NULL, NULL},
};

/* ---- the tests ---- */

static void run_with(const struct scratch *scratch, const char *part, const char *library_path)
{
    char log[300];
    snprintf(log, sizeof(log), "B10_FAKE_LOG=%s", scratch_path(scratch, "log"));
    rerun(part, library_path, two_cards, log, "CUDA_VISIBLE_DEVICES", NULL);
}

static void an_initialised_driver_tells_every_kind(void **state)
{
    run_with(*state, "initialised", fakes);
}

static void a_process_without_the_driver_stays_without_it(void **state)
{
    run_with(*state, "not loaded", fakes);
}

static void a_driver_that_is_only_loaded_is_not_initialised_by_asking(void **state)
{
    run_with(*state, "not initialised", fakes);
}

static void every_handle_is_closed(void **state)
{
    run_with(*state, "closed", fakes);
}

static void every_function_may_fail_with_any_code(void **state)
{
    run_with(*state, "return codes", fakes);
}

static void answers_that_make_no_sense_are_no_answer(void **state)
{
    run_with(*state, "strange answers", fakes);
}

static void no_device_is_an_answer(void **state)
{
    run_with(*state, "no device", fakes);
}

static void a_forked_child_has_no_answer_and_its_parent_still_has(void **state)
{
    run_with(*state, "forked", fakes);
}

static void the_version_needs_no_initialisation(void **state)
{
    run_with(*state, "version", fakes);
}

/* Whatever this machine has elsewhere, the loader stops at a file that is no library. */
static void a_library_that_cannot_be_loaded_is_named(void **state)
{
    char path[300];
    scratch_text(*state, "broken/libcuda.so.1",
                 "This is a text, and too long for an ELF header to "
                 "be mistaken for one.\n");
    snprintf(path, sizeof(path), "LD_LIBRARY_PATH=%s", scratch_path(*state, "broken"));
    run_with(*state, "no library", path);
}

static void a_library_that_lacks_a_function_is_no_answer(void **state)
{
    char path[300];
    scratch_mkdir(*state, "other");
    assert_int_equal(symlink(TEST_NVIDIA "/nvml/libnvidia-ml.so.1",
                             scratch_path(*state, "other/libcuda.so.1")),
                     0);
    snprintf(path, sizeof(path), "LD_LIBRARY_PATH=%s", scratch_path(*state, "other"));
    run_with(*state, "other library", path);
}

static void the_helpers_question_initialises_and_then_asks(void **state)
{
    run_with(*state, "init and ask", fakes);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        ROW(an_initialised_driver_tells_every_kind),
        ROW(a_process_without_the_driver_stays_without_it),
        ROW(a_driver_that_is_only_loaded_is_not_initialised_by_asking),
        ROW(every_handle_is_closed),
        ROW(the_version_needs_no_initialisation),
        ROW(no_device_is_an_answer),
        ROW(the_helpers_question_initialises_and_then_asks),
        ROW(every_function_may_fail_with_any_code),
        ROW(answers_that_make_no_sense_are_no_answer),
        ROW(a_forked_child_has_no_answer_and_its_parent_still_has),
        ROW(a_library_that_cannot_be_loaded_is_named),
        ROW(a_library_that_lacks_a_function_is_no_answer),
    };
    rerun_main(argc, argv, parts);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
