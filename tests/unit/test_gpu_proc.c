/* /proc/driver/nvidia as the kernel driver shows it, on a tmpfs over /proc/driver in a mount
 * namespace of the test's own. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "env/gpu.h"
#include "support/sandbox.h"
#include "support/scratch.h"

#define NVIDIA    "/proc/driver/nvidia"
#define FIRST     "0000:0f:00.0"
#define SECOND    "0000:10:00.0"
#define H100      "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 120\nGPU UUID: \t GPU-1\n"
#define VERSION   "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.309.01  Wed Jun 5 2024\n"
#define COMPILER  "GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n"
#define LONG_NAME "NVIDIA H100 80GB HBM3 of a length that no name of a card has ever had, not even"

static struct gpus gpus;
static struct gpu_said said;

/* ---- the folder ---- */

static void make_directories(const char *path)
{
    char part[512];
    snprintf(part, sizeof(part), "%s", path);
    for (char *slash = part + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        CHECK(mkdir(part, 0755) == 0 || errno == EEXIST);
        *slash = '/';
    }
}

static void put(const char *relative, const void *content, size_t size)
{
    char path[512];
    snprintf(path, sizeof(path), NVIDIA "/%s", relative);
    make_directories(path);
    FILE *file = fopen(path, "we");
    CHECK(file != NULL);
    CHECK(fwrite(content, 1, size, file) == size);
    CHECK(fclose(file) == 0);
}

static void put_text(const char *relative, const char *text)
{
    put(relative, text, strlen(text));
}

static void put_card(const char *address, const char *text)
{
    char path[100];
    snprintf(path, sizeof(path), "gpus/%s/information", address);
    put_text(path, text);
}

/* One card and a version; what a test changes afterwards is what it is about. */
static void begin(void *scratch)
{
    sandbox_private_mounts(scratch);
    if (mount("tmpfs", "/proc/driver", "tmpfs", 0, "") != 0)
        sandbox_skip("no mounting below /proc here");
    put_card(FIRST, H100);
    put_text("version", VERSION COMPILER);
}

static bool ask(void)
{
    size_t before = scratch_open_descriptors();
    said = (struct gpu_said){.text = ""};
    memset(&gpus, 0xff, sizeof(gpus));
    bool answered = gpu_proc_ask(&gpus, &said);
    CHECK(scratch_open_descriptors() == before);
    CHECK(answered == (said.text[0] == '\0'));
    return answered;
}

static void check_answer(const char *name, const char *driver)
{
    if (!ask())
        fprintf(stderr, "%s\n", said.text);
    CHECK(said.text[0] == '\0');
    CHECK(gpus.count == 1);
    CHECK(strcmp(gpus.kinds[0].name, name) == 0);
    CHECK(strcmp(gpus.kinds[0].capability, "x") == 0);
    CHECK(strcmp(gpus.kinds[0].mig, "") == 0);
    CHECK(strcmp(gpus.driver, driver) == 0);
    CHECK(strcmp(gpus.cuda, "") == 0);
}

static void check_said(const char *text)
{
    CHECK(!ask());
    if (strcmp(said.text, text) != 0)
        fprintf(stderr, "said '%s' instead of '%s'\n", said.text, text);
    CHECK(strcmp(said.text, text) == 0);
}

/* ---- promise ---- */

static void one_card(void *scratch)
{
    begin(scratch);
    check_answer("NVIDIA H100 80GB HBM3", "535.309.01");
}

static void equal_cards(void *scratch)
{
    begin(scratch);
    put_card(SECOND, H100);
    check_answer("NVIDIA H100 80GB HBM3", "535.309.01");
}

static void open_kernel_module(void *scratch)
{
    begin(scratch);
    put_text("version", "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.14  "
                        "Release Build  (dvs-builder@U16-T02-35-3)  Thu Feb 22 2024\n");
    check_answer("NVIDIA H100 80GB HBM3", "550.54.14");
    put_text("version", "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  570.86.15\n");
    check_answer("NVIDIA H100 80GB HBM3", "570.86.15");
}

/* ---- edges ---- */

static void nothing_there(void *scratch)
{
    sandbox_private_mounts(scratch);
    if (mount("tmpfs", "/proc/driver", "tmpfs", 0, "") != 0)
        sandbox_skip("no mounting below /proc here");
    check_said("cannot open '" NVIDIA "/gpus': No such file or directory");
    CHECK(mkdir(NVIDIA, 0755) == 0 && mkdir(NVIDIA "/gpus", 0755) == 0);
    check_said("'" NVIDIA "/gpus' has no cards");
}

static void different_cards(void *scratch)
{
    begin(scratch);
    put_card(SECOND, "Model: \t\t Tesla T4\n");
    CHECK(!ask());
    CHECK(strstr(said.text, "has different cards: '") != NULL);
    CHECK(strstr(said.text, "'NVIDIA H100 80GB HBM3'") != NULL);
    CHECK(strstr(said.text, "'Tesla T4'") != NULL);
}

static void unknown_model(void *scratch)
{
    begin(scratch);
    put_card(FIRST, "Model: \t\t Unknown\nIRQ: \t\t 0\nGPU UUID: \t ???\n");
    check_said("the model of '" FIRST "' in " NVIDIA "/gpus is Unknown");
}

static void mig_devices(void *scratch)
{
    begin(scratch);
    put_text("capabilities/gpu0/mig/access", "DeviceFileMinor: 2\n");
    put_text("capabilities/mig/config", "DeviceFileMinor: 1\n");
    check_answer("NVIDIA H100 80GB HBM3", "535.309.01");
    put_text("capabilities/gpu1/mig/gi7/access", "DeviceFileMinor: 66\n");
    check_said("'gpu1' in " NVIDIA "/capabilities has MIG devices, whose profiles are not told");
}

/* ---- hostile ---- */

static void texts_without_a_model(void *scratch)
{
    static const char *const texts[] = {"", "\n", "IRQ: 1\n", "model: X\n", "A Model: X\n"};
    begin(scratch);
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        put_card(FIRST, texts[i]);
        check_said("'" FIRST "' in " NVIDIA "/gpus has no line 'Model:'");
    }
    put("gpus/" FIRST "/information", "\0Model: X\n", 10);
    check_said("'" FIRST "' in " NVIDIA "/gpus has no line 'Model:'");
}

static void models_that_are_no_names(void *scratch)
{
    begin(scratch);
    put_card(FIRST, "Model:\n");
    check_said("a device has no name");
    put_card(FIRST, "Model: \t \nIRQ: 1\n");
    check_said("a device has no name");
    put_card(FIRST, "Model: \t\t H\xc3\xa9s\n");
    check_said("the name of a device is not printable ASCII: 'H??s'");
    put_card(FIRST, "Model: " LONG_NAME " with all of these words\n");
    check_said("the model of '" FIRST "' in " NVIDIA "/gpus is too long");
}

static void files_without_an_end(void *scratch)
{
    static char large[1 << 20];
    memset(large, 'x', sizeof(large));
    begin(scratch);
    put("gpus/" FIRST "/information", large, sizeof(large));
    check_said("'" FIRST "' in " NVIDIA "/gpus has no line 'Model:'");
    memcpy(large, "Model: ", 7);
    put("gpus/" FIRST "/information", large, sizeof(large));
    check_said("the model of '" FIRST "' in " NVIDIA "/gpus is too long");
    put_card(FIRST, H100);
    put("version", large, sizeof(large));
    check_said("'" NVIDIA "/version' has no line 'NVRM version:'");
}

static void versions_that_are_none(void *scratch)
{
    static const char *const versions[] = {"NVRM version:\n535.309.01\n",
                                           "NVRM version: NVIDIA UNIX x86_64 Kernel Module\n",
                                           "NVRM version: 535\n",
                                           "NVRM version: 535.\n",
                                           "NVRM version: .535\n",
                                           "NVRM version: 535..1\n",
                                           "NVRM version: v535.1\n",
                                           "NVRM version: 535.1-rc\n",
                                           "NVRM version: 1.1111111111111111111111111111111\n"};
    begin(scratch);
    for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
        put_text("version", versions[i]);
        check_said("'" NVIDIA "/version' names no version");
    }
}

static void too_many_cards(void *scratch)
{
    begin(scratch);
    for (unsigned i = 0; i < 300; i++) {
        char address[32];
        snprintf(address, sizeof(address), "%04x:00:00.0", i);
        put_card(address, H100);
    }
    check_said("'" NVIDIA "/gpus' has more than 256 cards");
}

/* ---- failure ---- */

static void missing_files(void *scratch)
{
    begin(scratch);
    CHECK(unlink(NVIDIA "/version") == 0);
    check_said("cannot open '" NVIDIA "/version': No such file or directory");
    CHECK(unlink(NVIDIA "/gpus/" FIRST "/information") == 0);
    check_said("cannot open '" FIRST "/information': No such file or directory");
}

static void a_pipe_or_a_link(void *scratch)
{
    begin(scratch);
    CHECK(unlink(NVIDIA "/version") == 0);
    CHECK(symlink("gpus/" FIRST "/information", NVIDIA "/version") == 0);
    CHECK(!ask());
    CHECK(strstr(said.text, "cannot open '" NVIDIA "/version'") != NULL);
    CHECK(unlink(NVIDIA "/version") == 0);
    CHECK(mkfifo(NVIDIA "/version", 0644) == 0);
    CHECK(!ask()); /* and does not wait for a writer */
}

static void no_permission(void *scratch)
{
    begin(scratch);
    CHECK(mkdir(NVIDIA "/capabilities", 0755) == 0);
    CHECK(chmod(NVIDIA "/capabilities", 0) == 0);
    sandbox_drop_root();
    check_said("cannot open '" NVIDIA "/capabilities': Permission denied");
}

/* ---- */

#define IN_A_SANDBOX(name, part)                                                                   \
    static void name(void **state)                                                                 \
    {                                                                                              \
        sandbox_run(part, *state);                                                                 \
    }

IN_A_SANDBOX(the_model_and_the_drivers_version_are_told, one_card)
IN_A_SANDBOX(equal_cards_are_one_kind, equal_cards)
IN_A_SANDBOX(the_open_kernel_modules_words_are_understood, open_kernel_module)
IN_A_SANDBOX(without_the_driver_there_is_no_answer, nothing_there)
IN_A_SANDBOX(different_cards_are_no_answer, different_cards)
IN_A_SANDBOX(unknown_is_no_model, unknown_model)
IN_A_SANDBOX(mig_devices_are_no_answer, mig_devices)
IN_A_SANDBOX(a_text_without_a_model_is_no_answer, texts_without_a_model)
IN_A_SANDBOX(a_model_must_be_a_name, models_that_are_no_names)
IN_A_SANDBOX(only_the_beginning_of_a_file_is_read, files_without_an_end)
IN_A_SANDBOX(a_version_is_numbers_and_dots, versions_that_are_none)
IN_A_SANDBOX(no_more_cards_than_any_host_has_are_read, too_many_cards)
IN_A_SANDBOX(a_missing_file_is_named, missing_files)
IN_A_SANDBOX(pipes_and_links_are_not_read, a_pipe_or_a_link)
IN_A_SANDBOX(what_may_not_be_read_is_no_answer, no_permission)

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_model_and_the_drivers_version_are_told),
        TEST(equal_cards_are_one_kind),
        TEST(the_open_kernel_modules_words_are_understood),
        TEST(without_the_driver_there_is_no_answer),
        TEST(different_cards_are_no_answer),
        TEST(unknown_is_no_model),
        TEST(mig_devices_are_no_answer),
        TEST(a_text_without_a_model_is_no_answer),
        TEST(a_model_must_be_a_name),
        TEST(only_the_beginning_of_a_file_is_read),
        TEST(a_version_is_numbers_and_dots),
        TEST(no_more_cards_than_any_host_has_are_read),
        TEST(a_missing_file_is_named),
        TEST(pipes_and_links_are_not_read),
        TEST(what_may_not_be_read_is_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
