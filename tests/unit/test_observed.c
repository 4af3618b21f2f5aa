#include "cache/observed.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/boottime.h"
#include "base/guard.h"
#include "support/scratch.h"

static uint64_t now_ms;

uint64_t boottime_ms(void)
{
    return now_ms;
}

static const struct process here = {.boot = "11111111-2222-3333-4444-555555555555",
                                    .clock_is_hosts = true};
static const struct process rebooted = {.boot = "99999999-2222-3333-4444-555555555555",
                                        .clock_is_hosts = true};

static const char *file_name(void)
{
    static char name[64];
    snprintf(name, sizeof(name), OBSERVED_PREFIX "%lu", (unsigned long)geteuid());
    return name;
}

/* One operation that asks about one name. */
static uint64_t ask_as(const struct scratch *scratch, const struct process *self,
                       const char *volume, const char *name, const char *state, bool complete)
{
    SCOPED(observed) struct observed observed = OBSERVED_NONE;
    observed_read(&observed, scratch->path, volume, self);
    uint64_t ms = observed_unchanged_ms(&observed, name, state, strlen(state));
    observed_write(&observed, complete);
    return ms;
}

static uint64_t ask(const struct scratch *scratch, const char *name, const char *state)
{
    return ask_as(scratch, &here, "/volume", name, state, false);
}

static int setup(void **state)
{
    now_ms = 1000000;
    return scratch_setup(state);
}

static void what_stands_still_grows_older_from_one_operation_to_the_next(void **state)
{
    assert_int_equal(ask(*state, "a", "1"), 0);
    now_ms += 500;
    assert_int_equal(ask(*state, "a", "1"), 500);
    now_ms += 500;
    assert_int_equal(ask(*state, "a", "1"), 1000);
}

static void another_state_name_or_volume_is_seen_for_the_first_time(void **state)
{
    assert_int_equal(ask(*state, "a", "1"), 0);
    now_ms += 500;
    assert_int_equal(ask(*state, "a", "2"), 0);
    assert_int_equal(ask(*state, "b", "1"), 0);
    assert_int_equal(ask_as(*state, &here, "/other", "a", "1", false), 0);
    now_ms += 500;
    assert_int_equal(ask(*state, "a", "1"), 1000);
    assert_int_equal(ask(*state, "a", "2"), 500);
    assert_int_equal(ask_as(*state, &here, "/other", "a", "1", false), 500);
}

static void name_and_state_are_told_apart(void **state)
{
    assert_int_equal(ask(*state, "ab", "c"), 0);
    now_ms += 500;
    assert_int_equal(ask(*state, "a", "bc"), 0);
}

static void times_of_another_boot_say_nothing(void **state)
{
    assert_int_equal(ask(*state, "a", "1"), 0);
    now_ms += 500;
    assert_int_equal(ask_as(*state, &rebooted, "/volume", "a", "1", false), 0);
    now_ms += 500;
    assert_int_equal(ask_as(*state, &rebooted, "/volume", "a", "1", false), 500);
    now_ms = 10; /* a time to come */
    assert_int_equal(ask_as(*state, &rebooted, "/volume", "a", "1", false), 0);
}

static void without_boot_id_or_its_clock_nothing_is_remembered(void **state)
{
    struct process unknown = here;
    struct process shifted = {.boot = "-", .clock_is_hosts = true};
    unknown.clock_is_hosts = false;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ask_as(*state, &unknown, "/volume", "a", "1", false), 0);
        assert_int_equal(ask_as(*state, &shifted, "/volume", "a", "1", false), 0);
        now_ms += 500;
    }
    assert_int_equal(scratch_count(*state, ""), 0);
}

static void the_file_is_private_and_alone(void **state)
{
    struct stat stat;
    size_t descriptors = scratch_open_descriptors();
    assert_int_equal(ask(*state, "a", "1"), 0);
    assert_int_equal(scratch_count(*state, ""), 1);
    assert_int_equal(lstat(scratch_path(*state, file_name()), &stat), 0);
    assert_int_equal(stat.st_mode, S_IFREG | 0600);
    assert_int_equal(scratch_open_descriptors(), descriptors);
}

static void without_news_nothing_is_written(void **state)
{
    SCOPED(observed) struct observed observed = OBSERVED_NONE;
    observed_read(&observed, ((struct scratch *)*state)->path, "/volume", &here);
    observed_write(&observed, true);
    assert_int_equal(scratch_count(*state, ""), 0);
}

static void what_is_gone_is_forgotten_and_other_volumes_are_not(void **state)
{
    assert_int_equal(ask(*state, "a", "1"), 0);
    assert_int_equal(ask_as(*state, &here, "/other", "a", "1", false), 0);
    now_ms += 500;
    assert_int_equal(ask_as(*state, &here, "/volume", "b", "1", true), 0);
    assert_int_equal(ask(*state, "a", "1"), 0);
    assert_int_equal(ask(*state, "b", "1"), 0);
    assert_int_equal(ask_as(*state, &here, "/other", "a", "1", false), 500);
}

static void at_most_so_many_lines_are_kept(void **state)
{
    const struct scratch *scratch = *state;
    SCOPED(observed) struct observed observed = OBSERVED_NONE;
    struct stat stat;
    assert_int_equal(ask(scratch, "early", "1"), 0);
    observed_read(&observed, scratch->path, "/volume", &here);
    for (int i = 0; i < OBSERVED_MOST + 10; i++) {
        char name[32];
        snprintf(name, sizeof(name), "name %d", i);
        assert_int_equal(observed_unchanged_ms(&observed, name, "1", 1), 0);
    }
    observed_write(&observed, false);
    assert_int_equal(lstat(scratch_path(scratch, file_name()), &stat), 0);
    assert_true(stat.st_size < 100 * OBSERVED_MOST);
    now_ms += 500;
    assert_int_equal(ask(scratch, "name 17", "1"), 500);
    assert_int_equal(ask(scratch, "early", "1"), 0); /* made room */
}

/* ---- whatever stands there ---- */

static void spoil(const struct scratch *scratch, size_t at, char with)
{
    size_t size;
    char *text = scratch_read(scratch, file_name(), &size);
    text[at % size] = with;
    scratch_write(scratch, file_name(), text, size);
    free(text);
}

static void a_spoilt_line_is_seen_for_the_first_time(void **state)
{
    const struct scratch *scratch = *state;
    size_t size;
    assert_int_equal(ask(scratch, "a", "1"), 0);
    char *text = scratch_read(scratch, file_name(), &size);
    now_ms += 500;
    for (size_t at = 0; at < size; at++) {
        scratch_write(scratch, file_name(), text, size);
        spoil(scratch, at, '\n');
        uint64_t ms = ask(scratch, "a", "1");
        assert_true(ms == 0 || text[at] == '\n');
    }
    scratch_write(scratch, file_name(), text, size / 2);
    assert_int_equal(ask(scratch, "a", "1"), 0);
    free(text);
}

static void what_is_not_ours_is_not_read_and_harms_nothing(void **state)
{
    const struct scratch *scratch = *state;
    const char *path = scratch_path(scratch, file_name());
    assert_int_equal(ask(scratch, "a", "1"), 0);
    now_ms += 500;
    assert_int_equal(chmod(path, 0666), 0);
    assert_int_equal(ask(scratch, "a", "1"), 0);
    now_ms += 500;
    assert_int_equal(rename(path, scratch_path(scratch, "elsewhere")), 0);
    assert_int_equal(symlink("elsewhere", path), 0);
    assert_int_equal(ask(scratch, "a", "1"), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(ask(scratch, "a", "1"), 0);
    now_ms += 500;
    assert_int_equal(ask(scratch, "a", "1"), 500); /* a file of ours stands there again */
    assert_int_equal(unlink(path), 0);
    scratch_mkdir(scratch, file_name());
    assert_int_equal(ask(scratch, "a", "1"), 0);
    assert_int_equal(ask(scratch, "a", "1"), 0);
}

static void somebody_elses_file_is_not_believed(void **state)
{
    if (geteuid() != 0)
        skip();
    assert_int_equal(ask(*state, "a", "1"), 0);
    now_ms += 500;
    assert_int_equal(chown(scratch_path(*state, file_name()), 12345, 12345), 0);
    assert_int_equal(ask(*state, "a", "1"), 0);
}

static void without_a_temporary_directory_nothing_is_remembered(void **state)
{
    SCOPED(observed) struct observed observed = OBSERVED_NONE;
    observed_read(&observed, scratch_path(*state, "absent"), "/volume", &here);
    assert_int_equal(observed_unchanged_ms(&observed, "a", "1", 1), 0);
    observed_write(&observed, true);
    observed_release(&observed);
    observed_release(&observed);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_stands_still_grows_older_from_one_operation_to_the_next),
        TEST(another_state_name_or_volume_is_seen_for_the_first_time),
        TEST(name_and_state_are_told_apart),
        TEST(times_of_another_boot_say_nothing),
        TEST(without_boot_id_or_its_clock_nothing_is_remembered),
        TEST(the_file_is_private_and_alone),
        TEST(without_news_nothing_is_written),
        TEST(what_is_gone_is_forgotten_and_other_volumes_are_not),
        TEST(at_most_so_many_lines_are_kept),
        TEST(a_spoilt_line_is_seen_for_the_first_time),
        TEST(what_is_not_ours_is_not_read_and_harms_nothing),
        TEST(somebody_elses_file_is_not_believed),
        TEST(without_a_temporary_directory_nothing_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
