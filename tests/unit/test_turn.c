#include "cache/turn.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

#include "base/guard.h"
#include "support/sandbox.h"
#include "support/savers.h"

static struct saver saver;
static struct process elsewhere;

static int setup(void **state)
{
    memset(&moment, 0, sizeof(moment));
    moment.now_ms = 1000000;
    elsewhere = savers_elsewhere();
    int failed = scratch_setup(state);
    saver_init(&saver, *state);
    return failed;
}

static int teardown(void **state)
{
    saver_release(&saver);
    return scratch_teardown(state);
}

static void put_locks(unsigned count, uint64_t counter)
{
    for (unsigned i = 0; i < count; i++) {
        char key[32];
        snprintf(key, sizeof(key), "other-%u", i);
        savers_put_lock(saver.scratch, key, &elsewhere, counter);
    }
}

static bool exists(const char *name)
{
    return faccessat(saver.volume.dirfd, name, F_OK, 0) == 0;
}

static void a_turn_is_taken_kept_and_given_back(void **state)
{
    (void)state;
    size_t descriptors = scratch_open_descriptors();
    assert_int_equal(saver_take(&saver, "key"), B10_REASON_OK);
    assert_true(exists(".key.lock"));
    assert_int_equal(turn_tidy(&saver.turn, NULL), B10_REASON_OK);
    assert_int_equal(turn_beat(&saver.turn, NULL), B10_REASON_OK);
    assert_int_equal(turn_confirm(&saver.turn, NULL), B10_REASON_OK);
    assert_int_equal(turn_beat_ms(&saver.turn), 2000);
    turn_release(&saver.turn);
    turn_release(&saver.turn);
    assert_int_equal(scratch_count(saver.scratch, "volume"), 0);
    assert_int_equal(scratch_open_descriptors(), descriptors);
}

static void below_the_limit_nobody_is_looked_at(void **state)
{
    (void)state;
    saver.settings.max_concurrent_saves = 3;
    put_locks(2, 0);
    assert_int_equal(saver_take(&saver, "key"), B10_REASON_OK);
    assert_int_equal(moment.pauses, 0);
    assert_int_equal(saver.turn.observed.count, 0);
}

static void at_the_limit_a_saver_is_busy_after_some_tries_within_a_second(void **state)
{
    (void)state;
    const uint64_t began_ms = moment.now_ms;
    saver.settings.max_concurrent_saves = 3;
    put_locks(3, 0);
    assert_int_equal(saver_take(&saver, "key"), B10_REASON_BUSY);
    assert_true(moment.pauses >= 2);
    assert_true(moment.now_ms - began_ms <= 1000);
    assert_false(exists(".key.lock"));
    assert_true(exists(".other-2.lock"));
}

static void free_a_place(unsigned pause)
{
    if (pause == 2)
        assert_int_equal(unlinkat(saver.volume.dirfd, ".other-0.lock", 0), 0);
}

static void a_place_that_becomes_free_meanwhile_is_taken(void **state)
{
    (void)state;
    saver.settings.max_concurrent_saves = 3;
    put_locks(3, 0);
    moment.at_pause = free_a_place;
    assert_int_equal(saver_take(&saver, "key"), B10_REASON_OK);
    assert_int_equal(moment.pauses, 2);
}

static void the_dead_of_this_host_do_not_count(void **state)
{
    (void)state;
    struct process dead = savers_dead();
    saver.settings.max_concurrent_saves = 3;
    put_locks(3, 0);
    savers_put_lock(saver.scratch, "other-1", &dead, 0);
    assert_int_equal(saver_take(&saver, "key"), B10_REASON_OK);
    assert_int_equal(moment.pauses, 0);
}

static void the_dead_elsewhere_count_until_they_stood_still_for_the_timeout(void **state)
{
    (void)state;
    saver.settings.max_concurrent_saves = 3;
    put_locks(3, 0);
    assert_int_equal(saver_take(&saver, "key"), B10_REASON_BUSY);
    turn_release(&saver.turn);
    moment.now_ms += 15000;
    savers_put_lock(saver.scratch, "other-0", &elsewhere, 1);
    savers_put_lock(saver.scratch, "other-1", &elsewhere, 1);
    assert_int_equal(saver_take(&saver, "key"), B10_REASON_BUSY);
    turn_release(&saver.turn);
    moment.now_ms += 15000; /* other-2 has not beaten for the timeout */
    assert_int_equal(saver_take(&saver, "key"), B10_REASON_OK);
}

static void beat_of_the_key(unsigned pause)
{
    savers_put_lock(saver.scratch, "key", &elsewhere, pause);
}

static void a_live_saver_of_the_key_comes_before_the_limit(void **state)
{
    (void)state;
    saver.settings.max_concurrent_saves = 1;
    put_locks(1, 0);
    savers_put_lock(saver.scratch, "key", &elsewhere, 0);
    moment.at_pause = beat_of_the_key;
    assert_int_equal(saver_take(&saver, "key"), B10_REASON_IN_PROGRESS);
    assert_int_equal(moment.pauses, 1);
}

static void a_lost_turn_is_noticed(void **state)
{
    (void)state;
    assert_int_equal(saver_take(&saver, "key"), B10_REASON_OK);
    savers_put_lock(saver.scratch, "key", &elsewhere, 0);
    assert_int_equal(turn_beat(&saver.turn, NULL), B10_REASON_IN_PROGRESS);
    assert_int_equal(turn_confirm(&saver.turn, NULL), B10_REASON_IN_PROGRESS);
    turn_release(&saver.turn);
    assert_true(exists(".key.lock"));
}

static void without_locks(void *context)
{
    (void)context;
    saver.settings.max_concurrent_saves = 1;
    put_locks(1, 0);
    sandbox_deny_argument(EPERM, SYS_openat, 2,
                          O_WRONLY | O_CREAT | O_NOFOLLOW | O_EXCL | O_CLOEXEC);
    CHECK(saver_take(&saver, "key") == B10_REASON_OK);
    CHECK(turn_tidy(&saver.turn, NULL) == B10_REASON_OK);
    CHECK(turn_beat(&saver.turn, NULL) == B10_REASON_OK);
    CHECK(turn_confirm(&saver.turn, NULL) == B10_REASON_OK);
    CHECK(strstr(saver.log, "saving without a lock") != NULL);
}

static void where_nothing_can_be_locked_a_save_goes_on(void **state)
{
    sandbox_run(without_locks, *state);
}

static void the_operations_stop_sign_ends_the_waiting(void **state)
{
    (void)state;
    struct cancel stop = CANCEL_CLEAR;
    struct progress progress = {.stop = &stop};
    struct b10_error why = ERROR_NONE;
    saver.volume.progress = &progress;
    savers_put_lock(saver.scratch, "key", &elsewhere, 0);
    error_set(&why, B10_REASON_CANCELLED, "enough");
    cancel_trip(&stop, &why);
    assert_int_equal(saver_take(&saver, "key"), B10_REASON_CANCELLED);
    assert_int_equal(moment.pauses, 0);
    assert_true(exists(".key.lock"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_turn_is_taken_kept_and_given_back),
        TEST(below_the_limit_nobody_is_looked_at),
        TEST(at_the_limit_a_saver_is_busy_after_some_tries_within_a_second),
        TEST(a_place_that_becomes_free_meanwhile_is_taken),
        TEST(the_dead_of_this_host_do_not_count),
        TEST(the_dead_elsewhere_count_until_they_stood_still_for_the_timeout),
        TEST(a_live_saver_of_the_key_comes_before_the_limit),
        TEST(a_lost_turn_is_noticed),
        TEST(where_nothing_can_be_locked_a_save_goes_on),
        TEST(the_operations_stop_sign_ends_the_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
