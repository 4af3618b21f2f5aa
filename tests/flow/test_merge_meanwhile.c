/* The archive that is added to changes meanwhile, or is not what it says. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/guard.h"
#include "support/forge.h"
#include "support/merging.h"

/* ---- the archive changes or is not what it says ---- */

/* At the beginning of phase "publish", `count` times, another host's archive takes the place of the
 * one that is there. */
struct interference {
    const struct replica *replica;
    int count;
    bool there; /* the phase has been reported already */
};

static void publish_other(const struct replica *replica)
{
    struct replica other;
    char from[4400];
    const char *name;
    replica_init(&other, replica->scratch);
    replica_set(&other, "b10fs_cache_dir", scratch_path(replica->scratch, "other volume"));
    replica_set(&other, "b10_save_mode", "replace");
    merging_aim(&other, "other");
    replica_assert(&other, replica_save(&other), B10_SUCCESS, B10_REASON_OK);
    name = strrchr(other.report.archive, '/');
    snprintf(from, sizeof(from), "%s/volume%s", replica->scratch->path, name);
    assert_int_equal(rename(other.report.archive, from), 0);
    replica_release(&other);
}

static int interfere(void *user, const b10_progress *progress)
{
    struct interference *plan = user;
    const bool before = plan->there;
    plan->there = strcmp(progress->phase, "publish") == 0;
    if (plan->there && !before && plan->count > 0) {
        plan->count--;
        publish_other(plan->replica);
    }
    return 0;
}

static void begin_interference(struct replica *replica, struct interference *plan)
{
    scratch_mkdir(replica->scratch, "other volume");
    scratch_text(replica->scratch, "other/of another host", "other");
    replica->options.progress = interfere;
    replica->options.progress_user = plan;
}

static void an_archive_replaced_meanwhile_is_added_to_as_well(void **state)
{
    struct replica replica;
    struct interference plan = {.replica = &replica, .count = 1};
    merging_begin(&replica, *state);
    scratch_text(*state, "local/new.py", "new");
    begin_interference(&replica, &plan);
    merging_adds(&replica, 55, 23);
    assert_int_equal(replica.report.merged_files, 1);
    replica.options.progress = NULL;
    merging_intact(&replica);
    replica_assert(&replica, replica_save(&replica), B10_SKIPPED, B10_REASON_ALREADY_SAVED);
    replica_release(&replica);
}

static void one_that_appears_meanwhile_is_added_to_as_well(void **state)
{
    struct replica replica;
    struct interference plan = {.replica = &replica, .count = 1};
    replica_init(&replica, *state);
    replica_set(&replica, "b10_save_mode", "merge");
    scratch_text(*state, "local/new.py", "new");
    begin_interference(&replica, &plan);
    merging_adds(&replica, 1, 0);
    assert_int_equal(replica.report.merged_files, 1);
    merging_intact(&replica);
    replica_release(&replica);
}

static void one_that_is_replaced_again_and_again_is_left_to_others(void **state)
{
    struct replica replica;
    struct interference plan = {.replica = &replica, .count = 100};
    merging_begin(&replica, *state);
    scratch_text(*state, "local/new.py", "new");
    begin_interference(&replica, &plan);
    replica_assert(&replica, replica_save(&replica), B10_SKIPPED, B10_REASON_IN_PROGRESS);
    assert_int_equal(plan.count, 97);
    replica.options.progress = NULL;
    merging_intact(&replica);
    replica_release(&replica);
}

/* Saves until nothing of its own is missing in the archive. Each adds another amount, which no other
 * could take for the same again. */
static int add_own(struct replica *replica, unsigned number)
{
    char name[64];
    snprintf(name, sizeof(name), "own %u/entry %u/of its own", number, number);
    scratch_random(replica->scratch, name, 1000U << number, number);
    snprintf(name, sizeof(name), "own %u", number);
    merging_aim(replica, name);
    for (int tries = 0; tries < 500; tries++) {
        const struct timespec pause = {.tv_nsec = 10000000};
        OperationStatus status = replica_save(replica);
        if (status == B10_SKIPPED && replica->error.code == B10_REASON_ALREADY_SAVED)
            return 0;
        if (status == B10_ERROR)
            return 1;
        nanosleep(&pause, NULL);
    }
    return 2;
}

static void several_at_once_lose_nothing(void **state)
{
    enum { SAVERS = 4 };
    struct replica replica;
    pid_t savers[SAVERS];
    merging_begin(&replica, *state);
    for (unsigned i = 0; i < SAVERS; i++) {
        savers[i] = fork();
        assert_true(savers[i] >= 0);
        if (savers[i] == 0)
            _exit(add_own(&replica, i));
    }
    for (int i = 0; i < SAVERS; i++) {
        int status;
        assert_int_equal(waitpid(savers[i], &status, 0), savers[i]);
        assert_int_equal(status, 0);
    }
    merging_intact(&replica);
    merging_aim(&replica, "everything");
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.files, 54 + SAVERS);
    replica_release(&replica);
}

static void flip(const char *path, off_t offset)
{
    unsigned char byte;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
    close(fd);
}

static void a_damaged_frame_is_replaced_not_taken_over(void **state)
{
    struct replica replica;
    merging_begin(&replica, *state);
    flip(replica_archive(&replica), 100);
    scratch_text(*state, "local/new.py", "new");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.merged_files, 0);
    merging_holds(&replica, "local");
    replica_release(&replica);
}

/* While frames are copied for the first time a byte of the archive reads wrong, then right again. */
struct passing_fault {
    const struct replica *replica;
    bool there;
    int phases;
};

static int fail_once(void *user, const b10_progress *progress)
{
    struct passing_fault *fault = user;
    const bool before = fault->there;
    fault->there = strcmp(progress->phase, "merge") == 0 && progress->bytes_total > 0;
    if (fault->there == before)
        return 0;
    if (fault->phases < 2)
        flip(replica_archive(fault->replica), 100);
    fault->phases++;
    return 0;
}

static void damage_that_is_seen_once_is_not_believed(void **state)
{
    struct replica replica;
    struct passing_fault fault = {.replica = &replica};
    merging_begin(&replica, *state);
    scratch_text(*state, "local/new.py", "new");
    replica.options.progress = fail_once;
    replica.options.progress_user = &fault;
    merging_adds(&replica, 1, 0);
    merging_holds(&replica, "local");
    replica_release(&replica);
}

static void a_damaged_tail_is_replaced(void **state)
{
    struct replica replica;
    merging_begin(&replica, *state);
    assert_int_equal(truncate(replica_archive(&replica), 5000), 0);
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    merging_holds(&replica, "local");
    replica_release(&replica);
}

/* An archive made by hand in the place of the stored one, with its facts. */
static void put_forged(struct replica *replica, struct forge *forge)
{
    SCOPED(reader) struct reader archive = READER_CLOSED;
    char path[4400];
    merging_open(replica, &archive);
    forge_facts(forge, archive.manifest.facts, archive.manifest.fact_count);
    free(forge->manifest.key);
    forge->manifest.key = strdup(archive.manifest.key);
    snprintf(path, sizeof(path), "%s", replica_archive(replica));
    forge_save(forge, path);
    forge_release(forge);
}

static void an_index_that_lies_is_replaced(void **state)
{
    struct replica replica;
    struct forge forge;
    merging_begin(&replica, *state);
    forge_init(&forge);
    forge_sample(&forge, 5000);
    forge_seal(&forge);
    bytes_clear(&forge.index);
    put_forged(&replica, &forge);
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.merged_files, 0);
    merging_holds(&replica, "local");
    replica_release(&replica);
}

static void an_archive_made_by_hand_is_added_to(void **state)
{
    struct replica replica;
    struct forge forge;
    merging_begin(&replica, *state);
    forge_init(&forge);
    forge_sample(&forge, 5000);
    put_forged(&replica, &forge);
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_true(replica.report.merged_files > 0);
    merging_intact(&replica);
    replica_release(&replica);
}

static void a_void_file_that_is_here_becomes_whole_again(void **state)
{
    struct replica replica;
    struct forge forge;
    merging_begin(&replica, *state);
    forge_init(&forge);
    forge_file(&forge, "inductor/new.py", "new");
    forge_sliced(&forge, "inductor/half.bin", "half", 4, 512, true);
    put_forged(&replica, &forge);
    scratch_text(*state, "local/half.bin", "whole");
    scratch_text(*state, "local/new.py", "new");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    merging_holds(&replica, "local");
    replica_release(&replica);
}

static void a_void_file_that_is_not_here_is_taken_over_as_it_is(void **state)
{
    struct replica replica;
    struct forge forge;
    merging_begin(&replica, *state);
    forge_init(&forge);
    forge_file(&forge, "inductor/stored.py", "stored");
    forge_sliced(&forge, "inductor/half.bin", "half", 4, 512, true);
    put_forged(&replica, &forge);
    merging_adds(&replica, 54, 23);
    merging_intact(&replica);
    scratch_text(*state, "local/stored.py", "stored");
    replica_assert(&replica, replica_save(&replica), B10_SKIPPED, B10_REASON_ALREADY_SAVED);
    replica_release(&replica);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_archive_replaced_meanwhile_is_added_to_as_well),
        TEST(one_that_appears_meanwhile_is_added_to_as_well),
        TEST(one_that_is_replaced_again_and_again_is_left_to_others),
        TEST(several_at_once_lose_nothing),
        TEST(a_damaged_frame_is_replaced_not_taken_over),
        TEST(damage_that_is_seen_once_is_not_believed),
        TEST(a_damaged_tail_is_replaced),
        TEST(an_index_that_lies_is_replaced),
        TEST(an_archive_made_by_hand_is_added_to),
        TEST(a_void_file_that_is_here_becomes_whole_again),
        TEST(a_void_file_that_is_not_here_is_taken_over_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
