/* What a load takes where there is no archive for the exact key. This is a host without a GPU; with
 * one: test_gpu_key.c. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guard.h"
#include "support/elsewhere.h"
#include "support/replica.h"
#include "support/sandbox.h"

static const struct gpu_probe off = {.steps = 0};

static void host_init(struct replica *replica, const struct scratch *scratch)
{
    replica_init(replica, scratch);
    replica_set(replica, "b10_gpu_probe", "off");
}

/* An archive whose one file, `which`, holds `text`; made elsewhere, where `fact` is `value`. */
static void stored(const struct replica *replica, const char *fact, const char *value,
                   uint64_t host_code, const char *text, time_t modified)
{
    struct elsewhere host;
    elsewhere_init(&host, replica->scratch, &off);
    if (fact != NULL)
        elsewhere_set(&host, fact, value);
    host.host_code = host_code;
    host.modified = modified;
    elsewhere_save(&host, text);
    elsewhere_release(&host);
}

static void assert_loaded(struct replica *replica, const char *text, int fallback)
{
    replica_assert(replica, replica_load(replica), B10_SUCCESS, B10_REASON_OK);
    SCOPED(heap) char *found = scratch_read(replica->scratch, "local/which", NULL);
    assert_string_equal(found, text);
    assert_int_equal(replica->report.fallback, fallback);
    assert_int_equal(replica->report.difference[0] != '\0', fallback);
}

static void assert_absent(struct replica *replica)
{
    replica_assert(replica, replica_load(replica), B10_DOES_NOT_EXIST, B10_REASON_ABSENT);
    assert_false(scratch_exists(replica->scratch, "local"));
    assert_int_equal(replica->report.fallback, 0);
    assert_string_equal(replica->report.difference, "");
}

/* ---- promise ---- */

static void another_processor_will_do_while_nothing_was_compiled_for_it(void **state)
{
    struct replica replica;
    host_init(&replica, *state);
    stored(&replica, "cpu", "other", 0, "made elsewhere", 1000);
    assert_loaded(&replica, "made elsewhere", 1);
    assert_non_null(strstr(replica.report.difference, "cpu: 'other' there, '"));
    assert_non_null(strstr(replica.report.archive, "-other-linux-"));
    assert_null(strstr(replica.report.environment_key, "-other-linux-"));
    assert_non_null(strstr(replica.log, "does not exist; loaded '"));
    assert_non_null(strstr(replica.log, replica.report.archive));
    assert_non_null(strstr(replica.log, replica.report.difference));
    replica_release(&replica);
}

static void another_processor_will_not_do_where_something_was_compiled_for_it(void **state)
{
    struct replica replica;
    host_init(&replica, *state);
    stored(&replica, "cpu_features", "other", 1, "made elsewhere", 1000);
    assert_absent(&replica);
    /* one line tells what was nearest, and why it was not taken */
    assert_non_null(strstr(replica.log, "the nearest archive does not fit: '"));
    assert_non_null(strstr(replica.log, "cpu_features: only there: other; only here: "));
    assert_int_equal(replica_volume_entries(&replica), 1);
    replica_release(&replica);
}

static void other_facts_never_do(void **state)
{
    static const struct {
        const char *fact;
        const char *value;
    } rows[] = {{"kind", "vllm"},    {"arch", "other"}, {"os", "other"},
                {"device", "other"}, {"tag.a", "b"},    {"unheard_of", "1"}};
    struct replica replica;
    host_init(&replica, *state);
    for (size_t i = 0; i < 6; i++)
        stored(&replica, rows[i].fact, rows[i].value, 0, rows[i].fact, 1000);
    assert_int_equal(replica_volume_entries(&replica), 6);
    assert_absent(&replica);
    assert_int_equal(replica_volume_entries(&replica), 6);
    replica_release(&replica);
}

static void the_newest_of_several_is_taken(void **state)
{
    struct replica replica;
    host_init(&replica, *state);
    stored(&replica, "cpu", "b", 0, "newer", 2000);
    stored(&replica, "cpu", "a", 0, "older", 1000);
    stored(&replica, "cpu", "c", 0, "oldest", 500);
    stored(&replica, "cpu", "d", 1, "newest, with code", 3000);
    assert_loaded(&replica, "newer", 1);
    replica_release(&replica);
}

static void the_exact_archive_goes_before_newer_ones(void **state)
{
    struct replica replica;
    host_init(&replica, *state);
    stored(&replica, NULL, NULL, 5, "exact", 1000);
    stored(&replica, "cpu", "other", 0, "made elsewhere", 2000);
    assert_loaded(&replica, "exact", 0);
    assert_null(strstr(replica.log, "in its place"));
    replica_release(&replica);
}

static void a_save_publishes_under_the_exact_key(void **state)
{
    struct replica replica;
    host_init(&replica, *state);
    stored(&replica, "cpu", "other", 0, "made elsewhere", 1000);
    assert_loaded(&replica, "made elsewhere", 1);
    scratch_text(*state, "local/more", "compiled here");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica_volume_entries(&replica), 2);
    assert_int_equal(b10_clear(replica_config(&replica), NULL, NULL, &replica.error), B10_SUCCESS);
    assert_loaded(&replica, "made elsewhere", 0);
    assert_true(scratch_exists(*state, "local/more"));
    replica_release(&replica);
}

/* ---- edges ---- */

static void only_so_many_tails_are_read(void **state)
{
    struct replica replica;
    char name[16];
    host_init(&replica, *state);
    stored(&replica, "cpu", "oldest", 0, "seventeenth", 1000);
    for (int i = 0; i < 16; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        stored(&replica, "cpu", name, 1, "with code", 2000 + i);
    }
    assert_absent(&replica);
    replica_release(&replica);
}

static void a_given_key_has_no_fallback(void **state)
{
    struct replica replica;
    host_init(&replica, *state);
    stored(&replica, "cpu", "other", 0, "made elsewhere", 1000);
    replica_set(&replica, "b10_environment_key", "inductor-cpu-x86_64-mine");
    assert_absent(&replica);
    replica_release(&replica);
}

static void a_given_key_may_be_that_of_another_host(void **state)
{
    struct replica replica;
    struct elsewhere host;
    host_init(&replica, *state);
    elsewhere_init(&host, *state, &off);
    elsewhere_set(&host, "cpu", "other");
    host.host_code = 1;
    elsewhere_save(&host, "made elsewhere");
    replica_set(&replica, "b10_environment_key", elsewhere_key(&host));
    elsewhere_release(&host);
    assert_loaded(&replica, "made elsewhere", 0);
    assert_non_null(strstr(replica.log, "was made under other facts: cpu: 'other' there"));
    replica_release(&replica);
}

static void one_that_is_too_large_gives_way_to_the_next(void **state)
{
    struct replica replica;
    struct elsewhere host;
    host_init(&replica, *state);
    elsewhere_init(&host, *state, &off);
    elsewhere_set(&host, "cpu", "huge");
    host.zeros = 65 << 20; /* more than 64 times the limit, in a few KB */
    host.modified = 2000;
    elsewhere_save(&host, "huge");
    elsewhere_release(&host);
    replica_set(&replica, "max_cache_size_mb", "1");
    replica_assert(&replica, replica_load(&replica), B10_ERROR, B10_REASON_TOO_LARGE);
    stored(&replica, "cpu", "other", 0, "fits", 1000);
    assert_loaded(&replica, "fits", 1);
    replica_release(&replica);
}

/* ---- failure ---- */

/* Flips a bit of the content, in the first frame. */
static void damage(const struct replica *replica, const char *fact, const char *value, off_t at)
{
    struct elsewhere host;
    unsigned char byte;
    elsewhere_init(&host, replica->scratch, &off);
    if (fact != NULL)
        elsewhere_set(&host, fact, value);
    int fd = open(elsewhere_path(&host), O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    if (at < 0)
        at += lseek(fd, 0, SEEK_END);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
    elsewhere_release(&host);
}

static void a_damaged_exact_archive_gives_way_to_a_fallback(void **state)
{
    struct replica replica;
    host_init(&replica, *state);
    stored(&replica, NULL, NULL, 0, "exact", 2000);
    stored(&replica, "cpu", "other", 0, "made elsewhere", 1000);
    damage(&replica, NULL, NULL, 30);
    assert_loaded(&replica, "made elsewhere", 1);
    assert_int_equal(replica.report.archives_set_aside, 1);
    assert_int_equal(replica_volume_entries(&replica), 2); /* the .bad file and the fallback */
    assert_non_null(strstr(replica.report.archive, "-other-"));
    replica_release(&replica);
}

static void a_damaged_fallback_gives_way_to_the_next_and_is_set_aside(void **state)
{
    struct replica replica;
    host_init(&replica, *state);
    stored(&replica, "cpu", "b", 0, "damaged", 2000);
    stored(&replica, "cpu", "a", 0, "intact", 1000);
    damage(&replica, "cpu", "b", 30);
    assert_loaded(&replica, "intact", 1);
    assert_int_equal(replica.report.archives_set_aside, 1);
    replica_release(&replica);
}

static void the_code_of_the_first_usable_archive_counts(void **state)
{
    struct replica replica;
    host_init(&replica, *state);
    stored(&replica, "cpu", "b", 0, "damaged", 2000);
    stored(&replica, "cpu", "a", 1, "with code", 1000);
    damage(&replica, "cpu", "b", 30);
    replica_assert(&replica, replica_load(&replica), B10_ERROR, B10_REASON_CORRUPT);
    assert_false(scratch_exists(*state, "local"));
    assert_int_equal(replica.report.archives_set_aside, 1);
    /* it is aside now; what remains does not fit */
    assert_absent(&replica);
    replica_release(&replica);
}

/* Nobody knows for whom it was: that is no failure of this host's cache. */
static void a_similar_archive_that_cannot_be_told_is_set_aside_and_absent(void **state)
{
    struct replica replica;
    host_init(&replica, *state);
    stored(&replica, "cpu", "other", 0, "damaged", 1000);
    damage(&replica, "cpu", "other", -3);
    assert_absent(&replica);
    assert_int_equal(replica.report.archives_set_aside, 1);
    assert_string_equal(replica_archive(&replica), "");
    replica_release(&replica);
}

static void as_a_stranger(void *context)
{
    struct replica *replica = context;
    sandbox_drop_root();
    CHECK(replica_load(replica) == B10_DOES_NOT_EXIST);
    CHECK(replica->error.code == B10_REASON_ABSENT);
}

static void a_similar_archive_that_is_not_readable_is_passed_over(void **state)
{
    struct replica replica;
    struct elsewhere host;
    host_init(&replica, *state);
    elsewhere_init(&host, *state, &off);
    elsewhere_set(&host, "cpu", "other");
    elsewhere_save(&host, "secret");
    assert_int_equal(chmod(elsewhere_path(&host), 0600), 0);
    elsewhere_release(&host);
    assert_int_equal(chmod(scratch_path(*state, ""), 0777), 0);
    sandbox_run(as_a_stranger, &replica);
    replica_release(&replica);
}

static void no_descriptor_is_leaked(void **state)
{
    struct replica replica;
    host_init(&replica, *state);
    stored(&replica, "cpu", "b", 0, "damaged", 2000);
    stored(&replica, "cpu", "a", 0, "intact", 1000);
    damage(&replica, "cpu", "b", 30);
    size_t before = scratch_open_descriptors();
    assert_loaded(&replica, "intact", 1);
    assert_int_equal(scratch_open_descriptors(), before);
    replica_release(&replica);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(another_processor_will_do_while_nothing_was_compiled_for_it),
        ROW(another_processor_will_not_do_where_something_was_compiled_for_it),
        ROW(other_facts_never_do),
        ROW(the_newest_of_several_is_taken),
        ROW(the_exact_archive_goes_before_newer_ones),
        ROW(a_save_publishes_under_the_exact_key),
        ROW(only_so_many_tails_are_read),
        ROW(a_given_key_has_no_fallback),
        ROW(a_given_key_may_be_that_of_another_host),
        ROW(one_that_is_too_large_gives_way_to_the_next),
        ROW(a_damaged_exact_archive_gives_way_to_a_fallback),
        ROW(a_damaged_fallback_gives_way_to_the_next_and_is_set_aside),
        ROW(the_code_of_the_first_usable_archive_counts),
        ROW(a_similar_archive_that_cannot_be_told_is_set_aside_and_absent),
        ROW(a_similar_archive_that_is_not_readable_is_passed_over),
        ROW(no_descriptor_is_leaked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
