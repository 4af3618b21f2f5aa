#include "fs/lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/pause.h"
#include "support/sandbox.h"
#include "support/scratch.h"

/* ---- time, and what the other side does in it ---- */

/* The clock stands still but for pauses, in which the other side may act; it also acts right before
 * a rename or a look, or right before or after a link, at moments that only a test can hit. */
static struct {
    _Atomic uint64_t now_ns;
    _Atomic unsigned pauses;
    void (*at_pause)(unsigned pause);
    void (*before_rename)(const char *from);
    void (*before_link)(const char *to);
    void (*after_link)(const char *to);
    void (*before_look)(const char *at);
} other;

uint64_t clock_now_ns(void)
{
    return other.now_ns;
}

int64_t clock_epoch_s(void)
{
    return 0;
}

void pause_ms(unsigned ms)
{
    other.now_ns += (uint64_t)ms * 1000000;
    other.pauses++;
    if (other.at_pause != NULL)
        other.at_pause(other.pauses);
    if (other.pauses > 100000)
        fail_msg("waits for ever");
}

static bool ends_with(const char *name, const char *suffix)
{
    return strlen(name) >= strlen(suffix) &&
           strcmp(name + strlen(name) - strlen(suffix), suffix) == 0;
}

/* Once, then no more. Written only when there is something: threads of one test look at it, too. */
static void let_act(void (**hook)(const char *), const char *path)
{
    void (*const act)(const char *) = *hook;
    if (act == NULL)
        return;
    *hook = NULL;
    act(path);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    if (ends_with(to, LOCK_OLD_SUFFIX))
        let_act(&other.before_rename, from);
    return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    let_act(&other.before_link, to);
    const int result = (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
    let_act(&other.after_link, to);
    return result;
}

int fstatat(int dir, const char *path, struct stat *stat, int flags)
{
    let_act(&other.before_look, path);
    return (int)syscall(SYS_newfstatat, dir, path, stat, flags);
}

/* ---- a host ---- */

enum { TIMEOUT_MS = 30000 };

static const char name[] = ".KEY.lock";
static const struct scratch *volume; /* of the running test */

/* A process elsewhere: nothing can be told of its pid. */
static struct process elsewhere(void)
{
    return (struct process){.host = "elsewhere",
                            .boot = "11111111-2222-3333-4444-555555555555",
                            .pid = 1,
                            .pid_namespace = 4026531836,
                            .start_ticks = 77,
                            .clock_is_hosts = true};
}

/* A lock text of somebody else, `digit` filling its token. */
static void format_foreign(char text[LOCK_TEXT_SIZE + 1], const struct process *holder, char digit,
                           uint64_t counter)
{
    struct lock_text lock = {.holder = *holder, .counter = counter};
    memset(lock.token, digit, sizeof(lock.token) - 1);
    lock_text_format(text, &lock);
}

static void put_foreign(char digit, uint64_t counter)
{
    char text[LOCK_TEXT_SIZE + 1];
    struct process holder = elsewhere();
    format_foreign(text, &holder, digit, counter);
    (void)unlinkat(volume->fd, name, 0);
    scratch_write(volume, name, text, LOCK_TEXT_SIZE);
}

static void put_foreign_of(const struct process *holder)
{
    char text[LOCK_TEXT_SIZE + 1];
    format_foreign(text, holder, 'a', 0);
    scratch_write(volume, name, text, LOCK_TEXT_SIZE);
}

static char token_digit(void)
{
    char text[LOCK_TEXT_SIZE + 1] = "";
    int fd = openat(volume->fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return '-';
    assert_true(read(fd, text, LOCK_TEXT_SIZE) >= 0);
    close(fd);
    return text[25];
}

static enum b10_reason acquire(struct lockfile *lock)
{
    struct process self;
    process_self(&self);
    return lockfile_acquire(lock, volume->fd, "KEY", &self, TIMEOUT_MS, NULL, NULL);
}

static void assert_lock_held(const struct lockfile *lock)
{
    struct lock_seen seen;
    assert_true(lockfile_is_held(lock));
    assert_int_equal(lock_seen_look(&seen, volume->fd, name, NULL, NULL), B10_REASON_OK);
    assert_true(seen.is_readable);
    assert_string_equal(seen.text.token, lock->token);
}

static int setup(void **state)
{
    memset(&other, 0, sizeof(other));
    int failed = scratch_setup(state);
    volume = *state;
    return failed;
}

/* ---- promise ---- */

static void a_free_lock_is_acquired_at_once_and_released_without_trace(void **state)
{
    (void)state;
    struct lockfile lock = LOCKFILE_NONE;
    size_t descriptors = scratch_open_descriptors();
    assert_int_equal(acquire(&lock), B10_REASON_OK);
    assert_lock_held(&lock);
    assert_int_equal(other.pauses, 0);
    assert_int_equal(scratch_count(volume, ""), 1);
    assert_int_equal(lockfile_still_ours(&lock, NULL, NULL), B10_REASON_OK);
    lockfile_release(&lock);
    lockfile_release(&lock);
    assert_false(lockfile_is_held(&lock));
    assert_int_equal(scratch_count(volume, ""), 0);
    assert_int_equal(scratch_open_descriptors(), descriptors);
}

static void the_text_says_who_and_has_a_fixed_width(void **state)
{
    (void)state;
    SCOPED(lockfile) struct lockfile lock = LOCKFILE_NONE;
    struct process self;
    struct lock_text text;
    size_t size;
    process_self(&self);
    assert_int_equal(acquire(&lock), B10_REASON_OK);
    char *content = scratch_read(volume, name, &size);
    assert_int_equal(size, LOCK_TEXT_SIZE);
    assert_true(lock_text_parse(&text, content, size));
    assert_string_equal(text.holder.host, self.host);
    assert_string_equal(text.holder.boot, self.boot);
    assert_int_equal(text.holder.pid, getpid());
    assert_int_equal(text.holder.pid_namespace, self.pid_namespace);
    assert_int_equal(text.holder.start_ticks, self.start_ticks);
    free(content);
}

static void a_beat_raises_the_counter_in_place(void **state)
{
    (void)state;
    SCOPED(lockfile) struct lockfile lock = LOCKFILE_NONE;
    struct lock_seen before;
    struct lock_seen after;
    assert_int_equal(acquire(&lock), B10_REASON_OK);
    assert_int_equal(lock_seen_look(&before, volume->fd, name, NULL, NULL), B10_REASON_OK);
    assert_int_equal(lockfile_beat(&lock, NULL), B10_REASON_OK);
    assert_int_equal(lock_seen_look(&after, volume->fd, name, NULL, NULL), B10_REASON_OK);
    assert_int_equal(after.text.counter, before.text.counter + 1);
    assert_int_equal(after.stat.st_ino, before.stat.st_ino);
    assert_int_equal(after.stat.st_size, LOCK_TEXT_SIZE);
    assert_false(lock_seen_unchanged(&before, &after));
}

static void beats_come_several_times_per_timeout_and_at_least_every_two_seconds(void **state)
{
    (void)state;
    assert_int_equal(lockfile_beat_ms(1000), 200);
    assert_int_equal(lockfile_beat_ms(30000), 2000);
    assert_int_equal(lockfile_beat_ms(3600000), 2000);
}

/* ---- a living holder ---- */

static void beat_foreign(unsigned pause)
{
    put_foreign('a', pause / 4);
}

static void a_beating_lock_is_in_progress_as_soon_as_it_beats(void **state)
{
    (void)state;
    struct lockfile lock = LOCKFILE_NONE;
    put_foreign('a', 0);
    other.at_pause = beat_foreign;
    assert_int_equal(acquire(&lock), B10_REASON_IN_PROGRESS);
    assert_int_equal(other.pauses, 4);
    assert_int_equal(token_digit(), 'a');
    assert_int_equal(scratch_count(volume, ""), 1);
}

static void replace_foreign(unsigned pause)
{
    if (pause == 2)
        put_foreign('b', 0);
}

static void a_lock_that_appears_meanwhile_is_in_progress_at_once(void **state)
{
    (void)state;
    struct lockfile lock = LOCKFILE_NONE;
    put_foreign('a', 0);
    other.at_pause = replace_foreign;
    assert_int_equal(acquire(&lock), B10_REASON_IN_PROGRESS);
    assert_int_equal(other.pauses, 2);
    assert_int_equal(token_digit(), 'b');
}

static void take_name(const char *to)
{
    (void)to;
    put_foreign('c', 0);
}

static void whoever_links_second_has_lost(void **state)
{
    (void)state;
    struct lockfile lock = LOCKFILE_NONE;
    other.before_link = take_name;
    assert_int_equal(acquire(&lock), B10_REASON_IN_PROGRESS);
    assert_int_equal(token_digit(), 'c');
    assert_int_equal(scratch_count(volume, ""), 1);
}

static void our_own_process_is_somebody_else_too(void **state)
{
    (void)state;
    SCOPED(lockfile) struct lockfile first = LOCKFILE_NONE;
    struct lockfile second = LOCKFILE_NONE;
    assert_int_equal(acquire(&first), B10_REASON_OK);
    other.at_pause = NULL;
    /* stands still for the timeout although its process lives */
    assert_int_equal(acquire(&second), B10_REASON_OK);
    assert_true(other.now_ns >= (uint64_t)TIMEOUT_MS * 1000000);
    assert_int_equal(lockfile_still_ours(&first, NULL, NULL), B10_REASON_IN_PROGRESS);
    lockfile_release(&second);
}

/* ---- a dead one ---- */

static void a_lock_that_stands_still_is_broken_after_the_timeout_and_not_before(void **state)
{
    (void)state;
    SCOPED(lockfile) struct lockfile lock = LOCKFILE_NONE;
    put_foreign('a', 7);
    assert_int_equal(acquire(&lock), B10_REASON_OK);
    assert_lock_held(&lock);
    assert_true(other.now_ns >= (uint64_t)TIMEOUT_MS * 1000000);
    assert_true(other.now_ns < (uint64_t)TIMEOUT_MS * 1000000 + 1000000000);
    assert_int_equal(scratch_count(volume, ""), 1);
}

static void vanish(unsigned pause)
{
    if (pause == 3)
        (void)unlinkat(volume->fd, name, 0);
}

static void a_lock_that_is_released_is_taken(void **state)
{
    (void)state;
    SCOPED(lockfile) struct lockfile lock = LOCKFILE_NONE;
    put_foreign('a', 0);
    other.at_pause = vanish;
    assert_int_equal(acquire(&lock), B10_REASON_OK);
    assert_lock_held(&lock);
    assert_int_equal(other.pauses, 3);
}

static void stand_still(unsigned pause)
{
    if (pause == 4) /* the whole host is stopped, the holder's, too */
        other.now_ns += UINT64_C(3600) * 1000000000;
    if (pause == 12)
        put_foreign('a', 8);
}

static void a_silence_of_the_watcher_counts_little(void **state)
{
    (void)state;
    struct lockfile lock = LOCKFILE_NONE;
    put_foreign('a', 7);
    other.at_pause = stand_still;
    assert_int_equal(acquire(&lock), B10_REASON_IN_PROGRESS);
    assert_int_equal(other.pauses, 12);
}

static struct process dead_here(void)
{
    struct process process;
    process_self(&process);
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    process.pid = (uint64_t)child;
    assert_int_equal(waitpid(child, NULL, 0), child);
    return process;
}

static void a_dead_process_of_this_host_is_broken_at_once(void **state)
{
    (void)state;
    SCOPED(lockfile) struct lockfile lock = LOCKFILE_NONE;
    struct process dead = dead_here();
    put_foreign_of(&dead);
    assert_int_equal(acquire(&lock), B10_REASON_OK);
    assert_lock_held(&lock);
    assert_int_equal(other.pauses, 0);
}

static void a_pid_that_was_used_again_is_broken_at_once(void **state)
{
    (void)state;
    SCOPED(lockfile) struct lockfile lock = LOCKFILE_NONE;
    struct process reused;
    process_self(&reused);
    if (reused.start_ticks == 0)
        skip();
    reused.start_ticks--;
    put_foreign_of(&reused);
    assert_int_equal(acquire(&lock), B10_REASON_OK);
    assert_lock_held(&lock);
    assert_int_equal(other.pauses, 0);
}

static void a_dead_pid_of_another_boot_or_namespace_says_nothing(void **state)
{
    (void)state;
    struct process dead = dead_here();
    struct process other_boot = dead;
    struct process other_namespace = dead;
    memcpy(other_boot.boot, elsewhere().boot, sizeof(other_boot.boot));
    other_namespace.pid_namespace++;
    const struct process *holders[] = {&other_boot, &other_namespace};
    for (size_t i = 0; i < 2; i++) {
        struct lockfile lock = LOCKFILE_NONE;
        put_foreign_of(holders[i]);
        other.at_pause = beat_foreign;
        assert_int_equal(acquire(&lock), B10_REASON_IN_PROGRESS);
        assert_true(other.pauses > 0);
        assert_int_equal(unlinkat(volume->fd, name, 0), 0);
    }
}

/* ---- the breaking race ---- */

static void break_first(const char *from)
{
    (void)from;
    put_foreign('b', 0); /* broke the same lock, and has one of its own there */
}

static void a_lock_that_was_not_judged_is_put_back(void **state)
{
    (void)state;
    struct lockfile lock = LOCKFILE_NONE;
    put_foreign('a', 0);
    other.before_rename = break_first;
    assert_int_equal(acquire(&lock), B10_REASON_IN_PROGRESS);
    assert_int_equal(token_digit(), 'b');
    assert_int_equal(scratch_count(volume, ""), 1);
}

static void resurrect(const char *from)
{
    (void)from;
    char digits[LOCK_COUNTER_SIZE + 1];
    int fd = openat(volume->fd, name, O_WRONLY | O_CLOEXEC);
    lock_text_counter(digits, 9);
    assert_int_equal(pwrite(fd, digits, LOCK_COUNTER_SIZE, LOCK_COUNTER_OFFSET), LOCK_COUNTER_SIZE);
    close(fd);
}

static void a_holder_that_beats_at_the_last_moment_keeps_its_lock(void **state)
{
    (void)state;
    struct lockfile lock = LOCKFILE_NONE;
    put_foreign('a', 0);
    other.before_rename = resurrect;
    assert_int_equal(acquire(&lock), B10_REASON_IN_PROGRESS);
    assert_int_equal(token_digit(), 'a');
    assert_int_equal(scratch_count(volume, ""), 1);
}

static void remove_name(const char *from)
{
    assert_int_equal(unlinkat(volume->fd, from, 0), 0);
}

static void a_lock_that_somebody_else_removed_is_competed_for(void **state)
{
    (void)state;
    SCOPED(lockfile) struct lockfile lock = LOCKFILE_NONE;
    put_foreign('a', 0);
    other.before_rename = remove_name;
    assert_int_equal(acquire(&lock), B10_REASON_OK);
    assert_lock_held(&lock);
}

static void take_name_between(const char *from)
{
    (void)from;
    put_foreign('b', 0);
    /* and once that is renamed aside, a third one has the name before it is put back */
    other.before_link = take_name;
}

static void put_back_by_link(void *context)
{
    (void)context;
    struct lockfile lock = LOCKFILE_NONE;
    sandbox_deny_argument(ENOSYS, SYS_renameat2, 4, 1);
    put_foreign('a', 0);
    other.before_rename = take_name_between;
    CHECK(acquire(&lock) == B10_REASON_IN_PROGRESS);
    CHECK(token_digit() == 'c');
    CHECK(scratch_count(volume, "") == 1);
}

static void whoever_finds_the_name_taken_while_putting_back_lets_it_be(void **state)
{
    sandbox_run(put_back_by_link, *state);
}

/* Another one had judged the dead lock before ours was there, and has ours in its hands now. */
static void take_in_hand(const char *to)
{
    assert_int_equal(renameat(volume->fd, to, volume->fd, "hand"), 0);
}

static void put_back(const char *to)
{
    assert_int_equal(renameat(volume->fd, "hand", volume->fd, to), 0);
}

static void put_back_at_second_look(const char *at)
{
    (void)at;
    other.before_look = put_back;
}

static void drop(const char *to)
{
    (void)to;
    assert_int_equal(unlinkat(volume->fd, "hand", 0), 0);
}

static void until_the_next_look(const char *to)
{
    take_in_hand(to);
    other.before_look = put_back_at_second_look;
}

static void until_the_next_link(const char *to)
{
    take_in_hand(to);
    other.before_link = put_back;
}

static void until_it_is_too_late(const char *to)
{
    take_in_hand(to);
    other.after_link = drop;
}

static void a_lock_that_is_out_of_sight_as_soon_as_it_is_linked_is_not_given_up(void **state)
{
    (void)state;
    void (*const breakers[])(const char *) = {until_the_next_look, until_the_next_link,
                                              until_it_is_too_late};
    for (size_t i = 0; i < 3; i++) {
        struct lockfile lock = LOCKFILE_NONE;
        other.after_link = breakers[i];
        assert_int_equal(acquire(&lock), B10_REASON_OK);
        assert_lock_held(&lock);
        assert_int_equal(lockfile_beat(&lock, NULL), B10_REASON_OK);
        assert_int_equal(other.pauses, 0);
        assert_int_equal(scratch_count(volume, ""), 1);
        lockfile_release(&lock);
        assert_int_equal(scratch_count(volume, ""), 0);
    }
}

/* ---- losing it ---- */

static void a_beat_notices_another_holder_and_resurrects_nothing(void **state)
{
    (void)state;
    struct lockfile lock = LOCKFILE_NONE;
    assert_int_equal(acquire(&lock), B10_REASON_OK);
    put_foreign('b', 0);
    assert_int_equal(lockfile_beat(&lock, NULL), B10_REASON_IN_PROGRESS);
    assert_int_equal(lockfile_still_ours(&lock, NULL, NULL), B10_REASON_IN_PROGRESS);
    lockfile_release(&lock);
    assert_int_equal(token_digit(), 'b');
    assert_int_equal(scratch_count(volume, ""), 1);
}

static void a_lock_that_is_put_back_was_never_lost(void **state)
{
    (void)state;
    SCOPED(lockfile) struct lockfile lock = LOCKFILE_NONE;
    assert_int_equal(acquire(&lock), B10_REASON_OK);
    assert_int_equal(renameat(volume->fd, name, volume->fd, "aside"), 0);
    assert_int_equal(lockfile_beat(&lock, NULL), B10_REASON_OK);
    assert_int_equal(renameat(volume->fd, "aside", volume->fd, name), 0);
    assert_int_equal(lockfile_beat(&lock, NULL), B10_REASON_OK);
    assert_int_equal(renameat(volume->fd, name, volume->fd, "aside"), 0);
    assert_int_equal(lockfile_beat(&lock, NULL), B10_REASON_OK);
    assert_int_equal(lockfile_beat(&lock, NULL), B10_REASON_IN_PROGRESS);
    assert_int_equal(unlinkat(volume->fd, "aside", 0), 0);
}

static void bring_back(unsigned pause)
{
    if (pause == 2)
        assert_int_equal(renameat(volume->fd, "aside", volume->fd, name), 0);
}

static void the_last_look_waits_for_a_lock_to_be_put_back(void **state)
{
    (void)state;
    SCOPED(lockfile) struct lockfile lock = LOCKFILE_NONE;
    assert_int_equal(acquire(&lock), B10_REASON_OK);
    assert_int_equal(renameat(volume->fd, name, volume->fd, "aside"), 0);
    other.at_pause = bring_back;
    assert_int_equal(lockfile_still_ours(&lock, NULL, NULL), B10_REASON_OK);
    assert_int_equal(unlinkat(volume->fd, name, 0), 0);
    assert_int_equal(lockfile_still_ours(&lock, NULL, NULL), B10_REASON_IN_PROGRESS);
}

static void whoever_judged_before_the_last_look_finds_that_it_was_wrong(void **state)
{
    (void)state;
    SCOPED(lockfile) struct lockfile lock = LOCKFILE_NONE;
    struct lock_seen judged;
    bool removed = true;
    assert_int_equal(acquire(&lock), B10_REASON_OK);
    assert_int_equal(lock_seen_look(&judged, volume->fd, name, NULL, NULL), B10_REASON_OK);
    assert_int_equal(lockfile_still_ours(&lock, NULL, NULL), B10_REASON_OK);
    assert_int_equal(lock_seen_remove(volume->fd, "KEY", &judged, &removed, NULL), B10_REASON_OK);
    assert_false(removed);
    assert_lock_held(&lock);
}

/* After a last look: at once, or so late that another may hold the lock by then. */
static void a_release_long_after_the_last_look_looks_again(void **state)
{
    (void)state;
    for (unsigned late = 0; late <= 1; late++) {
        struct lockfile lock = LOCKFILE_NONE;
        assert_int_equal(acquire(&lock), B10_REASON_OK);
        assert_int_equal(lockfile_still_ours(&lock, NULL, NULL), B10_REASON_OK);
        other.now_ns += (uint64_t)TIMEOUT_MS * 1000000 * late;
        if (late)
            put_foreign('a', 0);
        lockfile_release(&lock);
        assert_int_equal(scratch_count(volume, ""), late);
    }
    assert_int_equal(unlinkat(volume->fd, name, 0), 0);
}

/* ---- what is no lock ---- */

static void make_text(void)
{
    scratch_text(volume, name, "mine!\n");
}
static void make_empty(void)
{
    scratch_text(volume, name, "");
}
static void make_huge(void)
{
    scratch_text(volume, name, "b10transfer lock 1\n");
    assert_int_equal(truncate(scratch_path(volume, name), (off_t)1 << 40), 0);
}
static void make_fifo(void)
{
    assert_int_equal(mkfifoat(volume->fd, name, 0666), 0);
}
static void make_link(void)
{
    scratch_text(volume, "victim", "untouched");
    assert_int_equal(symlinkat("victim", volume->fd, name), 0);
}
static void make_directory(void)
{
    scratch_mkdir(volume, name);
}
static void make_full_directory(void)
{
    scratch_text(volume, ".KEY.lock/file", "untouched");
}
static void make_newer(void)
{
    char text[LOCK_TEXT_SIZE + 1];
    struct process holder = elsewhere();
    format_foreign(text, &holder, 'a', 0);
    text[17] = '2';
    scratch_write(volume, name, text, LOCK_TEXT_SIZE);
}

static const struct {
    void (*make)(void);
    size_t left; /* beside the lock */
} oddities[] = {
    {make_text, 0}, {make_empty, 0}, {make_huge, 0},      {make_fifo, 0},
    {make_link, 1}, {make_newer, 0}, {make_directory, 0}, {make_full_directory, 2},
};

static void whatever_stands_in_the_locks_place_is_broken_after_the_timeout(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(oddities) / sizeof(oddities[0]); i++) {
        struct lockfile lock = LOCKFILE_NONE;
        size_t before = scratch_count(volume, "");
        uint64_t began_ns = other.now_ns;
        oddities[i].make();
        assert_int_equal(acquire(&lock), B10_REASON_OK);
        assert_lock_held(&lock);
        assert_true(other.now_ns - began_ns >= (uint64_t)TIMEOUT_MS * 1000000);
        lockfile_release(&lock);
        assert_int_equal(scratch_count(volume, "") - before, oddities[i].left);
        if (oddities[i].make == make_link) {
            char *text = scratch_read(volume, "victim", NULL);
            assert_string_equal(text, "untouched");
            free(text);
        }
    }
}

static void append(unsigned pause)
{
    if (pause == 5)
        scratch_text(volume, name, "mine?\n");
}

static void an_unreadable_text_that_changes_is_in_progress(void **state)
{
    (void)state;
    struct lockfile lock = LOCKFILE_NONE;
    make_text();
    other.at_pause = append;
    assert_int_equal(acquire(&lock), B10_REASON_IN_PROGRESS);
    assert_int_equal(other.pauses, 5);
}

/* ---- volumes that cannot ---- */

static void without_link(void *context)
{
    (void)context;
    struct lockfile lock = LOCKFILE_NONE;
    struct lockfile second = LOCKFILE_NONE;
    sandbox_deny(EPERM, SYS_linkat);
    CHECK(acquire(&lock) == B10_REASON_OK);
    CHECK(lockfile_is_held(&lock) && scratch_count(volume, "") == 1);
    other.at_pause = beat_foreign;
    CHECK(acquire(&second) == B10_REASON_IN_PROGRESS);
    CHECK(unlinkat(volume->fd, name, 0) == 0);
    lockfile_release(&lock);
    CHECK(scratch_count(volume, "") == 0);
}

static void a_volume_without_links_is_locked_by_creating(void **state)
{
    sandbox_run(without_link, *state);
}

static void without_anything(void *context)
{
    (void)context;
    struct lockfile lock = LOCKFILE_NONE;
    sandbox_deny_argument(EPERM, SYS_openat, 2,
                          O_WRONLY | O_CREAT | O_NOFOLLOW | O_EXCL | O_CLOEXEC);
    CHECK(acquire(&lock) == B10_REASON_OK);
    CHECK(!lockfile_is_held(&lock) && lock.refused == EPERM);
    CHECK(lockfile_beat(&lock, NULL) == B10_REASON_OK);
    CHECK(lockfile_still_ours(&lock, NULL, NULL) == B10_REASON_OK);
    lockfile_release(&lock);
    CHECK(scratch_count(volume, "") == 0);
}

static void a_volume_that_allows_no_lock_is_worked_on_without(void **state)
{
    sandbox_run(without_anything, *state);
}

/* The directory is everybody's, but each may only rename its own files. */
static void in_sticky_directory(void *context)
{
    (void)context;
    struct lockfile lock = LOCKFILE_NONE;
    put_foreign('a', 0);
    CHECK(fchmod(volume->fd, 01777) == 0);
    CHECK(chown(volume->path, 12345, 12345) == 0);
    CHECK(fchownat(volume->fd, name, 12345, 12345, 0) == 0);
    sandbox_drop_root();
    CHECK(acquire(&lock) == B10_REASON_OK);
    CHECK(!lockfile_is_held(&lock) && lock.refused == EPERM);
    CHECK(token_digit() == 'a');
}

static void a_stale_lock_that_nobody_may_remove_stops_no_save(void **state)
{
    if (geteuid() != 0)
        skip();
    sandbox_run(in_sticky_directory, *state);
}

static void fill_volume(void *context)
{
    struct lockfile lock = LOCKFILE_NONE;
    (void)context;
    sandbox_deny(ENOSPC, SYS_write);
    CHECK(acquire(&lock) == B10_REASON_NO_SPACE);
    CHECK(scratch_count(volume, "") == 0);
}

static void a_full_volume_is_told_and_nothing_is_left(void **state)
{
    sandbox_run(fill_volume, *state);
}

/* ---- many at once ---- */

enum { SAVERS = 8 };

struct saver {
    pthread_barrier_t *start;
    struct lockfile lock;
    enum b10_reason reason;
};

static void *compete_for(void *user)
{
    struct saver *saver = user;
    struct process self;
    process_self(&self);
    pthread_barrier_wait(saver->start);
    saver->reason =
        lockfile_acquire(&saver->lock, volume->fd, "KEY", &self, TIMEOUT_MS, NULL, NULL);
    return NULL;
}

/* A dead lock or none, and nobody needs to wait. */
static void of_many_savers_exactly_one_holds_the_lock(void **state)
{
    (void)state;
    struct process dead = dead_here();
    for (int round = 0; round < 200; round++) {
        pthread_barrier_t start;
        pthread_t threads[SAVERS];
        struct saver savers[SAVERS];
        int holders = 0;
        if (round % 2 == 0)
            put_foreign_of(&dead);
        assert_int_equal(pthread_barrier_init(&start, NULL, SAVERS), 0);
        for (int i = 0; i < SAVERS; i++) {
            savers[i] = (struct saver){.start = &start, .lock = LOCKFILE_NONE};
            assert_int_equal(pthread_create(&threads[i], NULL, compete_for, &savers[i]), 0);
        }
        for (int i = 0; i < SAVERS; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        for (int i = 0; i < SAVERS; i++)
            holders += lockfile_still_ours(&savers[i].lock, NULL, NULL) == B10_REASON_OK &&
                       lockfile_is_held(&savers[i].lock);
        assert_int_equal(holders, 1);
        for (int i = 0; i < SAVERS; i++)
            lockfile_release(&savers[i].lock);
        assert_int_equal(scratch_count(volume, ""), 0);
        pthread_barrier_destroy(&start);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_free_lock_is_acquired_at_once_and_released_without_trace),
        TEST(the_text_says_who_and_has_a_fixed_width),
        TEST(a_beat_raises_the_counter_in_place),
        TEST(beats_come_several_times_per_timeout_and_at_least_every_two_seconds),
        TEST(a_beating_lock_is_in_progress_as_soon_as_it_beats),
        TEST(a_lock_that_appears_meanwhile_is_in_progress_at_once),
        TEST(whoever_links_second_has_lost),
        TEST(our_own_process_is_somebody_else_too),
        TEST(a_lock_that_stands_still_is_broken_after_the_timeout_and_not_before),
        TEST(a_lock_that_is_released_is_taken),
        TEST(a_silence_of_the_watcher_counts_little),
        TEST(a_dead_process_of_this_host_is_broken_at_once),
        TEST(a_pid_that_was_used_again_is_broken_at_once),
        TEST(a_dead_pid_of_another_boot_or_namespace_says_nothing),
        TEST(a_lock_that_was_not_judged_is_put_back),
        TEST(a_holder_that_beats_at_the_last_moment_keeps_its_lock),
        TEST(a_lock_that_somebody_else_removed_is_competed_for),
        TEST(whoever_finds_the_name_taken_while_putting_back_lets_it_be),
        TEST(a_lock_that_is_out_of_sight_as_soon_as_it_is_linked_is_not_given_up),
        TEST(a_beat_notices_another_holder_and_resurrects_nothing),
        TEST(a_lock_that_is_put_back_was_never_lost),
        TEST(the_last_look_waits_for_a_lock_to_be_put_back),
        TEST(a_release_long_after_the_last_look_looks_again),
        TEST(whoever_judged_before_the_last_look_finds_that_it_was_wrong),
        TEST(whatever_stands_in_the_locks_place_is_broken_after_the_timeout),
        TEST(an_unreadable_text_that_changes_is_in_progress),
        TEST(a_volume_without_links_is_locked_by_creating),
        TEST(a_volume_that_allows_no_lock_is_worked_on_without),
        TEST(a_stale_lock_that_nobody_may_remove_stops_no_save),
        TEST(a_full_volume_is_told_and_nothing_is_left),
        TEST(of_many_savers_exactly_one_holds_the_lock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
