/* nvml_ask against stand-ins for NVIDIA's libraries (support/nvidia/fake.h): the dynamic linker
 * reads LD_LIBRARY_PATH at a process's start, so every question is asked by a process of its own,
 * this program again. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "env/cuda_driver.h"
#include "env/gpu.h"
#include "support/scratch.h"

#define H100              "NVIDIA H100 80GB HBM3;9.0;"
#define A100              "NVIDIA A100-SXM4-40GB;8.0;"
#define T4                "Tesla T4;7.5;"
#define ONE               "GPU-11111111-2222-3333-4444-555555555555"
#define TWO               "GPU-22222222-2222-3333-4444-555555555555"
#define MIG1              "MIG-aaaaaaaa-2222-3333-4444-555555555555"
#define MIG2              "MIG-bbbbbbbb-2222-3333-4444-555555555555"

#define FAKE_CUDA         TEST_NVIDIA "/cuda"
#define FAKE_NVML         TEST_NVIDIA "/nvml"
#define FAKE_NVML_OLD     TEST_NVIDIA "/nvml_old"
#define FAKE_NVML_LACKING TEST_NVIDIA "/nvml_lacking" /* nvmlDeviceGetUUID */

enum { ANSWER_SIZE = 4096, THREADS = 8, ROUNDS = 10 };

/* What the dynamic linker guards with its own locks, thread sanitizer takes for a race. */
__attribute__((visibility("default"))) const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:ld-linux\n";
}

/* ---- the process that asks ---- */

/* "12.8|NVIDIA H100 80GB HBM3;90;|…", or "!" and why not. */
static void format_answer(char out[ANSWER_SIZE], bool answered, const struct gpus *gpus,
                          const struct gpu_said *said)
{
    if (!answered) {
        snprintf(out, ANSWER_SIZE, "!%s", said->text);
        return;
    }
    size_t used = (size_t)snprintf(out, ANSWER_SIZE, "%s", gpus->cuda);
    for (size_t i = 0; i < gpus->count; i++)
        used += (size_t)snprintf(out + used, ANSWER_SIZE - used, "|%s;%s;%s", gpus->kinds[i].name,
                                 gpus->kinds[i].capability, gpus->kinds[i].mig);
}

static void ask_nvml(char out[ANSWER_SIZE])
{
    struct gpus gpus;
    struct gpu_said said = {.text = ""};
    struct gpu_probe probe = {.visible_devices = getenv("CUDA_VISIBLE_DEVICES"),
                              .device_order = getenv("CUDA_DEVICE_ORDER")};
    format_answer(out, nvml_ask(&gpus, &probe, &said), &gpus, &said);
}

static void ask_cuda(char out[ANSWER_SIZE])
{
    struct gpus gpus = {.count = 0};
    struct gpu_said said = {.text = ""};
    format_answer(out, cuda_driver_init_and_ask(&gpus, &said), &gpus, &said);
}

/* Thread sanitizer maps the files that its reports are about, also of reports that are suppressed. */
#ifdef __SANITIZE_THREAD__
enum { MAPPED_BY_OTHERS = 1 };
#else
enum { MAPPED_BY_OTHERS = 0 };
#endif

static bool is_mapped(const char *what)
{
    char line[4096];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
        found = found || strstr(line, what) != NULL;
    if (maps != NULL)
        fclose(maps);
    return found || maps == NULL;
}

static void *ask_often(void *first)
{
    char answer[ANSWER_SIZE];
    for (int i = 0; i < ROUNDS; i++) {
        ask_nvml(answer);
        if (strcmp(answer, first) != 0)
            return first;
    }
    return NULL;
}

/* "different answers" after it if threads got any. */
static void ask_at_once(char answer[ANSWER_SIZE])
{
    pthread_t threads[THREADS];
    bool different = false;
    ask_nvml(answer);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, ask_often, answer);
    for (int i = 0; i < THREADS; i++) {
        void *other = NULL;
        pthread_join(threads[i], &other);
        different = different || other != NULL;
    }
    if (different)
        printf("different answers: ");
}

static int asker(const char *what)
{
    char answer[ANSWER_SIZE] = "";
    size_t before = scratch_open_descriptors();
    if (strcmp(what, "nvml") == 0)
        ask_nvml(answer);
    else if (strcmp(what, "cuda") == 0)
        ask_cuda(answer);
    else
        ask_at_once(answer);
    printf("%s", answer);
    if (scratch_open_descriptors() != before)
        printf(" and leaves a descriptor");
    if (MAPPED_BY_OTHERS && strcmp(what, "threads") == 0)
        return 0;
    if (is_mapped("libnvidia-ml") || (strcmp(what, "cuda") != 0 && is_mapped("libcuda")))
        printf(" and leaves a library");
    return 0;
}

/* ---- asking it ---- */

/* The process's environment beside its own: "NAME=value" each, and what it asks. */
struct question {
    const char *what; /* NULL: "nvml" */
    const char *libraries;
    const char *cards;
    const char *codes;
    const char *visible;
    const char *order;
};

static void set(const char *name, const char *value)
{
    if (value != NULL)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

static _Noreturn void become_asker(const struct question *question, const char *log, int output)
{
    const char *what = question->what != NULL ? question->what : "nvml";
    set("LD_LIBRARY_PATH", question->libraries != NULL ? question->libraries : FAKE_NVML);
    set("B10_FAKE_GPUS", question->cards);
    set("B10_FAKE_RC", question->codes);
    set("B10_FAKE_CUDA", "12080");
    set("B10_FAKE_LOG", log);
    set("B10_FAKE_DELAY_MS", NULL);
    set("CUDA_VISIBLE_DEVICES", question->visible);
    set("CUDA_DEVICE_ORDER", question->order);
    dup2(output, STDOUT_FILENO);
    execl("/proc/self/exe", "asker", what, (char *)NULL);
    _exit(126);
}

/* Its answer, until the next call; the calls it made are in the file "log". */
static const char *ask(const struct scratch *scratch, struct question question)
{
    static char answer[ANSWER_SIZE];
    int ends[2];
    int status = -1;
    size_t used = 0;
    ssize_t got;
    scratch_text(scratch, "log", "");
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        become_asker(&question, scratch_path(scratch, "log"), ends[1]);
    close(ends[1]);
    while ((got = read(ends[0], answer + used, sizeof(answer) - 1 - used)) > 0)
        used += (size_t)got;
    answer[used] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    return answer;
}

/* How often a function stands in the log. */
static size_t calls(const struct scratch *scratch, const char *function)
{
    size_t count = 0;
    char name[100];
    char *log = scratch_read(scratch, "log", NULL);
    snprintf(name, sizeof(name), " %s\n", function);
    for (const char *at = log; (at = strstr(at, name)) != NULL; at += strlen(name))
        count++;
    free(log);
    return count;
}

/* One start that succeeded, and its end is the last that the library hears. */
static void assert_ended_well(const struct scratch *scratch, const char *init)
{
    char *log = scratch_read(scratch, "log", NULL);
    static const char last[] = " nvmlShutdown\n";
    assert_int_equal(calls(scratch, init), 1);
    assert_int_equal(calls(scratch, "nvmlShutdown"), 1);
    assert_non_null(strstr(log, last));
    const char *after = strstr(log, last) + strlen(last);
    assert_null(strstr(after, "nvml"));
    assert_int_equal(calls(scratch, "cuInit"), 0);
    free(log);
}

#define ASSERT_SAYS(scratch, expected, ...)                                                        \
    assert_string_equal(ask(scratch, (struct question){__VA_ARGS__}), expected)

/* ---- promise ---- */

static void a_card_is_told_by_name_capability_and_cuda_version(void **state)
{
    ASSERT_SAYS(*state, "12.8|NVIDIA H100 80GB HBM3;90;", .cards = H100 ONE);
    assert_ended_well(*state, "nvmlInit_v2");
}

static void equal_cards_are_one_kind_and_different_ones_are_sorted(void **state)
{
    ASSERT_SAYS(*state, "12.8|NVIDIA H100 80GB HBM3;90;", .cards = H100 ONE "|" H100 TWO);
    ASSERT_SAYS(*state, "12.8|NVIDIA A100-SXM4-40GB;80;|NVIDIA H100 80GB HBM3;90;|Tesla T4;75;",
                .cards = T4 "GPU-3|" H100 ONE "|" A100 TWO);
    ASSERT_SAYS(*state, "12.8|NVIDIA A100-SXM4-40GB;80;|NVIDIA A100-SXM4-40GB;86;",
                .cards = A100 ONE "|NVIDIA A100-SXM4-40GB;8.6;" TWO);
}

static void only_visible_cards_count(void **state)
{
    static const char two[] = H100 ONE "|" A100 TWO;
    ASSERT_SAYS(*state, "12.8|NVIDIA A100-SXM4-40GB;80;", .cards = two, .visible = "1",
                .order = "PCI_BUS_ID");
    ASSERT_SAYS(*state, "12.8|NVIDIA A100-SXM4-40GB;80;", .cards = two, .visible = "GPU-2");
    ASSERT_SAYS(*state, "12.8|NVIDIA H100 80GB HBM3;90;", .cards = H100 ONE "|" H100 TWO,
                .visible = "1");
    ASSERT_SAYS(*state,
                "!CUDA_VISIBLE_DEVICES selects by index among different cards, and "
                "CUDA_DEVICE_ORDER is not PCI_BUS_ID",
                .cards = two, .visible = "1");
    assert_ended_well(*state, "nvmlInit_v2");
}

static void no_visible_card_is_an_answer(void **state)
{
    ASSERT_SAYS(*state, "", .cards = NULL);
    assert_ended_well(*state, "nvmlInit_v2");
    ASSERT_SAYS(*state, "", .cards = H100 ONE, .visible = "");
    ASSERT_SAYS(*state, "", .cards = H100 ONE, .visible = "-1");
    assert_ended_well(*state, "nvmlInit_v2");
}

static void a_mig_device_has_its_profile_and_its_cards_capability(void **state)
{
    static const char cut[] = H100 ONE ";1g.10gb:" MIG1 ",3g.40gb:" MIG2;
    static const char even[] = H100 ONE ";1g.10gb:" MIG1 ",1g.10gb:" MIG2;
    ASSERT_SAYS(*state, "12.8|NVIDIA H100 80GB HBM3;90;1g.10gb", .cards = even);
    ASSERT_SAYS(*state, "12.8|NVIDIA H100 80GB HBM3;90;1g.10gb", .cards = even, .visible = "0");
    ASSERT_SAYS(*state, "12.8|NVIDIA H100 80GB HBM3;90;3g.40gb", .cards = cut,
                .visible = "MIG-bbbb");
    ASSERT_SAYS(*state, "12.8|NVIDIA H100 80GB HBM3;90;3g.40gb", .cards = cut,
                .visible = "MIG-" ONE "/8/0");
    ASSERT_SAYS(*state,
                "!CUDA shows only one of several devices, of which some are MIG devices "
                "and not all are alike",
                .cards = cut);
    assert_ended_well(*state, "nvmlInit_v2");
}

/* Forward compatibility: libcuda.so.1 may be newer than the driver. It is only asked, never
 * initialised. */
static void the_cuda_version_is_libcudas_where_there_is_one(void **state)
{
    ASSERT_SAYS(*state, "12.8|NVIDIA H100 80GB HBM3;90;", .cards = H100 ONE,
                .libraries = FAKE_NVML ":" FAKE_CUDA);
    assert_int_equal(calls(*state, "cuDriverGetVersion"), 1);
    assert_int_equal(calls(*state, "nvmlSystemGetCudaDriverVersion_v2"), 0);
    assert_ended_well(*state, "nvmlInit_v2");
    ASSERT_SAYS(*state, "12.8|NVIDIA H100 80GB HBM3;90;", .cards = H100 ONE,
                .libraries = FAKE_NVML ":" FAKE_CUDA, .codes = "cuDriverGetVersion:34");
    assert_int_equal(calls(*state, "nvmlSystemGetCudaDriverVersion_v2"), 1);
}

static void cuda_itself_gives_the_same_answer(void **state)
{
    static const struct question machines[] = {
        {.cards = H100 ONE},
        {.cards = H100 ONE "|" H100 TWO},
        {.cards = H100 ONE "|" H100 TWO, .visible = "1"},
        {.cards = T4 "GPU-3|" H100 ONE "|" A100 TWO},
        {.cards = T4 "GPU-3|" H100 ONE "|" A100 TWO, .visible = "2,0", .order = "PCI_BUS_ID"},
        {.cards = T4 "GPU-3|" H100 ONE "|" A100 TWO, .visible = "GPU-2,GPU-1"},
        {.cards = T4 "GPU-3|" H100 ONE "|" A100 TWO, .visible = "GPU-2,GPU-x,GPU-1"},
        {.cards = H100 ONE ";1g.10gb:" MIG1 ",1g.10gb:" MIG2},
        {.cards = H100 ONE ";1g.10gb:" MIG1 ",3g.40gb:" MIG2, .visible = MIG1},
        {.cards = H100 ONE ";1g.10gb:" MIG1 ",3g.40gb:" MIG2, .visible = "MIG-b"},
        {.cards = A100 ONE ";1g.5gb:" MIG1, .visible = "0"},
    };
    for (size_t i = 0; i < sizeof(machines) / sizeof(*machines); i++) {
        char answer[ANSWER_SIZE];
        struct question question = machines[i];
        question.libraries = FAKE_NVML ":" FAKE_CUDA;
        strcpy(answer, ask(*state, question));
        assert_memory_equal(answer, "12.8|", 5);
        question.what = "cuda";
        assert_string_equal(ask(*state, question), answer);
        assert_int_equal(calls(*state, "cuInit"), 1);
    }
}

/* ---- edges ---- */

static void an_old_library_is_asked_by_its_old_names(void **state)
{
    ASSERT_SAYS(*state, "12.8|Tesla T4;75;", .cards = T4 ONE, .libraries = FAKE_NVML_OLD);
    assert_ended_well(*state, "nvmlInit");
    ASSERT_SAYS(*state, "!nvmlSystemGetCudaDriverVersion failed: 13", .cards = T4 ONE,
                .libraries = FAKE_NVML_OLD, .codes = "nvmlSystemGetCudaDriverVersion:13");
}

/* ---- hostile ---- */

static void names_that_are_none_are_no_answer(void **state)
{
    ASSERT_SAYS(*state, "!a device has no name", .cards = ";9.0;" ONE);
    assert_ended_well(*state, "nvmlInit_v2");
    ASSERT_SAYS(*state, "!the name of a device is not printable ASCII: 'NVIDIA H??s'",
                .cards = "NVIDIA H\xc3\xa9s;9.0;" ONE);
    ASSERT_SAYS(*state, "!the name of a device is not printable ASCII: 'A?B'",
                .cards = "A\x1b"
                         "B;9.0;" ONE);
    ASSERT_SAYS(*state, "12.8|NVIDIA H100 80GB HBM3;90;", .cards = H100 ONE "|;9.0;" TWO,
                .visible = "GPU-1");
    ASSERT_SAYS(*state, "!the name 'NVIDIA H100 80GB HBM3 MIG ' of a MIG device has no profile",
                .cards = H100 ONE ";:" MIG1);
}

static void a_capability_that_is_none_is_no_answer(void **state)
{
    static const char *const cards[] = {"X;0.0;" ONE,  "X;0.5;" ONE,  "X;-9.0;" ONE,
                                        "X;9.10;" ONE, "X;9.-1;" ONE, "X;214748364.8;" ONE};
    for (size_t i = 0; i < sizeof(cards) / sizeof(*cards); i++)
        ASSERT_SAYS(*state, "!the compute capability of 'X' is 0", .cards = cards[i]);
}

/* ---- failure ---- */

static void what_stops_the_library_is_said_in_words(void **state)
{
    static const struct {
        int code;
        const char *words;
    } known[] = {
        {4, " (no permission)"},
        {6, " (not found)"},
        {9, " (the driver is not loaded)"},
        {15, " (the GPU is lost)"},
        {18, " (driver and library are of different versions)"},
        {999, " (unknown error)"},
    };
    for (int code = 1; code <= 1000; code += code == 30 ? 969 : 1) {
        char codes[100];
        char expected[200];
        const char *words = "";
        for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
            words = known[i].code == code ? known[i].words : words;
        snprintf(codes, sizeof(codes), "nvmlInit_v2:%d", code);
        snprintf(expected, sizeof(expected), "!nvmlInit failed: %d%s", code, words);
        ASSERT_SAYS(*state, expected, .cards = H100 ONE, .codes = codes);
        assert_int_equal(calls(*state, "nvmlInit_v2"), 1);
        assert_int_equal(calls(*state, "nvmlShutdown"), 0);
    }
}

static void a_function_that_fails_is_named_and_the_library_is_shut_down(void **state)
{
    static const char *const functions[] = {
        "nvmlDeviceGetCount_v2",
        "nvmlDeviceGetHandleByIndex_v2",
        "nvmlDeviceGetName",
        "nvmlDeviceGetUUID",
        "nvmlDeviceGetCudaComputeCapability",
        "nvmlDeviceGetMigMode",
        "nvmlDeviceGetMaxMigDeviceCount",
        "nvmlDeviceGetMigDeviceHandleByIndex",
        "nvmlDeviceGetGpuInstanceId",
        "nvmlDeviceGetComputeInstanceId",
    };
    static const char *const codes[] = {"1", "2", "4", "15", "999"};
    for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
        for (size_t k = 0; k < sizeof(codes) / sizeof(*codes); k++) {
            char code[100];
            char begin[100];
            int length = (int)strcspn(functions[i], "_");
            snprintf(code, sizeof(code), "%s:%s", functions[i], codes[k]);
            snprintf(begin, sizeof(begin), "!%.*s failed: %s", length, functions[i], codes[k]);
            const char *answer =
                ask(*state, (struct question){.cards = H100 ONE ";1g.10gb:" MIG1, .codes = code});
            assert_memory_equal(answer, begin, strlen(begin));
            assert_null(strstr(answer, "leaves"));
            assert_ended_well(*state, "nvmlInit_v2");
        }
    }
}

static void the_version_is_asked_twice_before_there_is_no_answer(void **state)
{
    static const char failing[] = "nvmlSystemGetCudaDriverVersion_v2:12";
    ASSERT_SAYS(*state, "12.8|NVIDIA H100 80GB HBM3;90;", .cards = H100 ONE, .codes = failing);
    assert_int_equal(calls(*state, "nvmlSystemGetCudaDriverVersion"), 1);
    ASSERT_SAYS(*state,
                "!nvmlSystemGetCudaDriverVersion failed: 18 (driver and library are of "
                "different versions)",
                .cards = H100 ONE,
                .codes = "nvmlSystemGetCudaDriverVersion_v2:12,nvmlSystemGetCudaDriverVersion:18");
    assert_ended_well(*state, "nvmlInit_v2");
}

static void facts_of_cards_that_are_not_chosen_may_be_missing(void **state)
{
    ASSERT_SAYS(*state, "", .cards = H100 ONE, .visible = "",
                .codes = "nvmlDeviceGetName:999,nvmlDeviceGetCudaComputeCapability:999,"
                         "nvmlSystemGetCudaDriverVersion_v2:999");
    assert_ended_well(*state, "nvmlInit_v2");
}

static void a_shutdown_that_fails_changes_nothing(void **state)
{
    ASSERT_SAYS(*state, "12.8|NVIDIA H100 80GB HBM3;90;", .cards = H100 ONE,
                .codes = "nvmlShutdown:999");
    assert_ended_well(*state, "nvmlInit_v2");
}

static void a_library_that_lacks_a_function_is_not_started(void **state)
{
    ASSERT_SAYS(*state, "!libnvidia-ml.so.1 has no nvmlDeviceGetUUID", .cards = H100 ONE,
                .libraries = FAKE_NVML_LACKING);
    assert_int_equal(calls(*state, "nvmlInit_v2"), 0);
}

static void a_file_that_is_no_library_is_said_to_be_none(void **state)
{
    const struct scratch *scratch = *state;
    scratch_text(scratch, "bad/libnvidia-ml.so.1", "not a library");
    const char *answer =
        ask(scratch, (struct question){.libraries = scratch_path(scratch, "bad"), .cards = NULL});
    assert_int_equal(answer[0], '!');
    assert_non_null(strstr(answer, "libnvidia-ml.so.1"));
    assert_null(strstr(answer, "leaves"));
}

static void without_the_library_there_is_no_answer(void **state)
{
    const char *answer = ask(*state, (struct question){.libraries = "/nonexistent"});
    if (answer[0] != '!' || strstr(answer, "cannot open shared object") == NULL) {
        print_message("skipped: this machine has a libnvidia-ml.so.1 of its own\n");
        skip();
    }
    assert_string_equal(answer, "!libnvidia-ml.so.1: cannot open shared object file: No such file "
                                "or directory");
}

/* ---- race ---- */

static void threads_that_ask_at_once_get_the_same_answer(void **state)
{
    ASSERT_SAYS(*state, "12.8|NVIDIA A100-SXM4-40GB;80;|NVIDIA H100 80GB HBM3;90;",
                .what = "threads", .cards = H100 ONE "|" A100 TWO,
                .libraries = FAKE_NVML ":" FAKE_CUDA);
    assert_int_equal(calls(*state, "nvmlInit_v2"), THREADS * ROUNDS + 1);
    assert_int_equal(calls(*state, "nvmlShutdown"), THREADS * ROUNDS + 1);
    assert_int_equal(calls(*state, "cuInit"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(int count, char **arguments)
{
    if (count == 2)
        return asker(arguments[1]);
    const struct CMUnitTest tests[] = {
        TEST(a_card_is_told_by_name_capability_and_cuda_version),
        TEST(equal_cards_are_one_kind_and_different_ones_are_sorted),
        TEST(only_visible_cards_count),
        TEST(no_visible_card_is_an_answer),
        TEST(a_mig_device_has_its_profile_and_its_cards_capability),
        TEST(the_cuda_version_is_libcudas_where_there_is_one),
        TEST(cuda_itself_gives_the_same_answer),
        TEST(an_old_library_is_asked_by_its_old_names),
        TEST(names_that_are_none_are_no_answer),
        TEST(a_capability_that_is_none_is_no_answer),
        TEST(what_stops_the_library_is_said_in_words),
        TEST(a_function_that_fails_is_named_and_the_library_is_shut_down),
        TEST(the_version_is_asked_twice_before_there_is_no_answer),
        TEST(facts_of_cards_that_are_not_chosen_may_be_missing),
        TEST(a_shutdown_that_fails_changes_nothing),
        TEST(a_library_that_lacks_a_function_is_not_started),
        TEST(a_file_that_is_no_library_is_said_to_be_none),
        TEST(without_the_library_there_is_no_answer),
        TEST(threads_that_ask_at_once_get_the_same_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
