#include "archive/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/forge.h"

enum { LARGE = 10000 };
#define ARCHIVE "a.tar.zst"

static void make(struct scratch *scratch, struct forge *forge)
{
    forge_init(forge);
    forge_sample(forge, LARGE);
    forge_save(forge, scratch_path(scratch, ARCHIVE));
}

static enum b10_reason open_archive(struct scratch *scratch, struct reader *reader,
                                    struct b10_error *error)
{
    return reader_open(reader, scratch->fd, ARCHIVE, "shown/name", error);
}

static void must_open(struct scratch *scratch, struct reader *reader)
{
    struct b10_error error = ERROR_NONE;
    if (open_archive(scratch, reader, &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
}

static void an_archive_tells_what_is_in_it(void **state)
{
    struct forge forge;
    make(*state, &forge);
    SCOPED(reader) struct reader reader = READER_CLOSED;
    must_open(*state, &reader);
    assert_string_equal(reader.name, "shown/name");
    assert_int_equal(reader.stat.st_size, forge.file.size);
    assert_string_equal(reader.manifest.key, forge.manifest.key);
    assert_int_equal(reader.manifest.totals.bytes, forge.manifest.totals.bytes);
    assert_int_equal(reader.manifest.frame_count, forge.frame_count);
    assert_int_equal(reader.offsets[0], 0);
    assert_int_equal(reader.offsets[forge.frame_count], forge.index_offset);
    forge_release(&forge);
}

static void another_file_under_the_name_is_noticed(void **state)
{
    struct forge forge;
    struct scratch *scratch = *state;
    make(scratch, &forge);
    SCOPED(reader) struct reader reader = READER_CLOSED;
    must_open(scratch, &reader);
    assert_true(reader_is_at(&reader, scratch->fd, ARCHIVE));
    assert_false(reader_is_at(&reader, scratch->fd, "absent"));
    forge_save(&forge, scratch_path(scratch, "same bytes"));
    assert_int_equal(renameat(scratch->fd, "same bytes", scratch->fd, ARCHIVE), 0);
    assert_false(reader_is_at(&reader, scratch->fd, ARCHIVE));
    forge_release(&forge);
}

static void runs_hold_every_frame_once_and_read_its_bytes(void **state)
{
    struct forge forge;
    make(*state, &forge);
    SCOPED(reader) struct reader reader = READER_CLOSED;
    must_open(*state, &reader);
    const uint64_t sizes[] = {0, 1, 500, 1000, READER_RUN_SIZE};
    for (size_t s = 0; s < 5; s++) {
        SCOPED(heap) struct reader_run *runs = NULL;
        SCOPED(bytes) struct bytes buffer = BYTES_EMPTY;
        size_t count = 0, next = 0;
        assert_int_equal(reader_plan(&reader, sizes[s], NULL, &runs, &count, NULL), B10_REASON_OK);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(runs[i].first, next);
            assert_true(runs[i].count > 0);
            next += runs[i].count;
            assert_int_equal(reader_read(&reader, &runs[i], &buffer, NULL), B10_REASON_OK);
            uint64_t begin = reader.offsets[runs[i].first];
            assert_int_equal(buffer.size, reader.offsets[next] - begin);
            assert_memory_equal(buffer.data, forge.file.data + begin, buffer.size);
            assert_true(buffer.size <= sizes[s] || runs[i].count == 1);
        }
        assert_int_equal(next, forge.frame_count);
    }
    forge_release(&forge);
}

static void a_plan_can_leave_frames_out(void **state)
{
    struct forge forge;
    make(*state, &forge);
    SCOPED(reader) struct reader reader = READER_CLOSED;
    must_open(*state, &reader);
    assert_true(forge.frame_count >= 7);
    unsigned char wanted[64] = {[1] = 1, [2] = 1, [5] = 1};
    SCOPED(heap) struct reader_run *runs = NULL;
    size_t count = 0;
    assert_int_equal(reader_plan(&reader, READER_RUN_SIZE, wanted, &runs, &count, NULL),
                     B10_REASON_OK);
    assert_int_equal(count, 2);
    assert_int_equal(runs[0].first, 1);
    assert_int_equal(runs[0].count, 2);
    assert_int_equal(runs[1].first, 5);
    assert_int_equal(runs[1].count, 1);
    forge_release(&forge);
}

static void the_index_is_read_and_checked(void **state)
{
    struct forge forge;
    make(*state, &forge);
    SCOPED(reader) struct reader reader = READER_CLOSED;
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    must_open(*state, &reader);
    assert_int_equal(reader_index(&reader, &payload, NULL), B10_REASON_OK);
    assert_int_equal(payload.size, forge.manifest.index_size);
    assert_memory_equal(payload.data, forge.file.data + forge.index_offset + SKIPPABLE_HEADER_SIZE,
                        payload.size);
    reader.manifest.index_digest[0] ^= 1;
    assert_int_equal(reader_index(&reader, &payload, NULL), B10_REASON_CORRUPT);
    reader.manifest.index_size = READER_INDEX_LIMIT + 1ULL;
    assert_int_equal(reader_index(&reader, &payload, NULL), B10_REASON_UNSAFE);
    forge_release(&forge);
}

static void large_files_are_found_by_root_and_path(void **state)
{
    struct scratch *scratch = *state;
    struct forge forge;
    forge_init(&forge);
    const char *paths[] = {"inductor/m", "inductor/a", "headers/m", "inductor/z", "headers/b"};
    for (size_t i = 0; i < 5; i++)
        forge_sliced(&forge, paths[i], "content", 7, 512, false);
    forge_save(&forge, scratch_path(scratch, ARCHIVE));
    SCOPED(reader) struct reader reader = READER_CLOSED;
    must_open(scratch, &reader);
    assert_int_equal(reader_find_sliced(&reader, 0, "m"), 0);
    assert_int_equal(reader_find_sliced(&reader, 0, "a"), 1);
    assert_int_equal(reader_find_sliced(&reader, 1, "m"), 2);
    assert_int_equal(reader_find_sliced(&reader, 0, "z"), 3);
    assert_int_equal(reader_find_sliced(&reader, 1, "b"), 4);
    assert_int_equal(reader_find_sliced(&reader, 1, "a"), -1);
    assert_int_equal(reader_find_sliced(&reader, 0, "b"), -1);
    assert_int_equal(reader_find_sliced(&reader, 2, "m"), -1);
    forge_release(&forge);
}

/* Names that do not compress, so that index and manifest each exceed the first read. */
static void a_tail_longer_than_one_read_is_read_whole(void **state)
{
    struct scratch *scratch = *state;
    struct forge forge;
    forge_init(&forge);
    uint64_t random = 88172645463325252ULL;
    for (unsigned i = 0; i < 4000; i++) {
        char name[128];
        int length = snprintf(name, sizeof(name), "inductor/%05u", i);
        for (; length < 80; length++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            name[length] = (char)('a' + random % 26);
        }
        name[length] = '\0';
        if (i % 2 == 0)
            forge_directory(&forge, name);
        else
            forge_file(&forge, name, "x");
    }
    forge_save(&forge, scratch_path(scratch, ARCHIVE));
    assert_true(forge.manifest_offset - forge.index_offset > 70000);
    assert_true(forge.table_offset - forge.manifest_offset > 70000);
    SCOPED(reader) struct reader reader = READER_CLOSED;
    must_open(scratch, &reader);
    assert_int_equal(reader.manifest.totals.directories, 2000);
    forge_release(&forge);
}

static void a_file_replaced_meanwhile_reads_on(void **state)
{
    struct scratch *scratch = *state;
    struct forge forge;
    make(scratch, &forge);
    SCOPED(reader) struct reader reader = READER_CLOSED;
    must_open(scratch, &reader);
    scratch_text(scratch, "other", "something else");
    assert_int_equal(renameat(scratch->fd, "other", scratch->fd, ARCHIVE), 0);
    SCOPED(bytes) struct bytes buffer = BYTES_EMPTY;
    struct reader_run all = {.first = 0, .count = forge.frame_count};
    assert_int_equal(reader_read(&reader, &all, &buffer, NULL), B10_REASON_OK);
    assert_memory_equal(buffer.data, forge.file.data, buffer.size);
    reader_drop_cache(&reader);
    assert_int_equal(reader_read(&reader, &all, &buffer, NULL), B10_REASON_OK);
    forge_release(&forge);
}

static void a_missing_archive_is_absent(void **state)
{
    struct reader reader = READER_CLOSED;
    struct b10_error error = ERROR_NONE;
    assert_int_equal(open_archive(*state, &reader, &error), B10_REASON_ABSENT);
    assert_non_null(strstr(error.message, "shown/name"));
    assert_int_equal(reader.fd, -1);
    reader_close(&reader);
}

static void closing_twice_is_harmless(void **state)
{
    struct forge forge;
    make(*state, &forge);
    struct reader reader = READER_CLOSED;
    size_t descriptors = scratch_open_descriptors();
    reader_close(&reader);
    must_open(*state, &reader);
    reader_close(&reader);
    reader_close(&reader);
    assert_int_equal(scratch_open_descriptors(), descriptors);
    forge_release(&forge);
}

static void a_file_that_shrinks_while_it_is_open_is_io(void **state)
{
    struct scratch *scratch = *state;
    struct forge forge;
    make(scratch, &forge);
    SCOPED(reader) struct reader reader = READER_CLOSED;
    must_open(scratch, &reader);
    assert_int_equal(truncate(scratch_path(scratch, ARCHIVE), 10), 0);
    SCOPED(bytes) struct bytes buffer = BYTES_EMPTY;
    struct reader_run all = {.first = 0, .count = forge.frame_count};
    assert_int_equal(reader_read(&reader, &all, &buffer, NULL), B10_REASON_IO);
    forge_release(&forge);
}

/* From here on pread fails in this process with this errno. */
static void break_pread(int failure)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pread64, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)failure),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(filter) / sizeof(*filter), .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(77);
}

/* How often a process on whose volume pread fails opens the archive; it must end with IO and that
 * errno. */
static size_t opens_with_failing_volume(struct scratch *scratch, int failure)
{
    SCOPED(fd) int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    assert_true(inotify_add_watch(watch, scratch_path(scratch, ARCHIVE), IN_OPEN | IN_CLOSE) >= 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        break_pread(failure);
        struct reader reader = READER_CLOSED;
        struct b10_error error = ERROR_NONE;
        enum b10_reason reason = open_archive(scratch, &reader, &error);
        _exit(reason == B10_REASON_IO && error.sys_errno == failure && reader.fd == -1 ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    size_t opens = 0;
    union {
        struct inotify_event event;
        char room[sizeof(struct inotify_event) + NAME_MAX + 1];
    } next;
    /* The events of a file have no name; one of a kind follows another only where something was in
     * between. */
    while (read(watch, next.room, sizeof(struct inotify_event)) == sizeof(struct inotify_event))
        opens += (next.event.mask & IN_OPEN) != 0;
    return opens;
}

static void a_volume_that_fails_is_io_and_never_corrupt(void **state)
{
    struct forge forge;
    make(*state, &forge);
    assert_int_equal(opens_with_failing_volume(*state, EIO), 1);
    assert_int_equal(opens_with_failing_volume(*state, ENOTCONN), 1);
    forge_release(&forge);
}

static void a_stale_handle_is_opened_once_more(void **state)
{
    struct forge forge;
    make(*state, &forge);
    assert_int_equal(opens_with_failing_volume(*state, ESTALE), 2);
    forge_release(&forge);
}

int main(void)
{
#define READER(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        READER(an_archive_tells_what_is_in_it),
        READER(another_file_under_the_name_is_noticed),
        READER(runs_hold_every_frame_once_and_read_its_bytes),
        READER(a_plan_can_leave_frames_out),
        READER(the_index_is_read_and_checked),
        READER(large_files_are_found_by_root_and_path),
        READER(a_tail_longer_than_one_read_is_read_whole),
        READER(a_file_replaced_meanwhile_reads_on),
        READER(a_missing_archive_is_absent),
        READER(closing_twice_is_harmless),
        READER(a_file_that_shrinks_while_it_is_open_is_io),
        READER(a_volume_that_fails_is_io_and_never_corrupt),
        READER(a_stale_handle_is_opened_once_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
