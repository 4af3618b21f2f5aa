/* Which archives prune removes, and what it leaves alone that others work with. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/guard.h"
#include "cache/prune.h"
#include "support/replica.h"

enum { DAY = 24 * 60 * 60 };

/* ---- a volume with archives of other environments ---- */

static const char *name_of(const char *key)
{
    static char names[4][300];
    static unsigned turn;
    char *name = names[turn++ % 4];
    snprintf(name, 300, "volume/%s.v1.tar.zst", key);
    return name;
}

static void age(const struct scratch *scratch, const char *path, time_t age_s)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = time(NULL) - age_s}};
    assert_int_equal(utimensat(scratch->fd, path, times, 0), 0);
}

/* prune looks at names, sizes and times only. */
static void store(const struct scratch *scratch, const char *key, size_t size, time_t age_s)
{
    scratch_random(scratch, name_of(key), size, 1);
    age(scratch, name_of(key), age_s);
}

static bool has(const struct scratch *scratch, const char *key)
{
    return scratch_exists(scratch, name_of(key));
}

/* This environment's key is "own". */
static void init(struct replica *replica, const struct scratch *scratch)
{
    replica_init(replica, scratch);
    replica_set(replica, "b10_environment_key", "own");
}

static b10_prune_list *prune(struct replica *replica, b10_prune_rules rules)
{
    b10_prune_list *list = NULL;
    rules.struct_size = sizeof(rules);
    const OperationStatus status =
        b10_prune(replica_config(replica), &replica->options, &rules, &list, &replica->error);
    replica_assert(replica, status, B10_SUCCESS, B10_REASON_OK);
    assert_non_null(list);
    return list;
}

/* The outcomes as letters, newest first: k(ept), c(hosen), r(emoved), b(usy), f(ailed). */
static void assert_outcomes(b10_prune_list *list, const char *expected)
{
    char found[32] = "";
    for (size_t i = 0; i < list->total; i++)
        found[i] = "kcrbf"[b10_prune_list_at(list, i)->outcome];
    assert_string_equal(found, expected);
    b10_prune_list_free(list);
}

/* a to e: 1000 bytes each, a the newest; own between c and d. */
static void fill(const struct scratch *scratch)
{
    static const struct {
        const char *key;
        time_t age_s;
    } all[] = {{"a", DAY},        {"b", 10 * DAY}, {"c", 20 * DAY},
               {"own", 25 * DAY}, {"d", 30 * DAY}, {"e", 40 * DAY}};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        store(scratch, all[i].key, 1000, all[i].age_s);
}

struct policy {
    const char *outcomes; /* of a, b, c, own, d, e */
    b10_prune_rules rules;
};

static void the_oldest_go_until_no_rule_is_broken(void **state)
{
    static const struct policy policies[] = {
        {"kkkkkk", {.keep = 6}},
        {"kkkkkk", {.keep = 7}},
        {"kkkkkr", {.keep = 5}},
        {"kkkkrr", {.keep = 3}}, /* own is one of six, and stays */
        {"rrrkrr", {.max_bytes = 1}},
        {"krrkrr", {.keep = 1}},
        {"krrrrr", {.keep = 1, .include_current = 1}},
        {"kkkkkk", {.max_bytes = 6000}},
        {"kkkkkr", {.max_bytes = 5999}},
        {"kkkkkr", {.max_bytes = 5000}},
        {"kkrkrr", {.max_bytes = 3000}}, /* own counts, and stays */
        {"kkkrrr", {.max_bytes = 3000, .include_current = 1}},
        {"kkkkrr", {.max_age_s = 29 * DAY}},
        {"kkkkrr", {.max_age_s = 21 * DAY}},
        {"kkkrrr", {.max_age_s = 21 * DAY, .include_current = 1}},
        {"kkkkrr",
         {.max_age_s = 29 * DAY, .max_bytes = 4000}}, /* what one rule takes counts for all */
        {"kkrkrr", {.max_age_s = 29 * DAY, .max_bytes = 3999}},
        {"kkkkrr", {.max_age_s = 29 * DAY, .max_bytes = 4000, .keep = 5}},
    };
    const struct scratch *scratch = *state;
    for (size_t i = 0; i < sizeof(policies) / sizeof(*policies); i++) {
        static const char *const keys[] = {"a", "b", "c", "own", "d", "e"};
        struct replica replica;
        char dry[8];
        init(&replica, scratch);
        fill(scratch);
        b10_prune_rules rules = policies[i].rules;
        rules.dry_run = 1;
        for (size_t n = 0; n <= strlen(policies[i].outcomes); n++)
            dry[n] = policies[i].outcomes[n] == 'r' ? 'c' : policies[i].outcomes[n];
        assert_outcomes(prune(&replica, rules), dry);
        assert_int_equal(scratch_count(scratch, "volume"), 6);
        assert_outcomes(prune(&replica, policies[i].rules), policies[i].outcomes);
        for (size_t n = 0; n < 6; n++)
            assert_int_equal(has(scratch, keys[n]), policies[i].outcomes[n] == 'k');
        replica_release(&replica);
    }
}

static void what_was_removed_and_what_was_chosen_is_counted(void **state)
{
    struct replica replica;
    init(&replica, *state);
    fill(*state);
    for (unsigned dry = 1; dry < 2; dry--) {
        b10_prune_list *list = prune(&replica, (b10_prune_rules){.keep = 4, .dry_run = dry});
        assert_int_equal(list->dry_run, dry);
        assert_int_equal(list->total, 6);
        assert_int_equal(list->chosen_bytes, 2000);
        assert_int_equal(list->removed, dry ? 0 : 2);
        assert_int_equal(list->removed_bytes, dry ? 0 : 2000);
        assert_string_equal(b10_prune_list_at(list, 0)->environment_key, "a");
        assert_true(b10_prune_list_at(list, 3)->is_current_environment);
        assert_null(b10_prune_list_at(list, 6));
        b10_prune_list_free(list);
    }
    replica_release(&replica);
}

static void a_time_in_the_future_is_no_age(void **state)
{
    struct replica replica;
    init(&replica, *state);
    store(*state, "ahead", 1000, -DAY);
    store(*state, "old", 1000, 2 * DAY);
    assert_outcomes(prune(&replica, (b10_prune_rules){.max_age_s = 1}), "kr");
    replica_release(&replica);
}

static void without_a_rule_nothing_is_done(void **state)
{
    struct replica replica;
    b10_prune_list *list = NULL;
    b10_prune_rules rules = B10_INIT(b10_prune_rules);
    rules.include_current = 1;
    init(&replica, *state);
    fill(*state);
    replica_assert(&replica,
                   b10_prune(replica_config(&replica), &replica.options, &rules, &list,
                             &replica.error),
                   B10_ERROR, B10_REASON_CONFIG);
    assert_null(list);
    assert_int_equal(scratch_count(*state, "volume"), 6);
    replica_release(&replica);
}

static void only_archives_are_removed(void **state)
{
    const struct scratch *scratch = *state;
    struct replica replica;
    init(&replica, scratch);
    store(scratch, "old", 1000, 2 * DAY);
    scratch_mkdir(scratch, "volume/directory.v1.tar.zst");
    assert_int_equal(symlinkat("old.v1.tar.zst", scratch->fd, "volume/link.v1.tar.zst"), 0);
    scratch_text(scratch, "volume/foreign", "");
    scratch_text(scratch, "volume/.old.0123456789abcdef0123456789abcdef.bad", "");
    scratch_text(scratch, "volume/.old.suspect-0123456789abcdef-01234567", "");
    scratch_text(scratch, "volume/.older.suspect-0123456789abcdef-01234567", "");
    scratch_text(scratch, "volume/.old.0123456789abcdef0123456789abcdef.tmp", "");
    assert_outcomes(prune(&replica, (b10_prune_rules){.max_age_s = DAY}), "r");
    assert_int_equal(scratch_count(scratch, "volume"), 5);
    assert_true(scratch_exists(scratch, "volume/.older.suspect-0123456789abcdef-01234567"));
    replica_release(&replica);
}

/* ---- beside others ---- */

/* A load or a save of "other" in a process of its own, which waits once at a phase. */
struct other {
    pid_t pid;
    const char *phase; /* NULL: it has waited */
    int waits[2];      /* it says that it waits */
    int go[2];         /* it is told to go on */
};

static int wait_at_phase(void *user, const b10_progress *progress)
{
    struct other *other = user;
    char byte = 0;
    if (other->phase == NULL || strcmp(progress->phase, other->phase) != 0)
        return 0;
    other->phase = NULL;
    return write(other->waits[1], &byte, 1) != 1 || read(other->go[0], &byte, 1) != 1;
}

static struct other start(struct replica *replica, OperationStatus (*operation)(struct replica *),
                          const char *phase)
{
    struct other other = {.phase = phase};
    char byte;
    assert_int_equal(pipe2(other.waits, O_CLOEXEC), 0);
    assert_int_equal(pipe2(other.go, O_CLOEXEC), 0);
    other.pid = fork();
    assert_true(other.pid >= 0);
    if (other.pid == 0) {
        close(other.waits[0]);
        close(other.go[1]);
        replica->options.progress = wait_at_phase;
        replica->options.progress_user = &other;
        (void)operation(replica);
        _exit((int)replica->error.code);
    }
    close(other.waits[1]);
    close(other.go[0]);
    assert_int_equal(read(other.waits[0], &byte, 1), 1);
    return other;
}

/* The reason that it ended with. */
static int finish(const struct other *other)
{
    int status;
    assert_int_equal(write(other->go[1], "", 1), 1);
    assert_int_equal(waitpid(other->pid, &status, 0), other->pid);
    close(other->waits[0]);
    close(other->go[1]);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void init_other(struct replica *other, const struct scratch *scratch)
{
    replica_init(other, scratch);
    replica_set(other, "b10_environment_key", "other");
    replica_fill(other, "local");
}

static void who_loads_an_archive_loads_it_to_the_end(void **state)
{
    const struct scratch *scratch = *state;
    struct replica replica;
    struct replica other;
    init(&replica, scratch);
    init_other(&other, scratch);
    replica_assert(&other, replica_save(&other), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(renameat(scratch->fd, "local", scratch->fd, "saved"), 0);
    age(scratch, name_of("other"), 2 * DAY);
    const struct other loader = start(&other, replica_load, "unpack");
    assert_outcomes(prune(&replica, (b10_prune_rules){.max_age_s = DAY}), "r");
    assert_false(has(scratch, "other"));
    assert_int_equal(finish(&loader), B10_REASON_OK);
    scratch_assert_same_tree(scratch_path(scratch, "saved"), scratch_path(scratch, "local"));
    replica_release(&other);
    replica_release(&replica);
}

static void what_somebody_saves_is_left(void **state)
{
    const struct scratch *scratch = *state;
    struct replica replica;
    struct replica other;
    init(&replica, scratch);
    init_other(&other, scratch);
    store(scratch, "other", 1000, 2 * DAY);
    store(scratch, "third", 1000, 3 * DAY);
    replica_set(&other, "b10_save_mode", "replace");
    const struct other saver = start(&other, replica_save, "publish");
    const b10_prune_rules rules = {.max_age_s = DAY};
    assert_outcomes(prune(&replica, rules), "br");
    assert_int_equal(finish(&saver), B10_REASON_OK);
    assert_outcomes(prune(&replica, rules), "k"); /* it is new */
    replica_set(&other, "torchinductor_cache_dir", scratch_path(scratch, "loaded"));
    replica_assert(&other, replica_load(&other), B10_SUCCESS, B10_REASON_OK);
    replica_release(&other);
    replica_release(&replica);
}

/* Between the listing and the removal of what comes second: at the line that tells of the first. */
struct meanwhile {
    const struct scratch *scratch;
    const char *told; /* a part of that line */
    void (*happens)(const struct scratch *scratch);
};

static void on_log(void *user, b10_log_level level, const char *line)
{
    struct meanwhile *meanwhile = user;
    (void)level;
    if (strstr(line, meanwhile->told) != NULL)
        meanwhile->happens(meanwhile->scratch);
}

/* By the module itself, which logs at once: b10_prune hands its lines over to the caller's thread. */
static b10_prune_list *prune_while(struct replica *replica,
                                   void (*happens)(const struct scratch *scratch))
{
    struct meanwhile meanwhile = {replica->scratch, "/first.v1.tar.zst'", happens};
    struct log log = {.fn = on_log, .user = &meanwhile};
    const b10_prune_rules rules = {.max_age_s = DAY};
    SCOPED(settings) struct settings settings = SETTINGS_NONE;
    SCOPED(given) struct given *given = NULL;
    b10_prune_list *list = NULL;
    init(replica, replica->scratch);
    store(replica->scratch, "first", 1000, 3 * DAY);
    store(replica->scratch, "second", 1000, 2 * DAY);
    assert_int_equal(given_take(&given, replica_config(replica), NULL), B10_REASON_OK);
    assert_int_equal(settings_read(&settings, given, SETTINGS_VOLUME, &log, NULL), B10_REASON_OK);
    assert_int_equal(prune_archives(&settings, &rules, &list, &log, NULL, NULL), B10_REASON_OK);
    assert_false(has(replica->scratch, "first"));
    return list;
}

static void replace_with_another_size(const struct scratch *scratch)
{
    store(scratch, "new", 999, 2 * DAY);
    assert_int_equal(renameat(scratch->fd, name_of("new"), scratch->fd, name_of("second")), 0);
}

static void replace_with_another_time(const struct scratch *scratch)
{
    store(scratch, "new", 1000, 0);
    assert_int_equal(renameat(scratch->fd, name_of("new"), scratch->fd, name_of("second")), 0);
}

static void replace_with_a_directory(const struct scratch *scratch)
{
    assert_int_equal(unlinkat(scratch->fd, name_of("second"), 0), 0);
    scratch_mkdir(scratch, name_of("second"));
}

static void what_was_replaced_after_the_listing_stays(void **state)
{
    static void (*const ways[])(const struct scratch *) = {replace_with_another_size,
                                                           replace_with_another_time,
                                                           replace_with_a_directory};
    const struct scratch *scratch = *state;
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
        struct replica replica = {.scratch = scratch};
        assert_outcomes(prune_while(&replica, ways[i]), "br");
        assert_true(has(scratch, "second"));
        replica_release(&replica);
    }
}

static void remove_second(const struct scratch *scratch)
{
    assert_int_equal(unlinkat(scratch->fd, name_of("second"), 0), 0);
}

static void what_somebody_else_removed_is_gone_and_not_counted(void **state)
{
    struct replica replica = {.scratch = *state};
    b10_prune_list *list = prune_while(&replica, remove_second);
    assert_int_equal(list->removed, 1);
    assert_int_equal(list->removed_bytes, 1000);
    assert_int_equal(b10_prune_list_at(list, 0)->reason, B10_REASON_ABSENT);
    assert_outcomes(list, "rr");
    assert_int_equal(scratch_count(*state, "volume"), 0);
    replica_release(&replica);
}

static void unmount(const struct scratch *scratch)
{
    assert_int_equal(renameat(scratch->fd, "volume", scratch->fd, "elsewhere"), 0);
    scratch_mkdir(scratch, "volume");
    store(scratch, "second", 1000, 2 * DAY);
}

/* The directory is held open: what stands under its name later is not touched. */
static void another_directory_under_the_name_is_left_alone(void **state)
{
    struct replica replica = {.scratch = *state};
    b10_prune_list *list = prune_while(&replica, unmount);
    assert_true(has(*state, "second"));
    assert_outcomes(list, "rr");
    replica_release(&replica);
}

static void a_lock_that_nobody_holds_is_no_hindrance(void **state)
{
    struct replica replica;
    init(&replica, *state);
    store(*state, "old", 1000, 3 * DAY);
    scratch_text(*state, "volume/.old.lock", "left by nobody knows whom\n");
    replica_set(&replica, "cleanup_lock_timeout_seconds", "1");
    assert_outcomes(prune(&replica, (b10_prune_rules){.max_age_s = DAY}), "r");
    assert_int_equal(scratch_count(*state, "volume"), 0);
    replica_release(&replica);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_oldest_go_until_no_rule_is_broken),
        TEST(what_was_removed_and_what_was_chosen_is_counted),
        TEST(a_time_in_the_future_is_no_age),
        TEST(without_a_rule_nothing_is_done),
        TEST(only_archives_are_removed),
        TEST(who_loads_an_archive_loads_it_to_the_end),
        TEST(what_somebody_saves_is_left),
        TEST(what_was_replaced_after_the_listing_stays),
        TEST(what_somebody_else_removed_is_gone_and_not_counted),
        TEST(another_directory_under_the_name_is_left_alone),
        TEST(a_lock_that_nobody_holds_is_no_hindrance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
