#include "env/gpu.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/sandbox.h"

static void assert_printable(const char *text)
{
    assert_true(*text != '\0');
    for (; *text != '\0'; text++)
        assert_true(*text >= ' ' && *text <= '~');
}

static void add(struct gpus *gpus, const char *name, int capability)
{
    struct gpu_said said = {0};
    if (!gpus_add(gpus, name, capability, &said))
        fail_msg("%s", said.text);
}

static void assert_refused(const char *name, int capability, const char *why)
{
    struct gpus gpus = {0};
    struct gpu_said said = {0};
    assert_false(gpus_add(&gpus, name, capability, &said));
    assert_non_null(strstr(said.text, why));
    assert_printable(said.text);
    assert_int_equal(gpus.count, 0);
}

/* ---- kinds ---- */

static void kinds_are_sorted_and_each_stands_once(void **state)
{
    (void)state;
    struct gpus gpus = {0};
    add(&gpus, "NVIDIA L4", 89);
    add(&gpus, "NVIDIA A100-SXM4-40GB MIG 1g.5gb", 80);
    add(&gpus, "NVIDIA L4", 89);
    add(&gpus, "NVIDIA A100-SXM4-40GB", 80);
    add(&gpus, "NVIDIA H100 80GB HBM3", 90);
    assert_int_equal(gpus.count, 4);
    assert_string_equal(gpus.kinds[0].name, "NVIDIA A100-SXM4-40GB");
    assert_string_equal(gpus.kinds[0].mig, "");
    assert_string_equal(gpus.kinds[0].capability, "80");
    assert_string_equal(gpus.kinds[1].name, "NVIDIA A100-SXM4-40GB");
    assert_string_equal(gpus.kinds[1].mig, "1g.5gb");
    assert_string_equal(gpus.kinds[2].name, "NVIDIA H100 80GB HBM3");
    assert_string_equal(gpus.kinds[3].name, "NVIDIA L4");
    assert_string_equal(gpus.kinds[3].capability, "89");
}

static void the_order_of_adding_does_not_matter(void **state)
{
    (void)state;
    static const char *const names[] = {"B", "A MIG 1g.5gb", "A", "C", "A MIG 2g.10gb"};
    enum { COUNT = sizeof(names) / sizeof(*names) };
    struct gpus first = {0};
    for (int i = 0; i < COUNT; i++)
        add(&first, names[i], 80);
    for (int start = 0; start < COUNT; start++) {
        struct gpus turned = {0};
        for (int i = 0; i < 2 * COUNT; i++)
            add(&turned, names[(start + 2 * i) % COUNT], 80);
        assert_memory_equal(&first, &turned, sizeof(first));
    }
}

static void equal_names_of_other_capability_are_two_kinds(void **state)
{
    (void)state;
    struct gpus gpus = {0};
    add(&gpus, "NVIDIA Graphics Device", 120);
    add(&gpus, "NVIDIA Graphics Device", 100);
    assert_int_equal(gpus.count, 2);
    assert_string_equal(gpus.kinds[0].capability, "100");
    assert_string_equal(gpus.kinds[1].capability, "120");
}

static void a_mig_profile_is_one_word_at_the_end(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"NVIDIA H100 MIG 1g.10gb+me", "NVIDIA H100", "1g.10gb+me"},
        {"NVIDIA MIG Card", "NVIDIA", "Card"},
        {"NVIDIA MIG Card X", "NVIDIA MIG Card X", ""},
        {"A MIG B MIG 1c.3g.20gb", "A MIG B", "1c.3g.20gb"},
        {"NVIDIA H100 MIG ", "NVIDIA H100 MIG ", ""},
        {"NVIDIA H100 MIG", "NVIDIA H100 MIG", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct gpus gpus = {0};
        add(&gpus, rows[i][0], 90);
        assert_string_equal(gpus.kinds[0].name, rows[i][1]);
        assert_string_equal(gpus.kinds[0].mig, rows[i][2]);
    }
}

static void names_and_profiles_fit_or_are_refused(void **state)
{
    (void)state;
    char name[200];
    struct gpus gpus = {0};
    memset(name, 'n', sizeof(name));
    memcpy(name + GPU_NAME_SIZE - 1, " MIG ", 5);
    memset(name + GPU_NAME_SIZE + 4, 'p', sizeof(name) - GPU_NAME_SIZE - 4);
    name[GPU_NAME_SIZE + 4 + GPU_SHORT_SIZE - 1] = '\0';
    add(&gpus, name, 90);
    assert_int_equal(strlen(gpus.kinds[0].name), GPU_NAME_SIZE - 1);
    assert_int_equal(strlen(gpus.kinds[0].mig), GPU_SHORT_SIZE - 1);

    name[GPU_NAME_SIZE + 4 + GPU_SHORT_SIZE - 1] = 'p';
    name[GPU_NAME_SIZE + 4 + GPU_SHORT_SIZE] = '\0';
    assert_refused(name, 90, "too long");
    memset(name, 'n', GPU_NAME_SIZE);
    name[GPU_NAME_SIZE] = '\0';
    assert_refused(name, 90, "too long");
}

static void sixteen_kinds_are_the_most(void **state)
{
    (void)state;
    struct gpus gpus = {0};
    struct gpu_said said = {0};
    for (int i = 0; i < GPU_KINDS_LIMIT; i++) {
        char name[GPU_SHORT_SIZE];
        snprintf(name, sizeof(name), "card %d", i);
        add(&gpus, name, 90);
    }
    add(&gpus, "card 7", 90); /* as many cards of a kind as there are */
    assert_false(gpus_add(&gpus, "card", 90, &said));
    assert_non_null(strstr(said.text, "more than 16"));
    assert_int_equal(gpus.count, GPU_KINDS_LIMIT);
}

static void what_is_no_name_is_refused(void **state)
{
    (void)state;
    assert_refused(NULL, 90, "no name");
    assert_refused("", 90, "no name");
    assert_refused(" MIG 1g.5gb", 90, "no name");
    assert_refused("NVIDIA\nH100", 90, "not printable ASCII: 'NVIDIA?H100'");
    assert_refused("NVIDIA H100\x1b[31m", 90, "not printable ASCII");
    assert_refused("NVIDIA H100\xc2\xae", 90, "not printable ASCII");
    assert_refused("\x7f", 90, "not printable ASCII");
}

static void what_is_no_capability_is_refused(void **state)
{
    (void)state;
    assert_refused("NVIDIA H100", 0, "capability of 'NVIDIA H100' is 0");
    assert_refused("NVIDIA H100", -1, "capability of 'NVIDIA H100' is -1");
}

static void cuda_versions_read_as_people_write_them(void **state)
{
    (void)state;
    static const struct {
        int version;
        const char *text; /* NULL: refused */
    } rows[] = {{12080, "12.8"},  {9000, "9.0"},  {11020, "11.2"},    {13000, "13.0"},
                {12110, "12.11"}, {1000, "1.0"},  {999990, "999.99"}, {999, NULL},
                {0, NULL},        {-12080, NULL}, {1000000, NULL}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct gpus gpus = {0};
        struct gpu_said said = {0};
        assert_int_equal(gpus_set_cuda(&gpus, rows[i].version, &said), rows[i].text != NULL);
        assert_string_equal(gpus.cuda, rows[i].text != NULL ? rows[i].text : "");
        if (rows[i].text == NULL)
            assert_non_null(strstr(said.text, "is not a CUDA version"));
    }
}

static void what_is_said_is_one_printable_line(void **state)
{
    (void)state;
    char longest[2 * GPU_SAID_SIZE];
    struct gpu_said said = {0};
    memset(longest, '\t', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_false(gpu_mute(&said, "a\n%s\x80\x1b", "b\r"));
    assert_string_equal(said.text, "a?b???");
    assert_false(gpu_mute(&said, "%s", longest));
    assert_int_equal(strlen(said.text), GPU_SAID_SIZE - 1);
    assert_printable(said.text);
}

/* ---- which steps ---- */

static void lists_of_steps_are_understood(void **state)
{
    (void)state;
    enum { D = 1 << GPU_DRIVER, N = 1 << GPU_NVML, S = 1 << GPU_SPAWN, P = 1 << GPU_PROC };
    static const struct {
        const char *text;
        unsigned steps;
    } rows[] = {
        {"auto", D | N | P},
        {"AUTO", D | N | P},
        {"off", 0},
        {"Off", 0},
        {"driver", D},
        {"nvml", N},
        {"spawn", S},
        {"proc", P},
        {"driver,nvml,spawn,proc", D | N | S | P},
        {"proc , Spawn", S | P},
        {"nvml,nvml,", N},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        unsigned steps = ~0U;
        struct b10_error error = ERROR_NONE;
        assert_int_equal(gpu_parse_steps(&steps, rows[i].text, &error), B10_REASON_OK);
        assert_int_equal(steps, rows[i].steps);
    }
}

static void what_is_no_step_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"",           "cuda",       "drive",        "drivers",
                                       "driver,off", "auto,spawn", "driver,,nvml", "driver nvml",
                                       ",",          " ",          "driver;nvml"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        unsigned steps = 77;
        struct b10_error error = ERROR_NONE;
        assert_int_equal(gpu_parse_steps(&steps, rows[i], &error), B10_REASON_CONFIG);
        assert_int_equal(steps, 77);
        assert_printable(error.message);
    }
}

static void every_step_has_the_name_by_which_it_is_asked_for(void **state)
{
    (void)state;
    for (enum gpu_step step = GPU_DRIVER; step < GPU_STEP_COUNT; step++) {
        unsigned steps = 0;
        struct b10_error error = ERROR_NONE;
        assert_int_equal(gpu_parse_steps(&steps, gpu_step_name(step), &error), B10_REASON_OK);
        assert_int_equal(steps, 1U << step);
    }
}

/* ---- detection, on a host whose /dev is ours ---- */

static void detect(struct gpu_detection *detection, unsigned steps)
{
    const struct gpu_probe probe = {.steps = steps};
    struct b10_error error = ERROR_NONE;
    memset(detection, 0xee, sizeof(*detection));
    CHECK(gpu_detect(detection, &probe, &error) == B10_REASON_OK);
}

static void without_steps_nothing_is_asked(void **state)
{
    (void)state;
    struct gpu_detection detection;
    detect(&detection, 0);
    assert_int_equal(detection.verdict, GPU_NONE);
    assert_false(detection.answered);
    assert_int_equal(detection.gpus.count, 0);
    for (int step = 0; step < GPU_STEP_COUNT; step++) {
        assert_false(detection.said[step].tried);
        assert_string_equal(detection.said[step].text, "");
    }
}

static void only_what_is_asked_for_is_tried_and_it_says_why_not(void **state)
{
    (void)state;
    struct gpu_detection detection;
    detect(&detection, 1U << GPU_DRIVER);
    assert_true(detection.said[GPU_DRIVER].tried);
    assert_false(detection.said[GPU_DRIVER].answered);
    assert_string_equal(detection.said[GPU_DRIVER].text,
                        "libcuda.so.1 is not loaded in this process");
    assert_false(detection.said[GPU_NVML].tried);
    assert_false(detection.said[GPU_SPAWN].tried);
    assert_false(detection.said[GPU_PROC].tried);
    assert_false(detection.answered);
}

static void empty_host(struct scratch *scratch)
{
    sandbox_private_mounts(scratch);
    sandbox_tmpfs("/dev", "size=64k");
    if (mkdir("/proc/driver", 0755) == 0 || access("/proc/driver", F_OK) == 0)
        sandbox_tmpfs("/proc/driver", "size=64k");
}

static void nothing_and_then_a_sign(void *context)
{
    struct gpu_detection detection;
    empty_host(context);
    CHECK(mkdir("/dev/nvidia-caps", 0755) == 0);
    CHECK(mkdir("/dev/nvidia", 0755) == 0);
    detect(&detection, 1U << GPU_DRIVER);
    CHECK(detection.verdict == GPU_NONE && *detection.signs == '\0');
    CHECK(mkdir("/dev/nvidia3", 0755) == 0);
    detect(&detection, 1U << GPU_DRIVER);
    CHECK(detection.verdict == GPU_UNKNOWN && !detection.answered);
    CHECK(strcmp(detection.signs, "/dev/nvidia3") == 0);
    detect(&detection, 0);
    CHECK(detection.verdict == GPU_NONE && strcmp(detection.signs, "/dev/nvidia3") == 0);
}

static void without_an_answer_a_sign_makes_the_difference(void **state)
{
    sandbox_run(nothing_and_then_a_sign, *state);
}

static void each_sign_alone(void *context)
{
    static const char *const signs[] = {"/dev/nvidia0", "/dev/nvidia17", "/dev/nvidiactl",
                                        "/dev/dxg",     "/dev/nvmap",    "/proc/driver/nvidia"};
    char text[GPU_SAID_SIZE];
    empty_host(context);
    for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++) {
        if (strncmp(signs[i], "/proc/", 6) == 0 && access("/proc/driver", F_OK) != 0)
            continue; /* a kernel without it */
        CHECK(mkdir(signs[i], 0755) == 0);
        gpu_host_signs(text, sizeof(text));
        CHECK(strcmp(text, signs[i]) == 0);
        CHECK(rmdir(signs[i]) == 0);
    }
    gpu_host_signs(text, sizeof(text));
    CHECK(*text == '\0');
}

static void every_sign_counts(void **state)
{
    sandbox_run(each_sign_alone, *state);
}

static void many_signs(void *context)
{
    char path[32];
    char text[GPU_SAID_SIZE];
    char small[sizeof("/dev/nvidia0, /dev/nvidia1") - 1];
    empty_host(context);
    for (int i = 30; i >= 0; i--) {
        snprintf(path, sizeof(path), "/dev/nvidia%d", i);
        CHECK(mkdir(path, 0755) == 0);
    }
    gpu_host_signs(text, sizeof(text));
    CHECK(strncmp(text, "/dev/nvidia0, /dev/nvidia1, /dev/nvidia2, ", 42) == 0);
    CHECK(strstr(text, "/dev/nvidia9, /dev/nvidia10, /dev/nvidia11") != NULL);
    CHECK(strstr(text, "/dev/nvidia30") == NULL);
    gpu_host_signs(small, sizeof(small));
    CHECK(strcmp(small, "/dev/nvidia0") == 0);
}

static void signs_that_do_not_fit_are_left_out_whole(void **state)
{
    sandbox_run(many_signs, *state);
}

static void closed_dev(void *context)
{
    char text[GPU_SAID_SIZE];
    empty_host(context);
    CHECK(chmod("/dev", 0) == 0);
    sandbox_become(65534);
    gpu_host_signs(text, sizeof(text));
    CHECK(strcmp(text, "/dev (unreadable)") == 0);
}

static void a_dev_that_cannot_be_read_is_a_sign(void **state)
{
    sandbox_run(closed_dev, *state);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_sorted_and_each_stands_once),
        cmocka_unit_test(the_order_of_adding_does_not_matter),
        cmocka_unit_test(equal_names_of_other_capability_are_two_kinds),
        cmocka_unit_test(a_mig_profile_is_one_word_at_the_end),
        cmocka_unit_test(names_and_profiles_fit_or_are_refused),
        cmocka_unit_test(sixteen_kinds_are_the_most),
        cmocka_unit_test(what_is_no_name_is_refused),
        cmocka_unit_test(what_is_no_capability_is_refused),
        cmocka_unit_test(cuda_versions_read_as_people_write_them),
        cmocka_unit_test(what_is_said_is_one_printable_line),
        cmocka_unit_test(lists_of_steps_are_understood),
        cmocka_unit_test(what_is_no_step_is_refused),
        cmocka_unit_test(every_step_has_the_name_by_which_it_is_asked_for),
        cmocka_unit_test(without_steps_nothing_is_asked),
        cmocka_unit_test(only_what_is_asked_for_is_tried_and_it_says_why_not),
        ROW(without_an_answer_a_sign_makes_the_difference),
        ROW(every_sign_counts),
        ROW(signs_that_do_not_fit_are_left_out_whole),
        ROW(a_dev_that_cannot_be_read_is_a_sign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
