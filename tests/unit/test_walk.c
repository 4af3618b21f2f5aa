#include "fs/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/guard.h"
#include "fs/dirs.h"
#include "fs/path.h"
#include "support/sandbox.h"
#include "support/scratch.h"

/* Everything a walk reports, one path per line; to be freed. */
static char *walk_all(const struct scratch *scratch, walk_skip_fn skip, void *user,
                      uint64_t *unreadable)
{
    SCOPED(walk) struct walk *walk = NULL;
    struct walk_entry entry;
    char *text = calloc(1, 1);
    size_t size = 0;
    bool found = false;
    assert_int_equal(walk_open(&walk, scratch->fd, "root", skip, user, NULL), B10_REASON_OK);
    for (;;) {
        assert_int_equal(walk_next(walk, &entry, &found, NULL), B10_REASON_OK);
        if (!found)
            break;
        size_t length = strlen(entry.path);
        text = realloc(text, size + length + 2);
        memcpy(text + size, entry.path, length);
        size += length;
        text[size++] = '\n';
        text[size] = '\0';
    }
    if (unreadable != NULL)
        *unreadable = walk_unreadable(walk);
    return text;
}

static void assert_walk(const struct scratch *scratch, const char *expected)
{
    uint64_t unreadable = 9;
    char *text = walk_all(scratch, NULL, NULL, &unreadable);
    assert_string_equal(text, expected);
    assert_int_equal(unreadable, 0);
    free(text);
}

static void a_directory_comes_before_what_is_in_it_and_names_are_sorted(void **state)
{
    struct scratch *scratch = *state;
    scratch_text(scratch, "b/z", "");
    scratch_text(scratch, "b/a/x", "");
    scratch_text(scratch, "a", "");
    scratch_text(scratch, "b.c", "");
    scratch_text(scratch, "B", "");
    scratch_text(scratch, "\xff", "");
    scratch_mkdir(scratch, "c");
    assert_walk(scratch, "B\na\nb\nb/a\nb/a/x\nb/z\nb.c\nc\n\xff\n");
}

static void an_empty_directory_has_no_entries(void **state)
{
    assert_walk(*state, "");
}

static void links_are_entries_and_are_not_followed(void **state)
{
    struct scratch *scratch = *state;
    scratch_text(scratch, "d/f", "");
    assert_int_equal(symlink("d", scratch_path(scratch, "link")), 0);
    assert_int_equal(symlink("/", scratch_path(scratch, "d/root")), 0);
    assert_int_equal(symlink("nowhere", scratch_path(scratch, "dangling")), 0);
    assert_walk(scratch, "d\nd/f\nd/root\ndangling\nlink\n");
}

static void strange_names_are_reported_as_they_are(void **state)
{
    struct scratch *scratch = *state;
    char longest[300] = "d/";
    memset(longest + 2, 'z', 255);
    longest[257] = '\0';
    scratch_text(scratch, longest, "");
    scratch_text(scratch, "d/a\nb", "");
    scratch_text(scratch, "d/\xc3\x28", "");
    char expected[400];
    snprintf(expected, sizeof(expected), "d\nd/a\nb\n%s\nd/\xc3\x28\n", longest);
    assert_walk(scratch, expected);
}

static void an_entry_comes_with_its_state_and_its_directory(void **state)
{
    struct scratch *scratch = *state;
    SCOPED(walk) struct walk *walk = NULL;
    struct walk_entry entry;
    struct stat stat;
    bool found = false;
    scratch_text(scratch, "a/b/file", "12345");
    assert_int_equal(walk_open(&walk, scratch->fd, "root", NULL, NULL, NULL), B10_REASON_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(walk_next(walk, &entry, &found, NULL), B10_REASON_OK);
    assert_true(found);
    assert_string_equal(entry.path, "a/b/file");
    assert_string_equal(entry.name, "file");
    assert_ptr_equal(entry.name, entry.path + 4);
    assert_true(S_ISREG(entry.stat.st_mode));
    assert_int_equal(entry.stat.st_size, 5);
    assert_int_equal(fstatat(entry.dirfd, entry.name, &stat, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(stat.st_ino, entry.stat.st_ino);
    assert_int_equal(walk_next(walk, &entry, &found, NULL), B10_REASON_OK);
    assert_false(found);
    assert_int_equal(walk_next(walk, &entry, &found, NULL), B10_REASON_OK);
    assert_false(found);
}

struct skipping {
    const char *name;
    unsigned asked;
    bool saw_state;
};

static bool skip_name(void *user, const struct walk_entry *entry)
{
    struct skipping *skipping = user;
    skipping->asked++;
    skipping->saw_state = entry->stat.st_ino != 0 && entry->dirfd >= 0;
    return strcmp(entry->name, skipping->name) == 0;
}

static void what_is_skipped_is_neither_reported_nor_entered(void **state)
{
    struct scratch *scratch = *state;
    struct skipping skipping = {.name = "locks"};
    uint64_t unreadable = 9;
    scratch_text(scratch, "a/f", "");
    scratch_text(scratch, "locks/x/y", "");
    scratch_text(scratch, "z/locks", "");
    char *text = walk_all(scratch, skip_name, &skipping, &unreadable);
    assert_string_equal(text, "a\na/f\nz\n");
    assert_int_equal(skipping.asked, 5);
    assert_true(skipping.saw_state);
    assert_int_equal(unreadable, 0);
    free(text);
}

static char *walk_part(const struct scratch *scratch, const char *from, const char *until)
{
    SCOPED(walk) struct walk *walk = NULL;
    struct walk_entry entry;
    char *text = calloc(1, 256);
    bool found = true;
    assert_int_equal(walk_open(&walk, scratch->fd, "root", NULL, NULL, NULL), B10_REASON_OK);
    assert_null(walk_middle(walk, 6));
    assert_string_equal(walk_middle(walk, 5), "c");
    if (from != NULL)
        walk_from(walk, from);
    if (until != NULL)
        walk_until(walk, until);
    while (walk_next(walk, &entry, &found, NULL) == B10_REASON_OK && found)
        strcat(strcat(text, entry.path), " ");
    return text;
}

static void a_root_is_walked_in_parts(void **state)
{
    static const struct {
        const char *from, *until, *expected;
    } parts[] = {{NULL, "c", "a a/x b "}, {"c", NULL, "c c/x d e e/x "},
                 {"bb", "d", "c c/x "},   {"f", NULL, ""},
                 {NULL, "", ""},          {NULL, "f", "a a/x b c c/x d e e/x "}};
    scratch_text(*state, "a/x", "");
    scratch_text(*state, "b", "");
    scratch_text(*state, "c/x", "");
    scratch_text(*state, "d", "");
    scratch_text(*state, "e/x", "");
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        SCOPED(heap) char *text = walk_part(*state, parts[i].from, parts[i].until);
        assert_string_equal(text, parts[i].expected);
    }
}

static void a_walk_may_end_early(void **state)
{
    struct scratch *scratch = *state;
    struct walk *walk = NULL;
    struct walk_entry entry;
    bool found = false;
    scratch_text(scratch, "a/b/c/d", "");
    size_t before = scratch_open_descriptors();
    assert_int_equal(walk_open(&walk, scratch->fd, "root", NULL, NULL, NULL), B10_REASON_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(walk_next(walk, &entry, &found, NULL), B10_REASON_OK);
    walk_close(walk);
    walk_close(NULL);
    assert_int_equal(scratch_open_descriptors(), before);
}

/* A chain of `depth` directories "d", each with a file before and one after the next in order. */
static void make_deep(const struct scratch *scratch, int depth, const char *name)
{
    int at = dup(scratch->fd);
    for (int i = 0; i < depth; i++) {
        int before = openat(at, "a", O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
        int after = openat(at, "z", O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
        assert_int_equal(mkdirat(at, name, 0777), 0);
        int next = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(before >= 0 && after >= 0 && next >= 0);
        close(before);
        close(after);
        close(at);
        at = next;
    }
    close(at);
}

static void remove_deep(const struct scratch *scratch)
{
    assert_int_equal(dirs_remove_contents(scratch->fd, "root", NULL, NULL), B10_REASON_OK);
}

static void a_deep_tree_needs_few_descriptors(void **state)
{
    struct scratch *scratch = *state;
    SCOPED(walk) struct walk *walk = NULL;
    struct walk_entry entry;
    size_t most = 0;
    size_t count = 0;
    make_deep(scratch, 300, "d");
    size_t before = scratch_open_descriptors();
    assert_int_equal(walk_open(&walk, scratch->fd, "root", NULL, NULL, NULL), B10_REASON_OK);
    for (bool found = true; found; count += found) {
        struct stat stat;
        assert_int_equal(walk_next(walk, &entry, &found, NULL), B10_REASON_OK);
        if (found)
            assert_int_equal(fstatat(entry.dirfd, entry.name, &stat, AT_SYMLINK_NOFOLLOW), 0);
        size_t now = scratch_open_descriptors() - before;
        most = now > most ? now : most;
    }
    assert_int_equal(count, 3 * 300);
    assert_int_equal(walk_unreadable(walk), 0);
    assert_true(most <= WALK_OPEN_LIMIT);
    assert_int_equal(scratch_open_descriptors(), before);
    remove_deep(scratch);
}

static void walk_with_few_descriptors(void *context)
{
    struct scratch *scratch = context;
    SCOPED(walk) struct walk *walk = NULL;
    struct walk_entry entry;
    size_t count = 0;
    struct rlimit limit = {.rlim_cur = (rlim_t)scratch->fd + 1 + WALK_OPEN_LIMIT, .rlim_max = 4096};
    for (int inherited = scratch->fd + 1; inherited < 1024; inherited++)
        close(inherited);
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(walk_open(&walk, scratch->fd, "root", NULL, NULL, NULL) == B10_REASON_OK);
    for (bool found = true; found; count += found)
        CHECK(walk_next(walk, &entry, &found, NULL) == B10_REASON_OK);
    CHECK(count == 3 * 300);
}

static void the_limit_of_descriptors_is_kept_while_a_directory_is_opened_too(void **state)
{
    make_deep(*state, 300, "d");
    sandbox_run(walk_with_few_descriptors, *state);
    remove_deep(*state);
}

static void walk_without_descriptors(void *context)
{
    struct scratch *scratch = context;
    SCOPED(walk) struct walk *walk = NULL;
    struct walk_entry entry;
    struct b10_error error = ERROR_NONE;
    enum b10_reason reason = B10_REASON_OK;
    struct rlimit limit = {.rlim_cur = (rlim_t)scratch->fd + 8, .rlim_max = 4096};
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(walk_open(&walk, scratch->fd, "root", NULL, NULL, NULL) == B10_REASON_OK);
    for (bool found = true; found && reason == B10_REASON_OK;)
        reason = walk_next(walk, &entry, &found, &error);
    CHECK(reason == B10_REASON_IO && error.sys_errno == EMFILE);
}

static void no_descriptor_left_is_an_error_not_a_directory_left_out(void **state)
{
    make_deep(*state, 50, "d");
    sandbox_run(walk_without_descriptors, *state);
}

static void paths_up_to_the_limit_are_reported_and_longer_ones_end_there(void **state)
{
    struct scratch *scratch = *state;
    char name[200];
    uint64_t unreadable = 0;
    size_t longest = 0;
    size_t lines = 0;
    memset(name, 'd', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    make_deep(scratch, 25,
              name); /* directories of 199, 399, … bytes; the 20th has 3,999, the 21st 4,199 */
    char *text = walk_all(scratch, NULL, NULL, &unreadable);
    for (char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1, lines++)
        longest = strcspn(line, "\n") > longest ? strcspn(line, "\n") : longest;
    assert_int_equal(lines, 3 * 21);
    assert_int_equal(longest, 4199);
    assert_int_equal(unreadable, 1);
    free(text);
    remove_deep(scratch);
}

static void walk_closed(void *context)
{
    struct scratch *scratch = context;
    uint64_t unreadable = 0;
    sandbox_drop_root();
    char *text = walk_all(scratch, NULL, NULL, &unreadable);
    CHECK(strcmp(text, "a\nclosed\nz\n") == 0 && unreadable == 1);
    free(text);

    struct walk *walk = NULL;
    struct b10_error error = ERROR_NONE;
    int fd = open(scratch_path(scratch, "closed"), O_PATH | O_DIRECTORY | O_CLOEXEC);
    CHECK(walk_open(&walk, fd, "the root", NULL, NULL, &error) == B10_REASON_DENIED);
    CHECK(walk == NULL && strstr(error.message, "'the root'") != NULL);
}

static void a_directory_that_cannot_be_read_is_counted_and_a_root_is_an_error(void **state)
{
    struct scratch *scratch = *state;
    scratch_text(scratch, "a", "");
    scratch_text(scratch, "z", "");
    scratch_text(scratch, "closed/f", "");
    assert_int_equal(chmod(scratch_path(scratch, "closed"), 0), 0);
    sandbox_run(walk_closed, scratch);
}

static void what_vanishes_meanwhile_is_counted(void **state)
{
    struct scratch *scratch = *state;
    SCOPED(walk) struct walk *walk = NULL;
    struct walk_entry entry;
    bool found = false;
    scratch_text(scratch, "a", "");
    scratch_text(scratch, "b", "");
    scratch_text(scratch, "c/f", "");
    scratch_text(scratch, "d", "");
    assert_int_equal(walk_open(&walk, scratch->fd, "root", NULL, NULL, NULL), B10_REASON_OK);
    assert_int_equal(walk_next(walk, &entry, &found, NULL), B10_REASON_OK);
    assert_int_equal(unlink(scratch_path(scratch, "b")), 0);
    assert_int_equal(walk_next(walk, &entry, &found, NULL), B10_REASON_OK);
    assert_string_equal(entry.path, "c");
    assert_int_equal(walk_unreadable(walk), 1);
    assert_int_equal(rename(scratch_path(scratch, "c"), scratch_path(scratch, "e")), 0);
    assert_int_equal(walk_next(walk, &entry, &found, NULL), B10_REASON_OK);
    assert_string_equal(entry.path, "d");
    assert_int_equal(walk_unreadable(walk), 2);
}

static void a_directory_replaced_by_a_link_is_not_followed(void **state)
{
    struct scratch *scratch = *state;
    SCOPED(walk) struct walk *walk = NULL;
    struct walk_entry entry;
    bool found = false;
    scratch_text(scratch, "a/f", "");
    scratch_text(scratch, "b", "");
    assert_int_equal(walk_open(&walk, scratch->fd, "root", NULL, NULL, NULL), B10_REASON_OK);
    assert_int_equal(walk_next(walk, &entry, &found, NULL), B10_REASON_OK);
    assert_string_equal(entry.path, "a");
    assert_int_equal(rename(scratch_path(scratch, "a"), scratch_path(scratch, "moved")), 0);
    assert_int_equal(symlink("/", scratch_path(scratch, "a")), 0);
    assert_int_equal(walk_next(walk, &entry, &found, NULL), B10_REASON_OK);
    assert_string_equal(entry.path, "b");
    assert_int_equal(walk_unreadable(walk), 1);
}

static void a_deep_directory_moved_meanwhile_ends_its_branch_only(void **state)
{
    struct scratch *scratch = *state;
    SCOPED(walk) struct walk *walk = NULL;
    struct walk_entry entry;
    bool found = true;
    make_deep(scratch, 100, "d");
    char path[512] = "";
    for (int i = 0; i < 80; i++)
        strcat(path, i == 0 ? "d" : "/d");
    assert_int_equal(walk_open(&walk, scratch->fd, "root", NULL, NULL, NULL), B10_REASON_OK);
    do
        assert_int_equal(walk_next(walk, &entry, &found, NULL), B10_REASON_OK);
    while (strlen(entry.path) < 180);
    assert_int_equal(renameat(scratch->fd, path, scratch->fd, "moved"), 0);
    size_t rest = 0;
    for (; found; rest += found) {
        assert_int_equal(walk_next(walk, &entry, &found, NULL), B10_REASON_OK);
        if (found)
            assert_true(strncmp(entry.path, "moved", 5) != 0);
    }
    assert_true(walk_unreadable(walk) > 0);
    assert_true(rest > WALK_OPEN_LIMIT / 2); /* the files "z" of the levels that were still open */
    remove_deep(scratch);
}

static void walk_into_mounts(void *context)
{
    struct scratch *scratch = context;
    sandbox_private_mounts(scratch);
    sandbox_tmpfs(scratch_path(scratch, "m"), "size=64k");
    scratch_text(scratch, "m/f", "");
    char *text = walk_all(scratch, NULL, NULL, NULL);
    CHECK(strcmp(text, "a\nm\nm/f\nz\n") == 0);
    free(text);
}

static void mounts_below_the_root_are_entered(void **state)
{
    struct scratch *scratch = *state;
    scratch_text(scratch, "a", "");
    scratch_text(scratch, "z", "");
    scratch_mkdir(scratch, "m");
    sandbox_run(walk_into_mounts, scratch);
}

static void walk_without_statx(void *context)
{
    struct scratch *scratch = context;
    sandbox_deny(ENOSYS, SYS_statx);
    sandbox_deny(EPERM, SYS_openat2);
    char *text = walk_all(scratch, NULL, NULL, NULL);
    CHECK(strcmp(text, "a\na/f\n") == 0);
    free(text);
}

static void a_walk_needs_no_new_system_calls(void **state)
{
    scratch_text(*state, "a/f", "");
    sandbox_run(walk_without_statx, *state);
}

struct churning {
    const struct scratch *scratch;
    _Atomic bool stop;
};

static void *churn(void *user)
{
    struct churning *churning = user;
    int fd = churning->scratch->fd;
    while (!atomic_load(&churning->stop)) {
        (void)!renameat(fd, "a/b", fd, "a/c");
        (void)!renameat(fd, "a/c", fd, "a/b");
        (void)!unlinkat(fd, "a/b/f", 0);
        close(openat(fd, "a/b/f", O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
    }
    return NULL;
}

static void a_tree_that_changes_meanwhile_is_no_error(void **state)
{
    struct scratch *scratch = *state;
    struct churning churning = {.scratch = scratch};
    pthread_t thread;
    scratch_text(scratch, "a/b/f", "");
    scratch_text(scratch, "z", "");
    size_t before = scratch_open_descriptors();
    assert_int_equal(pthread_create(&thread, NULL, churn, &churning), 0);
    for (int i = 0; i < 300; i++) {
        char *text = walk_all(scratch, NULL, NULL, NULL);
        assert_int_equal(strncmp(text, "a\n", 2), 0);
        assert_non_null(strstr(text, "\nz\n"));
        free(text);
    }
    atomic_store(&churning.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(scratch_open_descriptors(), before);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_directory_comes_before_what_is_in_it_and_names_are_sorted),
        TEST(an_empty_directory_has_no_entries),
        TEST(links_are_entries_and_are_not_followed),
        TEST(strange_names_are_reported_as_they_are),
        TEST(an_entry_comes_with_its_state_and_its_directory),
        TEST(what_is_skipped_is_neither_reported_nor_entered),
        TEST(a_root_is_walked_in_parts),
        TEST(a_walk_may_end_early),
        TEST(a_deep_tree_needs_few_descriptors),
        TEST(the_limit_of_descriptors_is_kept_while_a_directory_is_opened_too),
        TEST(no_descriptor_left_is_an_error_not_a_directory_left_out),
        TEST(paths_up_to_the_limit_are_reported_and_longer_ones_end_there),
        TEST(a_directory_that_cannot_be_read_is_counted_and_a_root_is_an_error),
        TEST(what_vanishes_meanwhile_is_counted),
        TEST(a_directory_replaced_by_a_link_is_not_followed),
        TEST(a_deep_directory_moved_meanwhile_ends_its_branch_only),
        TEST(mounts_below_the_root_are_entered),
        TEST(a_walk_needs_no_new_system_calls),
        TEST(a_tree_that_changes_meanwhile_is_no_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
