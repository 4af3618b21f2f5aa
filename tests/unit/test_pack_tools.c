/* Archives are ordinary tar files: the tools that people have must read them. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guard.h"
#include "support/packing.h"

enum { MEGABYTE = 1 << 20 };

static void need(const char *command)
{
    char line[512];
    snprintf(line, sizeof(line), "(%s) >/dev/null 2>&1", command);
    if (system(line) == 0)
        return;
    print_message("skipped: '%s' does not work here\n", command);
    skip();
}

static void run(const struct scratch *scratch, const char *command)
{
    char line[1024];
    snprintf(line, sizeof(line), "cd '%s' && export LC_ALL=C && umask 022 && mkdir x && %s",
             scratch->path, command);
    if (system(line) != 0)
        fail_msg("%s", line);
}

static void plant(const struct scratch *scratch)
{
    char name[256];
    char path[600];
    memset(name, 'n', 255);
    name[255] = '\0';
    scratch_random(scratch, "r/large", 3 * MEGABYTE + 1, 1);
    scratch_random(scratch, "r/d/small", 3000, 2);
    scratch_random(scratch, "r/exactly a block", 512, 3);
    scratch_text(scratch, "r/d/empty", "");
    scratch_mkdir(scratch, "r/d/nothing");
    scratch_text(scratch, "r/new\nline", "a");
    scratch_text(scratch, "r/not \xff\xfe utf-8", "b");
    scratch_text(scratch, "r/\xc3\xa9 composed", "c");
    scratch_text(scratch, "r/e\xcc\x81 decomposed", "d");
    scratch_text(scratch, "r/ \"quoted\" \\ and 'so'", "e");
    snprintf(path, sizeof(path), "r/%s", name);
    scratch_text(scratch, path, "f");
    snprintf(path, sizeof(path), "r/%.100s/%s/x", name, name);
    scratch_text(scratch, path, "g");
    scratch_text(scratch, "r/program", "h");
    assert_int_equal(chmod(scratch_path(scratch, "r/program"), 0755), 0);
    assert_int_equal(symlinkat("../large", scratch->fd, "r/d/link"), 0);
    scratch_text(scratch, "r/sparse", "hole");
    assert_int_equal(truncate(scratch_path(scratch, "r/sparse"), 5 * MEGABYTE), 0);
    const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1000000000, .tv_nsec = 123456789}};
    assert_int_equal(utimensat(scratch->fd, "r/d/small", times, 0), 0);
    assert_int_equal(utimensat(scratch->fd, "r/large", times, 0), 0);
}

static void plant_duplicates(const struct scratch *scratch)
{
    scratch_random(scratch, "r/d/small copy", 3000, 2);
    scratch_random(scratch, "r/large copy", 3 * MEGABYTE + 1, 1);
}

static void pack_directory(const struct scratch *scratch, const char *directory)
{
    struct packing_case test;
    packing_init(&test);
    packing_root(&test, directory, "inductor");
    packing_file(&test, scratch_path(scratch, "a"));
    packing_assert_intact(scratch_path(scratch, "a"));
    packing_release(&test);
}

static void gnu_tar_restores_the_tree(void **state)
{
    const struct scratch *scratch = *state;
    need("tar --version | grep GNU && zstd --version");
    plant(scratch);
    pack_directory(scratch, scratch_path(scratch, "r"));
    run(scratch, "tar --zstd -xf a -C x");
    scratch_assert_same_tree(scratch_path(scratch, "r"), scratch_path(scratch, "x/inductor"));
}

static void bsdtar_restores_the_tree(void **state)
{
    const struct scratch *scratch = *state;
    need("bsdtar --version");
    plant(scratch);
    pack_directory(scratch, scratch_path(scratch, "r"));
    run(scratch, "bsdtar -xf a -C x");
    scratch_assert_same_tree(scratch_path(scratch, "r"), scratch_path(scratch, "x/inductor"));
}

/* busybox knows seconds only, and its tar no zstd. */
static void busybox_restores_names_and_contents(void **state)
{
    const struct scratch *scratch = *state;
    need("busybox tar --help && zstd --version");
    plant(scratch);
    plant_duplicates(scratch);
    pack_directory(scratch, scratch_path(scratch, "r"));
    run(scratch, "zstd -dcq a | busybox tar -xf - -C x && diff -r r x/inductor");
}

static void duplicates_come_back_with_every_tool(void **state)
{
    const struct scratch *scratch = *state;
    need("tar --version && bsdtar --version && zstd --version");
    plant(scratch);
    plant_duplicates(scratch);
    pack_directory(scratch, scratch_path(scratch, "r"));
    run(scratch, "tar --zstd -xf a -C x && diff -r r x/inductor && rm -r x/inductor && "
                 "bsdtar -xf a -C x && diff -r r x/inductor");
}

static void zstd_finds_every_checksum_right(void **state)
{
    const struct scratch *scratch = *state;
    need("zstd --version");
    plant(scratch);
    pack_directory(scratch, scratch_path(scratch, "r"));
    run(scratch, "zstd -tq a && zstd -dcq a | tar -tf - >/dev/null");
}

static void real_headers_come_back(void **state)
{
    const struct scratch *scratch = *state;
    need("test -d /usr/include/linux && tar --version && zstd --version");
    pack_directory(scratch, "/usr/include/linux");
    run(scratch, "tar --zstd -xf a -C x && diff -r /usr/include/linux x/inductor");
}

#define SCRATCH_TEST(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(gnu_tar_restores_the_tree),
        SCRATCH_TEST(bsdtar_restores_the_tree),
        SCRATCH_TEST(busybox_restores_names_and_contents),
        SCRATCH_TEST(duplicates_come_back_with_every_tool),
        SCRATCH_TEST(zstd_finds_every_checksum_right),
        SCRATCH_TEST(real_headers_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
