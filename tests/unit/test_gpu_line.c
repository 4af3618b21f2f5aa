#include "env/gpu_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/scratch.h"

static const char good[] = "b10-gpu 1|cuda=12.8|NVIDIA A100;80;1g.5gb|NVIDIA H100 80GB HBM3;90;\n";

static void add(struct gpus *gpus, const char *name, int capability)
{
    struct gpu_said said = {0};
    if (!gpus_add(gpus, name, capability, &said))
        fail_msg("%s", said.text);
}

static void set_cuda(struct gpus *gpus, int version)
{
    struct gpu_said said = {0};
    assert_true(gpus_set_cuda(gpus, version, &said));
}

static void assert_comes_back(const struct gpus *gpus)
{
    char line[GPU_LINE_SIZE];
    struct gpus back = {0};
    struct gpu_said said = {0};
    gpu_line_write(line, gpus, &said);
    if (!gpu_line_read(&back, line, &said))
        fail_msg("%s: %s", said.text, line);
    assert_memory_equal(&back, gpus, sizeof(back));
}

static void assert_senseless(const char *line)
{
    struct gpus gpus = {0};
    struct gpu_said said = {0};
    if (gpu_line_read(&gpus, line, &said))
        fail_msg("taken for an answer: %s", line);
    assert_true(strstr(said.text, "makes no sense") != NULL ||
                strstr(said.text, "something else than an answer") != NULL);
}

static void an_answer_is_a_line_that_people_can_read(void **state)
{
    (void)state;
    char line[GPU_LINE_SIZE];
    struct gpus gpus = {0};
    struct gpu_said said = {0};
    set_cuda(&gpus, 12080);
    add(&gpus, "NVIDIA H100 80GB HBM3", 90);
    add(&gpus, "NVIDIA A100 MIG 1g.5gb", 80);
    gpu_line_write(line, &gpus, &said);
    assert_string_equal(line, good);
    assert_comes_back(&gpus);
}

static void no_device_is_an_answer(void **state)
{
    (void)state;
    struct gpus gpus = {0};
    set_cuda(&gpus, 9000);
    assert_comes_back(&gpus);
}

static void the_longest_answer_comes_back(void **state)
{
    (void)state;
    struct gpus gpus = {0};
    set_cuda(&gpus, 999990);
    for (int i = 0; i < GPU_KINDS_LIMIT; i++) {
        char name[GPU_NAME_SIZE + sizeof(" MIG ") + GPU_SHORT_SIZE];
        snprintf(name, sizeof(name), "%095d MIG %031d", i, i);
        add(&gpus, name, 9999);
    }
    assert_comes_back(&gpus);
}

static void names_that_look_like_mig_come_back(void **state)
{
    (void)state;
    struct gpus gpus = {0};
    set_cuda(&gpus, 12080);
    add(&gpus, "A MIG B MIG C", 80);
    add(&gpus, "A MIG B C", 80);
    add(&gpus, "A MIG ", 80);
    add(&gpus, " b10-gpu 1!=, ", 80);
    assert_comes_back(&gpus);
}

static void why_there_is_none_comes_back(void **state)
{
    (void)state;
    char line[GPU_LINE_SIZE];
    char longest[GPU_SAID_SIZE];
    const char *const reasons[] = {"cuInit: 100 (no device)", "!|;", longest};
    memset(longest, 'r', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
        struct gpus gpus = {0};
        struct gpu_said said = {0};
        struct gpu_said back = {0};
        gpu_mute(&said, "%s", reasons[i]);
        gpu_line_write(line, NULL, &said);
        assert_false(gpu_line_read(&gpus, line, &back));
        assert_string_equal(back.text, reasons[i]);
    }
}

static void a_name_with_separators_is_not_written(void **state)
{
    (void)state;
    const char *const names[] = {"NVIDIA|H100", "NVIDIA;H100", "NVIDIA MIG 1g;5gb", "N MIG 1|g"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char line[GPU_LINE_SIZE];
        struct gpus gpus = {0};
        struct gpus back = {0};
        struct gpu_said said = {0};
        set_cuda(&gpus, 12080);
        add(&gpus, "A", 80);
        add(&gpus, names[i], 90);
        gpu_line_write(line, &gpus, &said);
        assert_false(gpu_line_read(&back, line, &said));
        assert_non_null(strstr(said.text, "separator"));
    }
}

static void what_is_no_line_of_ours_is_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        "\n",
        "hello\n",
        "b10-gpu 1\n",
        "b10-gpu 1!\n",
        "b10-gpu 1!reason",
        "b10-gpu 1!reason\nmore\n",
        "b10-gpu 2|cuda=12.8|NVIDIA H100;90;\n",
        "b10-gpu 10|cuda=12.8|NVIDIA H100;90;\n",
        " b10-gpu 1|cuda=12.8|NVIDIA H100;90;\n",
        "b10-gpu 1 |cuda=12.8|NVIDIA H100;90;\n",
        "b10-gpu 1|NVIDIA H100;90;\n",
        "b10-gpu 1|cuda=|NVIDIA H100;90;\n",
        "b10-gpu 1|cuda=12|NVIDIA H100;90;\n",
        "b10-gpu 1|cuda=12.|NVIDIA H100;90;\n",
        "b10-gpu 1|cuda=.8|NVIDIA H100;90;\n",
        "b10-gpu 1|cuda=0.8|NVIDIA H100;90;\n",
        "b10-gpu 1|cuda=012.8|NVIDIA H100;90;\n",
        "b10-gpu 1|cuda=12.08|NVIDIA H100;90;\n",
        "b10-gpu 1|cuda=12.100|NVIDIA H100;90;\n",
        "b10-gpu 1|cuda=1000.0|NVIDIA H100;90;\n",
        "b10-gpu 1|cuda=12.8.1|NVIDIA H100;90;\n",
        "b10-gpu 1|cuda=-12.8|NVIDIA H100;90;\n",
        "b10-gpu 1|cuda=12.99999999999999999999999|NVIDIA H100;90;\n",
        "b10-gpu 1|cuda=12.8|\n",
        "b10-gpu 1|cuda=12.8|NVIDIA H100;90;|\n",
        "b10-gpu 1|cuda=12.8||NVIDIA H100;90;\n",
        "b10-gpu 1|cuda=12.8|;90;\n",
        "b10-gpu 1|cuda=12.8|NVIDIA H100\n",
        "b10-gpu 1|cuda=12.8|NVIDIA H100;90\n",
        "b10-gpu 1|cuda=12.8|NVIDIA H100;;\n",
        "b10-gpu 1|cuda=12.8|NVIDIA H100;0;\n",
        "b10-gpu 1|cuda=12.8|NVIDIA H100;-90;\n",
        "b10-gpu 1|cuda=12.8|NVIDIA H100;x;\n",
        "b10-gpu 1|cuda=12.8|NVIDIA H100;90 ;\n",
        "b10-gpu 1|cuda=12.8|NVIDIA H100;10000;\n",
        "b10-gpu 1|cuda=12.8|NVIDIA H100;99999999999999999999;\n",
        "b10-gpu 1|cuda=12.8|NVIDIA H100;90;1g.5gb;\n",
        "b10-gpu 1|cuda=12.8|NVIDIA\tH100;90;\n",
        "b10-gpu 1|cuda=12.8|NVIDIA H100\xc2\xae;90;\n",
        "b10-gpu 1|cuda=12.8|NVIDIA H100;90;1g\x1b[31m\n",
        "b10-gpu 1|cuda=12.8|NVIDIA H100;90;\r\n",
        "b10-gpu 1|cuda=12.8|NVIDIA H100;90;\n\n",
        "b10-gpu 1|cuda=12.8|NVIDIA H100;90;\nmore",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        assert_senseless(lines[i]);
}

static void names_and_counts_beyond_the_limits_are_refused(void **state)
{
    (void)state;
    char line[3 * GPU_LINE_SIZE];
    snprintf(line, sizeof(line), "b10-gpu 1|cuda=12.8|%096d;90;\n", 0);
    assert_senseless(line);
    snprintf(line, sizeof(line), "b10-gpu 1|cuda=12.8|N;90;%032d\n", 0);
    assert_senseless(line);
    snprintf(line, sizeof(line), "b10-gpu 1!%0*d\n", GPU_SAID_SIZE, 0);
    assert_senseless(line);
    int used = snprintf(line, sizeof(line), "b10-gpu 1|cuda=12.8");
    for (int i = 0; i <= GPU_KINDS_LIMIT; i++)
        used += snprintf(line + used, sizeof(line) - (size_t)used, "|N%d;90;", i);
    snprintf(line + used, sizeof(line) - (size_t)used, "\n");
    assert_senseless(line);
}

static void a_line_that_ends_early_is_refused_wherever_it_ends(void **state)
{
    (void)state;
    for (size_t size = 0; size < strlen(good); size++) {
        char *line = strndup(good, size);
        assert_non_null(line);
        assert_senseless(line);
        free(line);
    }
}

/* Whatever is taken for an answer keeps the rules of an answer: it comes back the same. */
static void a_byte_of_any_value_anywhere_does_no_harm(void **state)
{
    (void)state;
    size_t taken = 0;
    for (size_t at = 0; at < strlen(good); at++) {
        for (int value = 0; value < 256; value++) {
            struct gpus gpus = {0};
            struct gpu_said said = {0};
            char *line = strdup(good);
            assert_non_null(line);
            line[at] = (char)value;
            if (gpu_line_read(&gpus, line, &said)) {
                assert_comes_back(&gpus);
                taken++;
            } else {
                assert_true(*said.text != '\0');
            }
            free(line);
        }
    }
    assert_true(taken > strlen(good));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_a_line_that_people_can_read),
        cmocka_unit_test(no_device_is_an_answer),
        cmocka_unit_test(the_longest_answer_comes_back),
        cmocka_unit_test(names_that_look_like_mig_come_back),
        cmocka_unit_test(why_there_is_none_comes_back),
        cmocka_unit_test(a_name_with_separators_is_not_written),
        cmocka_unit_test(what_is_no_line_of_ours_is_refused),
        cmocka_unit_test(names_and_counts_beyond_the_limits_are_refused),
        cmocka_unit_test(a_line_that_ends_early_is_refused_wherever_it_ends),
        cmocka_unit_test(a_byte_of_any_value_anywhere_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
