/* What happens at the same time: another process clears what is loaded, a compiler rewrites what is saved. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/stored.h"

/* `work` again and again in a process of its own, until stop(). */
static pid_t start(void (*work)(struct replica *replica, unsigned round), struct replica *replica)
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails does not stop it */
        setenv("CMOCKA_TEST_ABORT", "1", 1);
        for (unsigned round = 0;; round++)
            work(replica, round);
    }
    return child;
}

/* It was still at work: not one of its own checks had failed. */
static void stop(pid_t child)
{
    int status;
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* ---- a load while another process clears ---- */

enum { SUCCESSES = 20, LOADS_AT_MOST = 20000 };

static void clear(struct replica *replica, unsigned round)
{
    (void)round;
    if (b10_clear(replica_config(replica), NULL, NULL, &replica->error) != B10_SUCCESS)
        fail_msg("clear: %s", replica->error.message);
}

/* Loads against a clearing process until enough have succeeded. What the volume holds is never blamed for it. */
static void load_against_clear(struct replica *replica)
{
    int successes = 0;
    pid_t clearing = start(clear, replica);
    for (int i = 0; i < LOADS_AT_MOST && successes < SUCCESSES; i++) {
        OperationStatus status = replica_load(replica);
        successes += status == B10_SUCCESS;
        if (status == B10_ERROR && replica->error.code != B10_REASON_IO)
            fail_msg("load: %s: %s", b10_reason_name(replica->error.code), replica->error.message);
        assert_true(status == B10_SUCCESS || status == B10_SKIPPED || status == B10_ERROR);
        assert_int_equal(replica->report.archives_set_aside, 0);
    }
    stop(clearing);
    assert_int_equal(successes, SUCCESSES);
}

static void a_load_while_another_process_clears_breaks_nothing(void **state)
{
    struct replica replica;
    stored_init(&replica, *state, NULL);
    load_against_clear(&replica);
    clear(&replica, 0);
    stored_comes_and_goes(&replica, "local");
    assert_int_equal(replica_volume_entries(&replica), 1);
    replica_release(&replica);
}

/* Somebody keeps making an entry of the destination, so that loads move entry by entry. */
static void make_entries(struct replica *replica, unsigned round)
{
    char path[64];
    (void)mkdirat(replica->scratch->fd, "local", 0777);
    (void)mkdirat(replica->scratch->fd, "local/zz", 0777);
    snprintf(path, sizeof(path), "local/triton%u", round % 3);
    (void)mkdirat(replica->scratch->fd, path, 0777);
}

static void a_load_entry_by_entry_while_another_process_clears_breaks_nothing(void **state)
{
    struct replica replica;
    stored_init(&replica, *state, NULL);
    pid_t making = start(make_entries, &replica);
    load_against_clear(&replica);
    stop(making);
    clear(&replica, 0);
    stored_comes_and_goes(&replica, "local");
    assert_int_equal(replica_volume_entries(&replica), 1);
    replica_release(&replica);
}

/* ---- a save while a compiler writes ---- */

enum { NAMES = 24, PIECES = 8, SAVES = 12, SAVES_AT_MOST = 400 };

/* The content of generation `generation`: one letter, a length of its own, in JSON or not. */
static size_t content_of(char *text, size_t size, const char *name, unsigned generation)
{
    const size_t length = 20000 + generation % 1000 * 16;
    const bool json = strstr(name, ".json") != NULL;
    assert_true(length + 4 < size);
    memset(text, 'a' + (int)(generation % 26), length);
    if (json) {
        memcpy(text, "[\"", 2);
        memcpy(text + length - 2, "\"]", 2);
    }
    return length;
}

/* As a compiler does it: complete under another name, then renamed. */
static void write_whole(const struct scratch *scratch, const char *name, unsigned generation)
{
    char text[40000];
    size_t size = content_of(text, sizeof(text), name, generation);
    scratch_write(scratch, "saved/tmp.4711.x", text, size);
    assert_int_equal(renameat(scratch->fd, "saved/tmp.4711.x", scratch->fd, name), 0);
}

/* As it should not: in place, piece by piece. */
static void write_pieces(const struct scratch *scratch, const char *name, unsigned generation)
{
    char text[40000];
    size_t size = content_of(text, sizeof(text), name, generation);
    int fd = openat(scratch->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    assert_true(fd >= 0);
    for (size_t i = 0; i < PIECES; i++) {
        size_t from = size * i / PIECES;
        size_t to = size * (i + 1) / PIECES;
        assert_int_equal(write(fd, text + from, to - from), to - from);
    }
    close(fd);
}

/* Appends a megabyte at a time to a file above one frame, from the start again when it is large. */
static void grow(const struct scratch *scratch, unsigned round)
{
    static char block[1 << 20];
    int fd =
        openat(scratch->fd, "saved/growing.bin",
               O_WRONLY | O_CREAT | O_APPEND | (round % 16 == 0 ? O_TRUNC : 0) | O_CLOEXEC, 0666);
    assert_true(fd >= 0);
    memset(block, 'g', sizeof(block));
    assert_int_equal(write(fd, block, sizeof(block)), sizeof(block));
    close(fd);
}

static void compile(struct replica *replica, unsigned round)
{
    char name[64];
    const struct scratch *scratch = replica->scratch;
    for (unsigned i = 0; i < NAMES; i++) {
        snprintf(name, sizeof(name), "saved/d%u/whole%u.py", i % 3, i);
        write_whole(scratch, name, round + i);
        snprintf(name, sizeof(name), "saved/d%u/pieces%u.json", i % 3, i);
        write_pieces(scratch, name, round + i);
        snprintf(name, sizeof(name), "saved/d%u/whole%u.py", i % 3, (i + round) % NAMES);
        (void)unlinkat(scratch->fd, name, 0);
    }
    snprintf(name, sizeof(name), "saved/comes and goes/%u", round % 2);
    scratch_text(scratch, name, "x");
    (void)unlinkat(scratch->fd, name, 0);
    (void)unlinkat(scratch->fd, "saved/comes and goes", AT_REMOVEDIR);
    grow(scratch, round);
}

/* One generation from the first byte to the last, none of it missing. */
static int assert_whole(const char *path, const struct stat *stat, int type, struct FTW *where)
{
    static char text[40000];
    char expected[40000];
    const char *name = path + where->base;
    if (type != FTW_F || (strncmp(name, "whole", 5) != 0 && strncmp(name, "pieces", 6) != 0))
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t size = read(fd, text, sizeof(text));
    close(fd);
    assert_int_equal(size, stat->st_size);
    if (size < 20000)
        fail_msg("'%s' has only %zd bytes", path, size);
    memset(expected, text[size / 2], (size_t)size);
    if (strstr(name, ".json") != NULL) {
        memcpy(expected, "[\"", 2);
        memcpy(expected + size - 2, "\"]", 2);
    }
    if (memcmp(text, expected, (size_t)size) != 0)
        fail_msg("'%s' mixes two states", path);
    return 0;
}

static void load_and_look(struct replica *replica)
{
    stored_destination(replica, "local", NULL);
    replica_assert(replica, replica_load(replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(nftw(scratch_path(replica->scratch, "local"), assert_whole, 32, FTW_PHYS), 0);
    assert_true(scratch_exists(replica->scratch, "local/stays.py"));
    clear(replica, 0);
    stored_destination(replica, "saved", NULL);
}

static void a_save_while_a_compiler_writes_packs_only_whole_files(void **state)
{
    struct replica replica;
    uint64_t changed = 0;
    replica_init(&replica, *state);
    scratch_text(*state, "saved/stays.py", "stays");
    scratch_mkdir(*state, "saved/d0");
    scratch_mkdir(*state, "saved/d1");
    scratch_mkdir(*state, "saved/d2");
    replica_set(&replica, "b10_save_mode", "replace");
    stored_destination(&replica, "saved", NULL);
    pid_t compiling = start(compile, &replica);
    for (int i = 0; i < SAVES || (changed == 0 && i < SAVES_AT_MOST); i++) {
        replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
        changed += replica.report.left_out_changed;
        assert_int_equal(b10_verify(replica_config(&replica), NULL, replica_archive(&replica), NULL,
                                    &replica.error),
                         B10_SUCCESS);
        load_and_look(&replica);
    }
    stop(compiling);
    assert_true(changed > 0);
    assert_int_equal(replica_volume_entries(&replica), 1);
    compile(&replica, 0);        /* it was killed in the middle of a file */
    stored_round_trip(&replica); /* now that it rests, all of it is packed */
    replica_release(&replica);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(a_load_while_another_process_clears_breaks_nothing),
        ROW(a_load_entry_by_entry_while_another_process_clears_breaks_nothing),
        ROW(a_save_while_a_compiler_writes_packs_only_whole_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
