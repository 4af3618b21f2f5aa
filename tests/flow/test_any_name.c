/* Whatever the entries of a tree are called, and however deep they lie, they come back. */
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/stored.h"

/* ---- names ---- */

static char longest[256];      /* 255 bytes */
static char longest_utf8[256]; /* 255 bytes, 127 characters of two and one of one */

static void make_long_names(void)
{
    memset(longest, 'n', 255);
    for (size_t i = 0; i < 254; i += 2)
        memcpy(longest_utf8 + i, "\xc3\xa9", 2);
    longest_utf8[254] = 'e';
}

static const char *const names[] = {
    longest,
    longest_utf8,
    "caf\xc3\xa9",  /* one code point */
    "cafe\xcc\x81", /* the same letter from two */
    "\xff\xfe\x80", /* no UTF-8 at all */
    "\xc3",         /* its beginning only */
    "\xed\xa0\x80", /* half a surrogate pair */
    "\xe4\xb8\xad\xe6\x96\x87.py",
    "new\nline",
    "\n",
    "\r\t\x01\x7f",
    "-rf",
    "--",
    " ",
    " leading and trailing ",
    "...",
    "..hidden",
    "kernel..v2",
    "a\\b",
    "\"quoted\" 'twice'",
    "%s%n%d",
    "*?[x]{y}",
    "C:",
    "nul",
    "~",
    "$HOME",
    ";&|<>",
    "#",
    "=",
    "12 path=evil",
};

/* Each name as that of a file, of a directory with a file, of a symlink and of its target. */
static void fill_names(const struct scratch *scratch)
{
    char path[1024];
    make_long_names();
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        snprintf(path, sizeof(path), "saved/files/%s", names[i]);
        scratch_random(scratch, path, 100 + i, (uint32_t)i);
        snprintf(path, sizeof(path), "saved/equal/%s", names[i]);
        scratch_text(scratch, path, "the same in every file");
        snprintf(path, sizeof(path), "saved/directories/%s/%s", names[i], names[i]);
        scratch_text(scratch, path, names[i]);
        snprintf(path, sizeof(path), "saved/files/%zu %.200s", i, names[i]);
        assert_int_equal(symlinkat(names[i], scratch->fd, path), 0);
        snprintf(path, sizeof(path), "saved/empty/%s", names[i]);
        scratch_mkdir(scratch, path);
    }
    snprintf(path, sizeof(path), "saved/large/%s/%s", longest_utf8, longest_utf8);
    scratch_random(scratch, path, 2500000, 5);
    snprintf(path, sizeof(path), "saved/large/\xff\n\xfe");
    scratch_random(scratch, path, 2500000, 5);
}

static void any_name_comes_back_under(const char *name, const struct scratch *scratch)
{
    struct replica replica;
    fill_names(scratch);
    replica_init(&replica, scratch);
    if (setlocale(LC_ALL, name) == NULL) {
        print_message("skipped: there is no locale %s here\n", name);
        skip();
    }
    stored_round_trip(&replica);
    setlocale(LC_ALL, "C");
    replica_release(&replica);
}

static void any_name_comes_back_in_the_locale_c(void **state)
{
    any_name_comes_back_under("C", *state);
}

static void any_name_comes_back_in_a_locale_of_utf8(void **state)
{
    any_name_comes_back_under("C.UTF-8", *state);
}

/* ---- depth and length ---- */

/* saved/ and below it directories whose names fill the path up to `length` bytes, a file at the end. */
static void fill_long_path(const struct scratch *scratch, size_t length)
{
    char path[4400];
    size_t used = (size_t)snprintf(path, sizeof(path), "%s/saved", scratch->path);
    while (used < length - 2) {
        size_t name = length - 2 - used < 250 ? length - 2 - used : 250;
        path[used] = '/';
        memset(path + used + 1, 'd', name - 1);
        used += name;
        path[used] = '\0';
    }
    snprintf(path + used, sizeof(path) - used, "/f");
    scratch_text(scratch, path + strlen(scratch->path) + 1, "at the end of a long path");
    snprintf(path + used, sizeof(path) - used, "/l");
    assert_int_equal(symlink("f", path), 0);
}

static void a_path_of_almost_4096_bytes_comes_back(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    fill_long_path(*state, 4095);
    stored_round_trip(&replica);
    replica_release(&replica);
}

static void a_tree_200_deep_comes_back(void **state)
{
    struct replica replica;
    char path[1024] = "saved";
    size_t used = strlen(path);
    replica_init(&replica, *state);
    for (int depth = 0; depth < 200; depth++) {
        used += (size_t)snprintf(path + used, sizeof(path) - used, "/d");
        if (depth % 50 == 0 || depth == 199) {
            snprintf(path + used, sizeof(path) - used, "/file");
            scratch_text(*state, path, "deep");
            path[used] = '\0';
        }
    }
    stored_round_trip(&replica);
    replica_release(&replica);
}

/* `depth` directories with names of `length` bytes below `relative`, which may pass what a path can hold; a file in each. */
static void fill_chain(const struct scratch *scratch, const char *relative, int depth,
                       size_t length)
{
    char name[256] = {0};
    memset(name, 'd', length);
    scratch_mkdir(scratch, relative);
    int fd = openat(scratch->fd, relative, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < depth; i++) {
        assert_int_equal(mkdirat(fd, name, 0777), 0);
        int next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int file = openat(next, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
        assert_true(next >= 0 && file >= 0);
        assert_int_equal(write(file, "x", 1), 1);
        close(file);
        close(fd);
        fd = next;
    }
    close(fd);
}

/* A save of what is beyond the limits of the format leaves it out; the rest comes back, and a clear removes it all. */
static void is_left_out(struct replica *replica, int depth, size_t length)
{
    fill_chain(replica->scratch, "saved/chain", depth, length);
    scratch_text(replica->scratch, "saved/normal", "n");
    stored_destination(replica, "saved", NULL);
    replica_assert(replica, replica_save(replica), B10_SUCCESS, B10_REASON_OK);
    assert_true(replica->report.left_out_unsafe > 0);
    assert_true(replica->report.files > 1);
    const uint64_t packed = replica->report.files;
    assert_int_equal(b10_clear(replica_config(replica), NULL, NULL, &replica->error), B10_SUCCESS);
    assert_int_equal(scratch_count(replica->scratch, "saved"), 0);
    replica_assert(replica, replica_load(replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica->report.files, packed);
    assert_true(scratch_exists(replica->scratch, "saved/normal"));
    assert_int_equal(b10_clear(replica_config(replica), NULL, NULL, &replica->error), B10_SUCCESS);
}

static void what_is_deeper_than_the_format_allows_is_left_out(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    is_left_out(&replica, 300, 1);
    replica_release(&replica);
}

static void a_path_longer_than_the_format_allows_is_left_out(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    is_left_out(&replica, 30, 255);
    replica_release(&replica);
}

/* The path in the archive is within the limits, the path on this disk is longer than the kernel takes. */
static void a_path_beyond_what_the_kernel_takes_at_once_comes_back(void **state)
{
    struct replica replica;
    char deep[64];
    replica_init(&replica, *state);
    fill_chain(*state, "saved", 16, 254); /* 16 * 255 + "inductor" + "/f" = 4090 */
    stored_destination(&replica, "saved", NULL);
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.left_out_unsafe, 0);
    assert_int_equal(replica.report.files, 16);
    snprintf(deep, sizeof(deep), "a destination of some length/local");
    stored_destination(&replica, deep, NULL);
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.files, 16);
    assert_int_equal(replica.report.directories, 16);
    assert_int_equal(b10_clear(replica_config(&replica), NULL, NULL, &replica.error), B10_SUCCESS);
    stored_destination(&replica, "saved", NULL);
    assert_int_equal(b10_clear(replica_config(&replica), NULL, NULL, &replica.error), B10_SUCCESS);
    assert_int_equal(scratch_count(*state, "saved"), 0);
    replica_release(&replica);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(any_name_comes_back_in_the_locale_c),
        ROW(any_name_comes_back_in_a_locale_of_utf8),
        ROW(a_path_of_almost_4096_bytes_comes_back),
        ROW(a_tree_200_deep_comes_back),
        ROW(what_is_deeper_than_the_format_allows_is_left_out),
        ROW(a_path_longer_than_the_format_allows_is_left_out),
        ROW(a_path_beyond_what_the_kernel_takes_at_once_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
