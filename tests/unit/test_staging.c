#include "cache/staging.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guard.h"
#include "support/scratch.h"

static struct b10_error error = ERROR_NONE;
static char headers[] = "headers";
static char inductor[] = "inductor";
static char nowhere[] = "/no/such/place";

/* Roots as settings have them (sorted by name), each in the one after it. */
struct nest {
    struct settings settings;
    struct settings_root roots[2];
    struct manifest manifest;
    struct log log;
};

static void nest_init(struct nest *nest, const struct scratch *scratch)
{
    *nest = (struct nest){.manifest = MANIFEST_EMPTY, .log = {.level = B10_LOG_ERROR}};
    nest->settings.kind = "vllm";
    nest->settings.local_dir = strdup(scratch_path(scratch, "live/vllm"));
    nest->settings.work_dir = nowhere;
    nest->roots[0] =
        (struct settings_root){.name = headers,
                               .path = strdup(scratch_path(scratch, "live/vllm/a/ind/b/headers"))};
    nest->roots[1] =
        (struct settings_root){.name = inductor,
                               .path = strdup(scratch_path(scratch, "live/vllm/a/ind"))};
    nest->settings.roots = nest->roots;
    nest->settings.root_count = 2;
    static const char *const names[] = {"vllm", "headers", "inductor"};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(manifest_add_root(&nest->manifest, names[i], "/old/place", &error), 0);
    scratch_mkdir(scratch, "live");
}

static void nest_release(struct nest *nest)
{
    free(nest->settings.local_dir);
    free(nest->roots[0].path);
    free(nest->roots[1].path);
    manifest_release(&nest->manifest);
}

static void put(const struct staging *staging, size_t root, const char *name)
{
    const int fd = openat(staging_place(staging, root).fd, name, O_CREAT | O_WRONLY, 0666);
    assert_true(fd >= 0);
    close(fd);
}

static void roots_in_roots_appear_with_the_outermost_and_not_before(void **state)
{
    struct nest nest;
    struct install install = {0};
    SCOPED(staging) struct staging *staging = NULL;
    nest_init(&nest, *state);
    if (staging_begin(&staging, &nest.settings, &nest.manifest, &nest.log, &error) != 0)
        fail_msg("%s", error.message);
    put(staging, 0, "v");
    put(staging, 1, "h");
    put(staging, 2, "i");
    assert_false(scratch_exists(*state, "live/vllm"));
    assert_int_equal(staging_commit(staging, &nest.log, &install, &error), 0);
    assert_true(scratch_exists(*state, "live/vllm/v"));
    assert_true(scratch_exists(*state, "live/vllm/a/ind/i"));
    assert_true(scratch_exists(*state, "live/vllm/a/ind/b/headers/h"));
    assert_int_equal(staging_roots_left_out(staging), 0);
    assert_int_equal(install.existing, 0);
    nest_release(&nest);
}

static void nothing_is_left_of_what_is_not_committed(void **state)
{
    struct nest nest;
    struct staging *staging = NULL;
    nest_init(&nest, *state);
    const size_t before = scratch_count(*state, ".");
    assert_int_equal(staging_begin(&staging, &nest.settings, &nest.manifest, &nest.log, &error), 0);
    put(staging, 1, "h");
    staging_free(staging);
    assert_int_equal(scratch_count(*state, "."), before);
    nest_release(&nest);
}

static void a_root_around_the_main_root_is_filled_too(void **state)
{
    struct nest nest;
    struct install install = {0};
    SCOPED(staging) struct staging *staging = NULL;
    nest_init(&nest, *state);
    free(nest.roots[1].path);
    nest.roots[1].path = strdup(scratch_path(*state, "live"));
    assert_int_equal(staging_begin(&staging, &nest.settings, &nest.manifest, &nest.log, &error), 0);
    put(staging, 0, "v");
    put(staging, 1, "h");
    put(staging, 2, "i");
    assert_int_equal(staging_commit(staging, &nest.log, &install, &error), 0);
    assert_true(scratch_exists(*state, "live/i"));
    assert_true(scratch_exists(*state, "live/vllm/v"));
    assert_true(scratch_exists(*state, "live/vllm/a/ind/b/headers/h"));
    assert_int_equal(staging_roots_left_out(staging), 0);
    nest_release(&nest);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(roots_in_roots_appear_with_the_outermost_and_not_before),
        TEST(nothing_is_left_of_what_is_not_committed),
        TEST(a_root_around_the_main_root_is_filled_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
