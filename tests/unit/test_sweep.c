#include "cache/sweep.h"

#include <fcntl.h>

#include "base/guard.h"
#include "support/forge.h"
#include "support/savers.h"

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct saver saver;

static int setup(void **state)
{
    memset(&moment, 0, sizeof(moment));
    moment.now_ms = 1000000;
    int failed = scratch_setup(state);
    saver_init(&saver, *state);
    return failed;
}

static int teardown(void **state)
{
    saver_release(&saver);
    return scratch_teardown(state);
}

static const char *in_volume(const char *name)
{
    static char path[8][320];
    static unsigned next;
    char *one = path[next++ % 8];
    snprintf(one, sizeof(path[0]), "volume/%s", name);
    return one;
}

static void put(const char *name)
{
    scratch_text(saver.scratch, in_volume(name), "left behind");
}

static bool exists(const char *name)
{
    return scratch_exists(saver.scratch, in_volume(name));
}

/* A save of `key` that only takes its turn. */
static void sweep_as(const char *key)
{
    assert_int_equal(saver_take(&saver, key), B10_REASON_OK);
    assert_int_equal(turn_tidy(&saver.turn, NULL), B10_REASON_OK);
    turn_release(&saver.turn);
}

static void pass_s(unsigned s)
{
    moment.now_ms += (uint64_t)s * 1000;
}

static void the_locks_holder_removes_its_keys_temporary_files_at_once(void **state)
{
    (void)state;
    put(".key." HEX_A ".tmp");
    put(".key." HEX_B ".tmp");
    put(".other." HEX_A ".tmp");
    sweep_as("key");
    assert_false(exists(".key." HEX_A ".tmp"));
    assert_false(exists(".key." HEX_B ".tmp"));
    assert_true(exists(".other." HEX_A ".tmp"));
    assert_non_null(strstr(saver.log, ".key." HEX_A ".tmp', which a dead saver left"));
}

static void everything_else_goes_when_it_has_not_changed_for_the_timeout(void **state)
{
    (void)state;
    static const char *const names[] = {".other." HEX_A ".tmp", ".other." HEX_A ".lock-new",
                                        ".other." HEX_A ".lock-old", ".key." HEX_A ".lock-old"};
    for (size_t i = 0; i < 4; i++)
        put(names[i]);
    sweep_as("key");
    pass_s(59);
    sweep_as("key");
    for (size_t i = 0; i < 4; i++)
        assert_true(exists(names[i]));
    pass_s(1);
    sweep_as("key");
    for (size_t i = 0; i < 4; i++)
        assert_false(exists(names[i]));
}

static void what_changes_stays(void **state)
{
    (void)state;
    put(".other." HEX_A ".tmp");
    for (int i = 0; i < 5; i++) {
        char text[64];
        sweep_as("key");
        pass_s(59);
        snprintf(text, sizeof(text), "%d megabytes", i);
        scratch_text(saver.scratch, in_volume(".other." HEX_A ".tmp"), text);
    }
    sweep_as("key");
    assert_true(exists(".other." HEX_A ".tmp"));
}

static void a_silent_saver_whose_lock_beats_keeps_its_file(void **state)
{
    (void)state;
    struct process elsewhere = savers_elsewhere();
    put(".other." HEX_A ".tmp");
    for (unsigned i = 0; i < 10; i++) {
        savers_put_lock(saver.scratch, "other", &elsewhere, i);
        sweep_as("key");
        pass_s(29);
    }
    assert_true(exists(".other." HEX_A ".tmp"));
    assert_true(exists(".other.lock"));
}

static void a_lock_that_stands_still_goes_and_then_its_file(void **state)
{
    (void)state;
    struct process elsewhere = savers_elsewhere();
    put(".other." HEX_A ".tmp");
    savers_put_lock(saver.scratch, "other", &elsewhere, 5);
    sweep_as("key");
    pass_s(29);
    sweep_as("key");
    assert_true(exists(".other.lock"));
    pass_s(1);
    sweep_as("key");
    assert_false(exists(".other.lock"));
    assert_true(exists(".other." HEX_A ".tmp"));
    pass_s(60);
    sweep_as("key");
    assert_false(exists(".other." HEX_A ".tmp"));
    assert_int_equal(scratch_count(saver.scratch, "volume"), 0);
}

static void a_dead_process_of_this_host_loses_its_lock_at_once(void **state)
{
    (void)state;
    struct process dead = savers_dead();
    savers_put_lock(saver.scratch, "other", &dead, 5);
    sweep_as("key");
    assert_false(exists(".other.lock"));
    assert_non_null(strstr(saver.log, "of a dead saver"));
}

static void a_lock_on_its_way_goes_at_once_if_its_process_is_dead(void **state)
{
    (void)state;
    struct process dead = savers_dead();
    struct process self;
    process_self(&self);
    const char *const ways[] = {".key." HEX_A ".lock-new", ".key." HEX_A ".lock-old",
                                ".other." HEX_A ".lock-new", ".other." HEX_A ".lock-old"};
    for (int lives = 0; lives < 2; lives++) {
        for (size_t i = 0; i < 4; i++) {
            savers_put_lock(saver.scratch, "way", lives ? &self : &dead, 0);
            assert_int_equal(renameat(saver.volume.dirfd, ".way.lock", saver.volume.dirfd, ways[i]),
                             0);
        }
        sweep_as("key");
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(exists(ways[i]), lives);
    }
}

static void one_set_aside_archive_of_a_key_stays(void **state)
{
    (void)state;
    const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    put(".key." HEX_A ".bad");
    put(".key." HEX_B ".bad");
    put(".other." HEX_A ".bad");
    assert_int_equal(utimensat(saver.volume.dirfd, ".key." HEX_B ".bad", old, 0), 0);
    sweep_as("key");
    assert_true(exists(".key." HEX_B ".bad"));
    pass_s(60);
    sweep_as("key");
    pass_s(1000);
    sweep_as("key");
    assert_true(exists(".key." HEX_A ".bad"));
    assert_false(exists(".key." HEX_B ".bad"));
    assert_true(exists(".other." HEX_A ".bad"));
}

static const char *const strangers[] = {
    "file",
    "k.v1.tar.zst",
    "." HEX_A ".tmp",
    ".k." HEX_A "a.tmp",
    ".k.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.tmp",
    ".k.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.tmp",
    ".k" HEX_A ".tmp",
    "k." HEX_A ".tmp",
    ".K." HEX_A ".tmp",
    ".k." HEX_A ".tmp2",
    ".k." HEX_A ".tmp.",
    ".k." HEX_A ".locknew",
    ".k." HEX_A,
    ".k.bad",
    ".k.lock-old",
    ".nfs000000000001",
    ".fuse_hidden0001",
    ".k.1234.tmp",
    "..lock",
    ".k\n.lock",
    ".k .lock",
};

static void nothing_that_is_not_ours_is_touched(void **state)
{
    (void)state;
    const size_t count = sizeof(strangers) / sizeof(strangers[0]);
    for (size_t i = 0; i < count; i++)
        put(strangers[i]);
    /* our names, but nothing that we make */
    scratch_mkdir(saver.scratch, in_volume(".k." HEX_A ".tmp"));
    scratch_mkdir(saver.scratch, in_volume(".key." HEX_A ".tmp"));
    scratch_text(saver.scratch, in_volume(".k." HEX_A ".lock-old/file"), "content");
    assert_int_equal(symlinkat("file", saver.volume.dirfd, ".k." HEX_B ".tmp"), 0);
    assert_int_equal(mkfifoat(saver.volume.dirfd, ".key." HEX_B ".tmp", 0666), 0);
    const size_t before = scratch_count(saver.scratch, "volume");
    for (int i = 0; i < 4; i++) {
        sweep_as("key");
        pass_s(1000);
    }
    assert_int_equal(scratch_count(saver.scratch, "volume"), before);
}

/* The list is older than the lock's loss: what is in it may be the successor's by now. */
static void who_has_lost_the_lock_removes_nothing_of_its_key(void **state)
{
    (void)state;
    struct process elsewhere = savers_elsewhere();
    put(".key." HEX_A ".tmp");
    assert_int_equal(saver_take(&saver, "key"), B10_REASON_OK);
    savers_put_lock(saver.scratch, "key", &elsewhere, 0);
    assert_int_equal(turn_tidy(&saver.turn, NULL), B10_REASON_IN_PROGRESS);
    turn_release(&saver.turn);
    assert_true(exists(".key." HEX_A ".tmp"));
    assert_true(exists(".key.lock"));
}

static void one_sweep_is_bounded_and_the_next_ones_go_on(void **state)
{
    (void)state;
    const size_t count = SWEEP_MOST * 3;
    for (size_t i = 0; i < count; i++) {
        char name[128];
        snprintf(name, sizeof(name), ".other.%032zx.tmp", i);
        put(name);
    }
    sweep_as("key");
    pass_s(60);
    sweep_as("key");
    const size_t left = scratch_count(saver.scratch, "volume");
    assert_true(left >= count - SWEEP_MOST);
    for (int i = 0; i < 200 && scratch_count(saver.scratch, "volume") > 0; i++) {
        sweep_as("key");
        pass_s(60);
    }
    assert_int_equal(scratch_count(saver.scratch, "volume"), 0);
}

static void a_mark_goes_when_the_archive_is_none_that_it_means(void **state)
{
    (void)state;
    struct forge forge;
    forge_init(&forge);
    free(forge.manifest.key);
    forge.manifest.key = strdup("there");
    forge_file(&forge, "inductor/a", "a");
    forge.manifest.merges = 1;
    forge.manifest.ancestor_count = 1;
    strcpy(forge.manifest.ancestors[0], "00112233445566778899aabbccddeeff");
    forge_save(&forge, scratch_path(saver.scratch, "volume/there.v1.tar.zst"));
    static const char ancestors[] = ".there.suspect-0011223344556677-89abcdef";
    char own[80];
    snprintf(own, sizeof(own), ".there.suspect-%.16s-89abcdef", forge.manifest.token);
    const char *const old[] = {".gone.suspect-0123456789abcdef-89abcdef",
                               ".there.suspect-fedcba9876543210-89abcdef"};
    forge_release(&forge);
    put(own);
    put(ancestors);
    put(old[0]);
    put(old[1]);
    sweep_as("key");
    assert_true(exists(old[0]));
    pass_s(61);
    sweep_as("key");
    assert_false(exists(old[0]));
    assert_false(exists(old[1]));
    assert_true(exists(own));
    assert_true(exists(ancestors));
}

static void a_volume_in_order_leaves_no_trace_in_the_temporary_directory(void **state)
{
    (void)state;
    put("k.v1.tar.zst");
    sweep_as("key");
    assert_int_equal(scratch_count(saver.scratch, "tmp"), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_locks_holder_removes_its_keys_temporary_files_at_once),
        TEST(everything_else_goes_when_it_has_not_changed_for_the_timeout),
        TEST(what_changes_stays),
        TEST(a_silent_saver_whose_lock_beats_keeps_its_file),
        TEST(a_lock_that_stands_still_goes_and_then_its_file),
        TEST(a_dead_process_of_this_host_loses_its_lock_at_once),
        TEST(a_lock_on_its_way_goes_at_once_if_its_process_is_dead),
        TEST(one_set_aside_archive_of_a_key_stays),
        TEST(nothing_that_is_not_ours_is_touched),
        TEST(who_has_lost_the_lock_removes_nothing_of_its_key),
        TEST(one_sweep_is_bounded_and_the_next_ones_go_on),
        TEST(a_mark_goes_when_the_archive_is_none_that_it_means),
        TEST(a_volume_in_order_leaves_no_trace_in_the_temporary_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
