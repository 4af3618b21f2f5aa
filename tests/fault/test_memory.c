/* Every allocation of every operation fails once: the operation says so, and leaves nothing behind.
 * */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault/allocator.h"
#include "support/replica.h"
#include "support/sandbox.h"

/* With threads, and when all later allocations fail too, not every one is tried: that would take
 * minutes. */
enum { COARSE_STEP = 7, LATER_STEP = 3 };

/* saved/ is the tree in the archive; local/ is where loads go; both in place/, so that strangers
 * beside them are seen. */
struct rig {
    struct replica replica;
    const struct scratch *scratch;
    OperationStatus status;
    bool answer_is_right; /* of an operation that only looks */
    char archive[4400];
    char copy[4400];
    char *part; /* owned: content of an archive that holds less; NULL until it is asked for */
    size_t part_size;
    char part_name[4400]; /* where it lies on the volume */
};

struct operation {
    const char *name;
    void (*prepare)(struct rig *rig);
    void (*run)(struct rig *rig);   /* the only part in which allocations fail */
    void (*check)(struct rig *rig); /* what must hold now, whatever the status */
    OperationStatus unharmed;       /* when nothing fails */
    b10_reason reason;
};

/* One round: which allocation failed of what. */
struct round {
    const struct operation *operation;
    long number;
    bool later;
};

static void require_at(const struct rig *rig, const struct round *round, bool condition,
                       const char *text, int line)
{
    if (condition)
        return;
    print_error("%s, allocation %ld%s: not so: %s\n%s/%s: %s\nlog:\n%s", round->operation->name,
                round->number, round->later ? " and later" : "", text, b10_status_name(rig->status),
                b10_reason_name(rig->replica.error.code), rig->replica.error.message,
                rig->replica.log);
    fail_msg("line %d", line);
}

#define REQUIRE(condition) require_at(rig, round, condition, #condition, __LINE__)

/* ---- the rig ---- */

static void aim(struct rig *rig, const char *local)
{
    replica_set(&rig->replica, "torchinductor_cache_dir", scratch_path(rig->scratch, local));
}

static void fill_saved(const struct scratch *scratch)
{
    scratch_text(scratch, "place/saved/ab/cab.py", "import torch\n");
    scratch_text(scratch, "place/saved/ab/cab2.py", "import triton\n");
    scratch_text(scratch, "place/saved/ab/deep/copy.py", "import torch\n");
    scratch_text(scratch, "place/saved/ab/entry.json", "{\"a\": [1]}");
    scratch_random(scratch, "place/saved/zz/large.bin", 1100000, 3);
    scratch_random(scratch, "place/saved/zz/copy.bin", 1100000, 3);
    scratch_mkdir(scratch, "place/saved/empty directory");
    assert_int_equal(symlinkat("cab.py", scratch->fd, "place/saved/ab/link"), 0);
}

static void rig_init(struct rig *rig, const struct scratch *scratch, const char *threads)
{
    setenv("VLLM_RECORDED", "1", 1); /* in every archive of these tests */
    memset(rig, 0, sizeof(*rig));
    rig->scratch = scratch;
    replica_init(&rig->replica, scratch);
    replica_set(&rig->replica, "b10_threads", threads);
    fill_saved(scratch);
    aim(rig, "place/saved");
    replica_assert(&rig->replica, replica_save(&rig->replica), B10_SUCCESS, B10_REASON_OK);
}

static void rig_release(struct rig *rig)
{
    free(rig->part);
    replica_release(&rig->replica);
}

static void remove_tree(const char *path)
{
    struct stat stat;
    if (lstat(path, &stat) != 0)
        return;
    DIR *directory = S_ISDIR(stat.st_mode) ? opendir(path) : NULL;
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        char inner[4400];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
        remove_tree(inner);
    }
    if (directory != NULL)
        closedir(directory);
    assert_int_equal(remove(path), 0);
}

/* Names in the directory place/ beyond saved and local. */
static size_t strangers(const struct rig *rig)
{
    size_t count = 0;
    DIR *directory = opendir(scratch_path(rig->scratch, "place"));
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        const char *known[] = {".", "..", "saved", "local"};
        bool is_known = false;
        for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
            is_known = is_known || strcmp(entry->d_name, known[i]) == 0;
        count += !is_known;
    }
    closedir(directory);
    return count;
}

/* Staging that could not be removed is left to the next load, whatever that comes to. */
static void sweep_staging(struct rig *rig)
{
    if (strangers(rig) == 0)
        return;
    aim(rig, "place/local");
    assert_int_not_equal(replica_load(&rig->replica), B10_ERROR);
}

/* ---- one operation, every allocation ---- */

static void check_outcome(struct rig *rig, const struct round *round, bool injected)
{
    const struct b10_error *error = &rig->replica.error;
    const bool as_ever = rig->status == round->operation->unharmed &&
                         error->code == (uint32_t)round->operation->reason;
    if (!injected) {
        REQUIRE(as_ever);
        return;
    }
    REQUIRE(as_ever || (rig->status == B10_ERROR && error->code == B10_REASON_NO_MEMORY));
    REQUIRE(rig->status == B10_SUCCESS || error->message[0] != '\0');
}

/* Returns whether an allocation failed, i.e. whether there may be later ones. *kept: blocks that
 * are still there. */
static bool fail_once(struct rig *rig, const struct round *round, long *kept)
{
    round->operation->prepare(rig);
    rig->replica.log[0] = '\0';
    const size_t descriptors = scratch_open_descriptors();
    const long live = allocator_live();
    allocator_arm(round->number, round->later);
    round->operation->run(rig);
    const bool injected = allocator_disarm();
    *kept = allocator_live() - live;
    REQUIRE(scratch_open_descriptors() == descriptors);
    check_outcome(rig, round, injected);
    REQUIRE(strangers(rig) == 0 || injected); /* removing takes memory, too */
    round->operation->check(rig);
    sweep_staging(rig);
    REQUIRE(strangers(rig) == 0);
    return injected;
}

/* What a library keeps for the next time, it keeps once: a leak is there every time. */
static bool fail_one(struct rig *rig, const struct round *round)
{
    long kept;
    bool injected = fail_once(rig, round, &kept);
    for (int again = 0; kept != 0 && again < 3; again++)
        injected = fail_once(rig, round, &kept);
    if (kept != 0)
        print_error("%ld blocks leaked\n", kept);
    REQUIRE(kept == 0);
    return injected;
}

static void sweep(struct rig *rig, const struct operation *operation, long step)
{
    struct round warm = {operation, -1, false};
    assert_false(fail_one(rig, &warm)); /* what libraries keep for the next time is kept now */
    for (int later = 0; later < 2; later++) {
        struct round round = {operation, 1, later != 0};
        while (fail_one(rig, &round))
            round.number += later ? LATER_STEP * step : step;
        assert_true(round.number > 1);
        print_message("%s: %ld allocations%s\n", operation->name, round.number - 1,
                      later ? ", each with all later ones" : "");
    }
}

/* ---- save ---- */

static void without_archive(struct rig *rig)
{
    aim(rig, "place/saved");
    remove_tree(scratch_path(rig->scratch, "volume"));
    remove_tree(scratch_path(rig->scratch, "place/local"));
    scratch_mkdir(rig->scratch, "volume");
}

static void run_save(struct rig *rig)
{
    rig->status = replica_save(&rig->replica);
}

static void load_whole(struct rig *rig)
{
    aim(rig, "place/local");
    replica_assert(&rig->replica, replica_load(&rig->replica), B10_SUCCESS, B10_REASON_OK);
    scratch_assert_same_tree(scratch_path(rig->scratch, "place/saved"),
                             scratch_path(rig->scratch, "place/local"));
}

/* No archive, or one that holds everything. */
static void check_save(struct rig *rig)
{
    const bool published = replica_archive(&rig->replica)[0] != '\0';
    assert_int_equal(replica_volume_entries(&rig->replica), published ? 1 : 0);
    assert_true(published || rig->status != B10_SUCCESS);
    if (published)
        load_whole(rig);
}

static const struct operation save = {"save",     without_archive, run_save,
                                      check_save, B10_SUCCESS,     B10_REASON_OK};

/* ---- save that adds to an archive ---- */

static void save_part_once(struct rig *rig)
{
    scratch_text(rig->scratch, "part/ab/stored.py", "import numpy\n");
    scratch_random(rig->scratch, "part/zz/stored.bin", 1200000, 4);
    aim(rig, "part");
    replica_assert(&rig->replica, replica_save(&rig->replica), B10_SUCCESS, B10_REASON_OK);
    const char *archive = replica_archive(&rig->replica);
    snprintf(rig->part_name, sizeof(rig->part_name), "volume%s", strrchr(archive, '/'));
    rig->part = scratch_read(rig->scratch, rig->part_name, &rig->part_size);
}

static void with_part(struct rig *rig)
{
    without_archive(rig);
    if (rig->part == NULL)
        save_part_once(rig);
    else
        scratch_write(rig->scratch, rig->part_name, rig->part, rig->part_size);
    replica_set(&rig->replica, "b10_save_mode", "merge");
    aim(rig, "place/saved");
}

/* The archive that was there, or one that holds everything. */
static void check_part(struct rig *rig)
{
    assert_int_equal(replica_volume_entries(&rig->replica), 1);
    aim(rig, "place/local");
    replica_assert(&rig->replica, replica_load(&rig->replica), B10_SUCCESS, B10_REASON_OK);
    assert_true(scratch_exists(rig->scratch, "place/local/zz/stored.bin"));
    const bool added = scratch_exists(rig->scratch, "place/local/zz/large.bin");
    assert_true(added || rig->status != B10_SUCCESS);
    assert_int_equal(scratch_count(rig->scratch, "place/local"), added ? 13 : 4);
    replica_set(&rig->replica, "b10_save_mode", "if_absent");
}

static const struct operation save_part = {"save, merging", with_part,   run_save,
                                           check_part,      B10_SUCCESS, B10_REASON_OK};

/* ---- load ---- */

static void with_archive(struct rig *rig)
{
    if (replica_archive(&rig->replica)[0] == '\0') {
        aim(rig, "place/saved");
        replica_assert(&rig->replica, replica_save(&rig->replica), B10_SUCCESS, B10_REASON_OK);
    }
    remove_tree(scratch_path(rig->scratch, "place/local"));
    aim(rig, "place/local");
}

static void check_archive(const struct rig *rig)
{
    assert_string_not_equal(replica_archive(&rig->replica), "");
    assert_int_equal(replica_volume_entries(&rig->replica), 1);
}

static void run_load(struct rig *rig)
{
    rig->status = replica_load(&rig->replica);
}

/* Nothing, or everything. */
static void check_load(struct rig *rig)
{
    check_archive(rig);
    assert_int_equal(rig->replica.report.archives_set_aside, 0);
    assert_true(scratch_exists(rig->scratch, "place/local") || rig->status != B10_SUCCESS);
    if (scratch_exists(rig->scratch, "place/local"))
        scratch_assert_same_tree(scratch_path(rig->scratch, "place/saved"),
                                 scratch_path(rig->scratch, "place/local"));
}

static const struct operation load = {"load",     with_archive, run_load,
                                      check_load, B10_SUCCESS,  B10_REASON_OK};

static void not_empty(struct rig *rig)
{
    with_archive(rig);
    scratch_text(rig->scratch, "place/local/locks/one.lock", "");
    scratch_mkdir(rig->scratch, "place/local/ab");
}

/* Entries are whole or absent: nothing is ever replaced, so the next load makes the tree whole only
 * if they are. */
static void check_merge(struct rig *rig)
{
    check_archive(rig);
    assert_int_equal(rig->replica.report.archives_set_aside, 0);
    OperationStatus next = replica_load(&rig->replica);
    if (next != B10_SKIPPED)
        replica_assert(&rig->replica, next, B10_SUCCESS, B10_REASON_OK);
    remove_tree(scratch_path(rig->scratch, "place/local/locks"));
    scratch_assert_same_tree(scratch_path(rig->scratch, "place/saved"),
                             scratch_path(rig->scratch, "place/local"));
}

static const struct operation merge = {
    "load, entry by entry", not_empty, run_load, check_merge, B10_SUCCESS, B10_REASON_OK};

/* ---- load of files that hold paths ---- */

static void write_paths(const struct scratch *scratch, const char *name, const char *before,
                        const char *after)
{
    char text[2000];
    snprintf(text, sizeof(text), "%s%s%s", before, scratch_path(scratch, "moved/k/k.cubin"), after);
    scratch_text(scratch, name, text);
}

static void with_paths(struct rig *rig)
{
    remove_tree(scratch_path(rig->scratch, "place/local"));
    if (!scratch_exists(rig->scratch, "moved")) {
        without_archive(rig);
        scratch_text(rig->scratch, "moved/k/k.cubin", "code");
        write_paths(rig->scratch, "moved/k/__grp__k.json", "{\"child_paths\": {\"k.cubin\": \"",
                    "\"}}");
        write_paths(rig->scratch, "moved/v/vllm_compile_cache.py", "{1: ('h', '", "')}");
        aim(rig, "moved");
        replica_assert(&rig->replica, replica_save(&rig->replica), B10_SUCCESS, B10_REASON_OK);
    }
    aim(rig, "place/local");
}

static void assert_relocated(const struct rig *rig, const char *name)
{
    char *text = scratch_read(rig->scratch, name, NULL);
    assert_non_null(strstr(text, scratch_path(rig->scratch, "place/local/k/k.cubin")));
    free(text);
}

/* Nothing, or everything, with the new paths. */
static void check_paths(struct rig *rig)
{
    check_archive(rig);
    assert_true(scratch_exists(rig->scratch, "place/local") || rig->status != B10_SUCCESS);
    if (!scratch_exists(rig->scratch, "place/local"))
        return;
    assert_int_equal(rig->replica.report.unrelocated_files, 0);
    assert_relocated(rig, "place/local/k/__grp__k.json");
    assert_relocated(rig, "place/local/v/vllm_compile_cache.py");
}

static const struct operation relocated = {
    "load at another path", with_paths, run_load, check_paths, B10_SUCCESS, B10_REASON_OK};

/* ---- operations that only look ---- */

static void aimed_at_saved(struct rig *rig)
{
    with_archive(rig);
    aim(rig, "place/saved");
    snprintf(rig->archive, sizeof(rig->archive), "%s", replica_archive(&rig->replica));
}

static void check_look(struct rig *rig)
{
    check_archive(rig);
    assert_false(scratch_exists(rig->scratch, "place/local"));
    assert_true(rig->status != B10_SUCCESS || rig->answer_is_right);
}

static const struct operation save_again = {"save again", aimed_at_saved, run_save,
                                            check_look,   B10_SKIPPED,    B10_REASON_ALREADY_SAVED};

static void run_info(struct rig *rig)
{
    b10_cache_info info = B10_INIT(b10_cache_info);
    rig->status =
        b10_info(replica_config(&rig->replica), &rig->replica.options, &info, &rig->replica.error);
    rig->answer_is_right = info.local_cache_files == 7 && info.b10fs_cache_exists == 1;
}

static const struct operation look = {"info",     aimed_at_saved, run_info,
                                      check_look, B10_SUCCESS,    B10_REASON_OK};

static void run_list(struct rig *rig)
{
    b10_cache_list *list = NULL;
    rig->status =
        b10_list(replica_config(&rig->replica), &rig->replica.options, &list, &rig->replica.error);
    rig->answer_is_right = list != NULL && list->total_caches == 1 && list->current_cache_exists;
    b10_cache_list_free(list);
}

static const struct operation list = {"list",     aimed_at_saved, run_list,
                                      check_look, B10_SUCCESS,    B10_REASON_OK};

static void another_variable(struct rig *rig)
{
    aimed_at_saved(rig);
    setenv("VLLM_RECORDED_TOO", "1", 1);
}

static void run_explain(struct rig *rig)
{
    b10_comparison_list *found = NULL;
    rig->status = b10_explain(replica_config(&rig->replica), &rig->replica.options, &found,
                              &rig->replica.error);
    rig->answer_is_right =
        found != NULL && found->total == 1 && found->comparisons[0].match == B10_MATCH_EXACT &&
        strcmp(found->comparisons[0].recorded, "VLLM_RECORDED_TOO: none there, '1' here\n") == 0;
    b10_comparison_list_free(found);
}

static void check_explain(struct rig *rig)
{
    unsetenv("VLLM_RECORDED_TOO");
    check_look(rig);
}

static const struct operation explain = {"explain",     another_variable, run_explain,
                                         check_explain, B10_SUCCESS,      B10_REASON_OK};

static void run_doctor(struct rig *rig)
{
    b10_check_list *found = NULL;
    rig->status = b10_doctor(replica_config(&rig->replica), &rig->replica.options, &found,
                             &rig->replica.error);
    rig->answer_is_right = found != NULL && found->total > 20 && found->load_only == 0 &&
                           strcmp(b10_check_list_at(found, 0)->name, "enabled") == 0;
    b10_check_list_free(found);
}

static const struct operation doctor = {"doctor",   aimed_at_saved, run_doctor,
                                        check_look, B10_SUCCESS,    B10_REASON_OK};

static void run_diff(struct rig *rig)
{
    b10_diff_list *found = NULL;
    rig->status =
        b10_diff(replica_config(&rig->replica), &rig->replica.options, &found, &rig->replica.error);
    rig->answer_is_right = found != NULL && found->local_files == 7 && found->new_files == 0;
    b10_diff_list_free(found);
}

static const struct operation diff = {"diff",     aimed_at_saved, run_diff,
                                      check_look, B10_SUCCESS,    B10_REASON_OK};

/* What the flow takes for vLLM's unless it is said. */
static void aimed_at_saved_of_this_kind(struct rig *rig)
{
    aimed_at_saved(rig);
    replica_set(&rig->replica, "b10_cache_kind", "inductor");
}

/* The phases that do not wait by the clock. */
static void run_flow(struct rig *rig)
{
    b10_report loaded = B10_INIT(b10_report);
    b10_serve_report report = B10_INIT(b10_serve_report);
    report.load = &loaded;
    rig->replica.options.serve_phases = B10_SERVE_LOAD | B10_SERVE_SAVE;
    rig->status = b10_serve_flow(replica_config(&rig->replica), &rig->replica.options, &report,
                                 &rig->replica.error);
    rig->replica.options.serve_phases = 0;
}

static const struct operation flow = {"flow",      aimed_at_saved_of_this_kind,
                                      run_flow,    check_look,
                                      B10_SKIPPED, B10_REASON_ALREADY_SAVED};

static void run_verify(struct rig *rig)
{
    b10_verify_report report = B10_INIT(b10_verify_report);
    rig->status = b10_verify(replica_config(&rig->replica), &rig->replica.options, rig->archive,
                             &report, &rig->replica.error);
    rig->answer_is_right = report.files == 7;
}

static const struct operation verify = {"verify",   aimed_at_saved, run_verify,
                                        check_look, B10_SUCCESS,    B10_REASON_OK};

/* ---- the rest ---- */

static void with_local(struct rig *rig)
{
    with_archive(rig);
    replica_assert(&rig->replica, replica_load(&rig->replica), B10_SUCCESS, B10_REASON_OK);
}

static void run_clear(struct rig *rig)
{
    rig->status = b10_clear(replica_config(&rig->replica), &rig->replica.options,
                            &rig->replica.report, &rig->replica.error);
}

/* What is left after a failure, the next clear removes. */
static void check_clear(struct rig *rig)
{
    check_archive(rig);
    if (rig->status != B10_SUCCESS)
        run_clear(rig);
    replica_assert(&rig->replica, rig->status, B10_SUCCESS, B10_REASON_OK);
    if (scratch_exists(rig->scratch, "place/local"))
        assert_int_equal(scratch_count(rig->scratch, "place/local"), 0);
}

static const struct operation clear = {"clear",     with_local,  run_clear,
                                       check_clear, B10_SUCCESS, B10_REASON_OK};

static void run_config(struct rig *rig)
{
    char value[32] = "";
    struct b10_error *error = &rig->replica.error;
    b10_config *config = b10_config_new();
    rig->status = B10_ERROR;
    error->code = B10_REASON_NO_MEMORY;
    snprintf(error->message, sizeof(error->message), "no configuration");
    if (config != NULL) {
        rig->status = b10_config_set(config, "max_cache_size_mb", "77", error);
        if (rig->status == B10_SUCCESS)
            rig->status =
                b10_config_get(config, "max_cache_size_mb", value, sizeof(value), NULL, error);
    }
    b10_config_free(config);
    rig->answer_is_right = strcmp(value, "77") == 0;
}

static const struct operation config = {"config",   aimed_at_saved, run_config,
                                        check_look, B10_SUCCESS,    B10_REASON_OK};

static void without_copy(struct rig *rig)
{
    aimed_at_saved(rig);
    remove_tree(scratch_path(rig->scratch, "copies"));
    snprintf(rig->copy, sizeof(rig->copy), "%s", scratch_path(rig->scratch, "copies/deep/copy"));
}

static void run_transfer(struct rig *rig)
{
    rig->status = b10_transfer_file(replica_config(&rig->replica), &rig->replica.options,
                                    rig->archive, rig->copy, &rig->replica.error);
}

static void assert_same_size(const char *a, const char *b)
{
    struct stat stat_a;
    struct stat stat_b;
    assert_int_equal(stat(a, &stat_a), 0);
    assert_int_equal(stat(b, &stat_b), 0);
    assert_int_equal(stat_a.st_size, stat_b.st_size);
}

static void check_transfer(struct rig *rig)
{
    check_archive(rig);
    if (rig->status == B10_SUCCESS) {
        assert_int_equal(scratch_count(rig->scratch, "copies"), 2);
        assert_same_size(rig->archive, rig->copy);
    } else {
        assert_false(scratch_exists(rig->scratch, "copies"));
    }
}

static const struct operation transfer = {"transfer_file", without_copy, run_transfer,
                                          check_transfer,  B10_SUCCESS,  B10_REASON_OK};

/* ---- tests ---- */

static void sweep_alone(void **state, const struct operation *operation)
{
    struct rig rig;
    rig_init(&rig, *state, "1");
    sweep(&rig, operation, 1);
    rig_release(&rig);
}

static void sweep_threads(void **state, const struct operation *operation)
{
    struct rig rig;
    rig_init(&rig, *state, "8");
    sweep(&rig, operation, COARSE_STEP);
    rig_release(&rig);
}

#define SWEEP(test, how, operation)                                                                \
    static void test(void **state)                                                                 \
    {                                                                                              \
        how(state, &(operation));                                                                  \
    }

SWEEP(a_save_survives_every_failed_allocation, sweep_alone, save)
SWEEP(a_save_that_merges_survives_every_failed_allocation, sweep_alone, save_part)
SWEEP(a_load_survives_every_failed_allocation, sweep_alone, load)
SWEEP(a_load_entry_by_entry_survives_every_failed_allocation, sweep_alone, merge)
SWEEP(a_load_at_another_path_survives_every_failed_allocation, sweep_alone, relocated)
SWEEP(a_save_beside_an_archive_survives_every_failed_allocation, sweep_alone, save_again)
SWEEP(info_survives_every_failed_allocation, sweep_alone, look)
SWEEP(list_survives_every_failed_allocation, sweep_alone, list)
SWEEP(explain_survives_every_failed_allocation, sweep_alone, explain)
SWEEP(doctor_survives_every_failed_allocation, sweep_alone, doctor)
SWEEP(diff_survives_every_failed_allocation, sweep_alone, diff)
SWEEP(the_flow_survives_every_failed_allocation, sweep_alone, flow)
SWEEP(verify_survives_every_failed_allocation, sweep_alone, verify)
SWEEP(clear_survives_every_failed_allocation, sweep_alone, clear)
SWEEP(a_configuration_survives_every_failed_allocation, sweep_alone, config)
SWEEP(a_copied_file_survives_every_failed_allocation, sweep_alone, transfer)
SWEEP(a_save_with_threads_survives_failed_allocations, sweep_threads, save)
SWEEP(a_load_with_threads_survives_failed_allocations, sweep_threads, load)
SWEEP(a_load_entry_by_entry_with_threads_survives_failed_allocations, sweep_threads, merge)
SWEEP(verify_with_threads_survives_failed_allocations, sweep_threads, verify)

struct first_call {
    struct replica replica;
    long number; /* of the allocation that fails; 0: none */
    int answer;  /* descriptor for the key that was found afterwards */
};

static OperationStatus ask_key(struct replica *replica, char key[B10_KEY_SIZE])
{
    b10_cache_info info = B10_INIT(b10_cache_info);
    OperationStatus status =
        b10_info(replica_config(replica), &replica->options, &info, &replica->error);
    memcpy(key, info.environment_key, B10_KEY_SIZE);
    return status;
}

static void fail_in_first_call(void *context)
{
    struct first_call *call = context;
    char key[B10_KEY_SIZE];
    (void)replica_config(&call->replica);
    allocator_arm(call->number, false);
    OperationStatus status = ask_key(&call->replica, key);
    const char injected = allocator_disarm() ? 1 : 0;
    CHECK(status == B10_SUCCESS || call->replica.error.code == B10_REASON_NO_MEMORY);
    CHECK(ask_key(&call->replica, key) == B10_SUCCESS);
    CHECK(write(call->answer, key, sizeof(key)) == sizeof(key));
    CHECK(write(call->answer, &injected, 1) == 1);
}

/* In a child that has not detected anything yet; returns whether the allocation was reached. */
static bool first_call_fails(struct first_call *call, long number, char key[B10_KEY_SIZE])
{
    int ends[2];
    char injected;
    assert_int_equal(pipe(ends), 0);
    call->number = number;
    call->answer = ends[1];
    sandbox_run(fail_in_first_call, call);
    assert_int_equal(read(ends[0], key, B10_KEY_SIZE), B10_KEY_SIZE);
    assert_int_equal(read(ends[0], &injected, 1), 1);
    close(ends[0]);
    close(ends[1]);
    return injected != 0;
}

/* The process keeps the first answer of the detection: it must not be one that memory was missing
 * for. */
static void what_is_detected_without_memory_is_not_kept(void **state)
{
    struct first_call call;
    char expected[B10_KEY_SIZE];
    char key[B10_KEY_SIZE];
    replica_init(&call.replica, *state);
    assert_false(first_call_fails(&call, 0, expected));
    assert_string_not_equal(expected, "");
    long number = 1;
    for (; first_call_fails(&call, number, key); number++)
        assert_string_equal(key, expected);
    assert_true(number > 10);
    replica_release(&call.replica);
}

static void fewer_threads_than_wanted_are_enough(void **state)
{
    struct rig rig;
    rig_init(&rig, *state, "8");
    for (int count = 8; count >= 0; count--) {
        without_archive(&rig);
        allocator_limit_threads(count);
        run_save(&rig);
        replica_assert(&rig.replica, rig.status, B10_SUCCESS, B10_REASON_OK);
        aim(&rig, "place/local");
        run_load(&rig);
        allocator_limit_threads(-1);
        replica_assert(&rig.replica, rig.status, B10_SUCCESS, B10_REASON_OK);
        check_load(&rig);
    }
    rig_release(&rig);
}

static int disarm(void **state)
{
    (void)allocator_disarm();
    allocator_limit_threads(-1);
    return scratch_teardown(state);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, scratch_setup, disarm)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_detected_without_memory_is_not_kept), /* before anything else detects */
        TEST(a_save_survives_every_failed_allocation),
        TEST(a_save_that_merges_survives_every_failed_allocation),
        TEST(a_load_survives_every_failed_allocation),
        TEST(a_load_entry_by_entry_survives_every_failed_allocation),
        TEST(a_load_at_another_path_survives_every_failed_allocation),
        TEST(a_save_beside_an_archive_survives_every_failed_allocation),
        TEST(info_survives_every_failed_allocation),
        TEST(list_survives_every_failed_allocation),
        TEST(explain_survives_every_failed_allocation),
        TEST(doctor_survives_every_failed_allocation),
        TEST(diff_survives_every_failed_allocation),
        TEST(the_flow_survives_every_failed_allocation),
        TEST(verify_survives_every_failed_allocation),
        TEST(clear_survives_every_failed_allocation),
        TEST(a_configuration_survives_every_failed_allocation),
        TEST(a_copied_file_survives_every_failed_allocation),
        TEST(a_save_with_threads_survives_failed_allocations),
        TEST(a_load_with_threads_survives_failed_allocations),
        TEST(a_load_entry_by_entry_with_threads_survives_failed_allocations),
        TEST(verify_with_threads_survives_failed_allocations),
        TEST(fewer_threads_than_wanted_are_enough),
    };
    if (!ALLOCATOR_AVAILABLE) {
        printf("SKIPPED: allocations fail on demand only with glibc and without sanitizers\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
