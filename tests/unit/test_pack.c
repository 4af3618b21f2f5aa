#include "archive/pack.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guard.h"
#include "support/packing.h"

enum { MEGABYTE = 1 << 20 };

/* What the disk looks like when pack begins can be changed then: its phase is announced first. */
struct disturbance {
    const struct scratch *scratch;
    void (*disturb)(const struct scratch *scratch);
    int answer;
};

static int on_progress(void *user, const b10_progress *now)
{
    const struct disturbance *disturbance = user;
    if (strcmp(now->phase, "pack") != 0)
        return 0;
    if (disturbance->disturb != NULL && now->files_done == 0)
        disturbance->disturb(disturbance->scratch);
    return disturbance->answer;
}

/* Scratch directory r as root "inductor". */
static void scan(struct packing_case *test, const struct scratch *scratch)
{
    packing_init(test);
    packing_root(test, scratch_path(scratch, "r"), "inductor");
}

static void pack_to(struct packing_case *test, const struct scratch *scratch, const char *name)
{
    packing_file(test, scratch_path(scratch, name));
    packing_assert_intact(scratch_path(scratch, name));
}

static void pack_disturbed(struct packing_case *test, const struct scratch *scratch,
                           void (*disturb)(const struct scratch *scratch))
{
    struct disturbance disturbance = {.scratch = scratch, .disturb = disturb};
    struct progress progress = {.fn = on_progress, .user = &disturbance};
    scan(test, scratch);
    test->threads = 1; /* the callback is then called again only between tasks */
    test->progress = &progress;
    pack_to(test, scratch, "a");
}

static bool has(const struct scratch *scratch, const char *member)
{
    return packing_find_line(scratch_path(scratch, "a"), member, NULL, NULL);
}

static enum entry_type type_in(const struct scratch *scratch, const char *member, char *target)
{
    struct index_line line = {0};
    if (!packing_find_line(scratch_path(scratch, "a"), member, &line, target))
        fail_msg("'%s' is not in the archive", member);
    return line.entry.type;
}

static void assert_link(const struct scratch *scratch, const char *member, const char *original)
{
    char target[PATH_LIMIT + 1];
    if (!packing_find_line(scratch_path(scratch, "a"), member, NULL, NULL))
        fail_msg("'%s' is not in the archive", member);
    assert_int_equal(type_in(scratch, member, NULL), ENTRY_HARDLINK);
    assert_int_equal(type_in(scratch, member, target), ENTRY_HARDLINK);
    assert_string_equal(target, original);
}

static void assert_own(const struct scratch *scratch, const char *member)
{
    assert_int_equal(type_in(scratch, member, NULL), ENTRY_FILE);
}

static void assert_left_out(const struct packing_case *test, uint64_t changed, uint64_t torn,
                            uint64_t unsafe)
{
    assert_int_equal(test->counts.left_out_changed, changed);
    assert_int_equal(test->counts.left_out_torn, torn);
    assert_int_equal(test->counts.left_out_unsafe, unsafe);
}

/* ---- the promise ---- */

static void plant_a_bit_of_everything(const struct scratch *scratch)
{
    char path[64];
    for (int i = 0; i < 300; i++) {
        snprintf(path, sizeof(path), "r/d%d/f%d", i % 7, i);
        scratch_random(scratch, path, (size_t)(i * 131) % 30000, (uint32_t)i);
    }
    scratch_random(scratch, "r/copy", 20000, 77);
    scratch_random(scratch, "r/d3/copy", 20000, 77);
    scratch_random(scratch, "r/large", 5 * MEGABYTE + 13, 5);
    scratch_random(scratch, "r/large copy", 5 * MEGABYTE + 13, 5);
    scratch_random(scratch, "r/exactly", MEGABYTE, 6);
    scratch_text(scratch, "r/empty", "");
    scratch_mkdir(scratch, "r/nothing in it");
    assert_int_equal(chmod(scratch_path(scratch, "r/d3/copy"), 0755), 0);
    assert_int_equal(symlink("../copy", scratch_path(scratch, "r/d1/link")), 0);
}

static void everything_is_packed_and_counted(void **state)
{
    const struct scratch *scratch = *state;
    struct packing_case test;
    plant_a_bit_of_everything(scratch);
    scan(&test, scratch);
    pack_to(&test, scratch, "a");
    const struct manifest_totals *totals = &test.manifest.totals;
    assert_int_equal(totals->files, 306);
    assert_int_equal(totals->duplicates, 2);
    assert_int_equal(totals->symlinks, 1);
    assert_int_equal(totals->directories, 8);
    assert_int_equal(totals->bytes, test.tree.bytes);
    uint64_t blocks = totals->directories;
    for (size_t i = 0; i < test.tree.item_count; i++) {
        const struct tree_item *item = &test.tree.items[i];
        if (item->type == ENTRY_FILE)
            blocks += item->size == 0 ? 1 : (item->size + 4095) / 4096;
    }
    assert_int_equal(totals->disk_bytes, blocks * 4096);
    assert_int_equal(test.manifest.sliced_count, 1);
    assert_left_out(&test, 0, 0, 0);
    packing_release(&test);
}

static void assert_same_frames(const struct manifest *a, const struct manifest *b)
{
    assert_int_equal(a->frame_count, b->frame_count);
    for (size_t i = 0; i < a->frame_count; i++) {
        assert_int_equal(a->frames[i].kind, b->frames[i].kind);
        assert_memory_equal(a->frames[i].digest, b->frames[i].digest, DIGEST_SIZE);
    }
}

static void the_same_tree_makes_the_same_frames_with_any_number_of_threads(void **state)
{
    const struct scratch *scratch = *state;
    const unsigned threads[] = {1, 2, 8, 0};
    struct packing_case first;
    plant_a_bit_of_everything(scratch);
    scan(&first, scratch);
    pack_to(&first, scratch, "a");
    for (size_t i = 0; i < sizeof(threads) / sizeof(*threads); i++) {
        struct packing_case again;
        scan(&again, scratch);
        again.threads = threads[i];
        pack_to(&again, scratch, "b");
        assert_same_frames(&first.manifest, &again.manifest);
        packing_release(&again);
    }
    packing_release(&first);
}

static void touching_a_directory_changes_no_frame(void **state)
{
    const struct scratch *scratch = *state;
    struct packing_case first;
    struct packing_case again;
    plant_a_bit_of_everything(scratch);
    scan(&first, scratch);
    pack_to(&first, scratch, "a");
    scratch_text(scratch, "r/d1/lock", "");
    assert_int_equal(unlink(scratch_path(scratch, "r/d1/lock")), 0);
    scan(&again, scratch);
    pack_to(&again, scratch, "b");
    assert_same_frames(&first.manifest, &again.manifest);
    packing_release(&first);
    packing_release(&again);
}

static void frames_are_about_a_megabyte(void **state)
{
    const struct scratch *scratch = *state;
    struct packing_case test;
    plant_a_bit_of_everything(scratch);
    scan(&test, scratch);
    pack_to(&test, scratch, "a");
    for (size_t i = 0; i < test.manifest.frame_count; i++)
        assert_true(test.manifest.frames[i].content_size <= FRAME_TARGET_SIZE + 64 * 1024);
    packing_release(&test);
}

static void directories_are_listed_sorted_with_parents_first(void **state)
{
    const struct scratch *scratch = *state;
    struct packing_case test;
    scratch_mkdir(scratch, "r/a/x");
    scratch_mkdir(scratch, "r/a-b");
    scratch_mkdir(scratch, "r/b");
    scan(&test, scratch);
    pack_to(&test, scratch, "a");
    const struct manifest_root *root = &test.manifest.roots[0];
    const char *expected[] = {"a", "a/x", "a-b", "b"};
    assert_int_equal(root->directory_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(root->directories[i], expected[i]);
    packing_release(&test);
}

static void each_root_has_its_own_members(void **state)
{
    const struct scratch *scratch = *state;
    struct packing_case test;
    struct index_line line = {0};
    scratch_text(scratch, "r/one", "same");
    scratch_text(scratch, "s/sub/two", "same");
    packing_init(&test);
    packing_root(&test, scratch_path(scratch, "r"), "inductor");
    packing_root(&test, scratch_path(scratch, "s"), "headers");
    pack_to(&test, scratch, "a");
    assert_true(packing_find_line(scratch_path(scratch, "a"), "sub/two", &line, NULL));
    assert_int_equal(line.root, 1);
    assert_int_equal(line.entry.type, ENTRY_FILE);
    assert_int_equal(test.manifest.roots[0].directory_count, 0);
    assert_int_equal(test.manifest.roots[1].directory_count, 1);
    packing_release(&test);
}

static void an_empty_tree_is_an_archive_of_its_end_alone(void **state)
{
    const struct scratch *scratch = *state;
    struct packing_case test;
    scratch_mkdir(scratch, "r");
    scan(&test, scratch);
    packing_file(&test, scratch_path(scratch, "a"));
    assert_int_equal(test.manifest.frame_count, 1);
    packing_release(&test);
}

static void host_code_is_counted(void **state)
{
    const struct scratch *scratch = *state;
    static char header[2 * MEGABYTE];
    struct packing_case test;
    scratch_write(scratch, "r/a.gch", header, sizeof(header));
    scratch_write(scratch, "r/b.gch", header, sizeof(header));
    scratch_write(scratch, "r/c.gch", header, 100);
    scratch_write(scratch, "r/d.txt", header, 100);
    scratch_write(scratch, "r/e.gch", header, 100);
    scan(&test, scratch);
    pack_to(&test, scratch, "a");
    assert_int_equal(test.manifest.totals.host_code, 4);
    assert_int_equal(test.manifest.totals.duplicates, 3);
    packing_release(&test);
}

static void tritons_launchers_do_not_count_as_host_code(void **state)
{
    static const char entry[] = "GQ5J2VYIXVSCQKTTFE3ZBX2XVTZWEGO6ZLUFV5Z6YJ7MPXVDK6FQ";
    const struct scratch *scratch = *state;
    static char object[2 * MEGABYTE] = "\177ELF\2\1\1";
    char name[128];
    struct packing_case test;
    scratch_write(scratch, "r/triton/kernel.so", object, 200);
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof(name), "r/triton/%.51s%c/cuda_utils.so", entry, 'A' + i);
        scratch_write(scratch, name, object, 300); /* one, and its duplicate */
        snprintf(name, sizeof(name), "r/triton/%.51s%c/__triton_launcher.so", entry, 'C' + i);
        scratch_write(scratch, name, object, sizeof(object));
    }
    scan(&test, scratch);
    pack_to(&test, scratch, "a");
    assert_int_equal(test.manifest.totals.host_code, 1);
    assert_int_equal(test.manifest.totals.files, 5);
    assert_int_equal(test.manifest.totals.duplicates, 2);
    packing_release(&test);
}

/* ---- duplicates ---- */

static void a_duplicate_keeps_its_own_mtime_and_mode(void **state)
{
    const struct scratch *scratch = *state;
    const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1234567890, .tv_nsec = 987654321}};
    struct index_line line = {0};
    struct packing_case test;
    scratch_text(scratch, "r/a", "content");
    scratch_text(scratch, "r/b", "content");
    assert_int_equal(chmod(scratch_path(scratch, "r/b"), 0700), 0);
    assert_int_equal(utimensat(scratch->fd, "r/b", times, 0), 0);
    scan(&test, scratch);
    pack_to(&test, scratch, "a");
    assert_link(scratch, "b", "a");
    assert_true(packing_find_line(scratch_path(scratch, "a"), "b", &line, NULL));
    assert_int_equal(line.entry.mtime_s, 1234567890);
    assert_int_equal(line.entry.mtime_ns, 987654321);
    assert_true(line.entry.executable);
    packing_release(&test);
}

static void propose(struct packing_case *test, const char *duplicate, const char *original)
{
    test->skip_same = true;
    test->tree.items[packing_item(test, duplicate)].original = packing_item(test, original);
}

static void what_only_looks_equal_is_stored_itself(void **state)
{
    const struct scratch *scratch = *state;
    struct packing_case test;
    scratch_text(scratch, "r/a", "content");
    scratch_text(scratch, "r/b", "c0ntent");
    scratch_text(scratch, "r/c", "content");
    scan(&test, scratch);
    propose(&test, "b", "a");
    propose(&test, "c", "a");
    pack_to(&test, scratch, "a");
    assert_own(scratch, "b");
    assert_link(scratch, "c", "a");
    assert_left_out(&test, 0, 0, 0);
    packing_release(&test);
}

static void large_files_that_only_look_equal_are_stored_themselves(void **state)
{
    const struct scratch *scratch = *state;
    struct packing_case test;
    scratch_random(scratch, "r/a", 3 * MEGABYTE, 1);
    scratch_random(scratch, "r/b", 3 * MEGABYTE, 2);
    scratch_random(scratch, "r/c", 3 * MEGABYTE, 1);
    scratch_random(scratch, "r/d", 3 * MEGABYTE, 2);
    scratch_random(scratch, "r/e", 3 * MEGABYTE, 3);
    scan(&test, scratch);
    propose(&test, "b", "a");
    propose(&test, "c", "a");
    propose(&test, "d", "a");
    propose(&test, "e", "a");
    pack_to(&test, scratch, "a");
    assert_own(scratch, "b");
    assert_link(scratch, "c", "a");
    assert_link(scratch, "d", "b");
    assert_own(scratch, "e");
    assert_int_equal(test.manifest.totals.duplicates, 2);
    assert_int_equal(test.manifest.totals.files, 5);
    packing_release(&test);
}

static void many_that_only_look_equal_need_more_than_one_frame(void **state)
{
    const struct scratch *scratch = *state;
    enum { COUNT = 12 };
    struct packing_case test;
    char path[16];
    for (int i = 0; i < COUNT; i++) {
        snprintf(path, sizeof(path), "r/%02d", i);
        scratch_random(scratch, path, MEGABYTE, (uint32_t)i + 1);
    }
    scan(&test, scratch);
    for (int i = 1; i < COUNT; i++) {
        snprintf(path, sizeof(path), "%02d", i);
        propose(&test, path, "00");
    }
    pack_to(&test, scratch, "a");
    assert_int_equal(test.manifest.totals.files, COUNT);
    assert_int_equal(test.manifest.frame_count, 3);
    packing_release(&test);
}

static void thousands_of_links_fill_frames_within_the_limit(void **state)
{
    const struct scratch *scratch = *state;
    struct packing_case test;
    char path[32];
    for (int i = 0; i < 3000; i++) {
        snprintf(path, sizeof(path), "r/%04d", i);
        scratch_text(scratch, path, "the same");
    }
    scan(&test, scratch);
    pack_to(&test, scratch, "a");
    assert_int_equal(test.manifest.totals.files, 3000);
    assert_int_equal(test.manifest.frame_count, 3);
    assert_int_equal(test.manifest.totals.duplicates, 2998);
    for (size_t i = 0; i < test.manifest.frame_count; i++)
        assert_true(test.manifest.frames[i].content_size <= FRAME_LINKS_SIZE);
    packing_release(&test);
}

static void links_to_a_large_file_fill_as_many_frames_as_they_need(void **state)
{
    const struct scratch *scratch = *state;
    enum { COUNT = 1500 };
    static char zeros[MEGABYTE + 1];
    struct packing_case test;
    char path[32];
    scratch_write(scratch, "r/0", zeros, sizeof(zeros));
    for (int i = 0; i < COUNT; i++) {
        snprintf(path, sizeof(path), "r/x%04d", i);
        scratch_text(scratch, path, "");
        assert_int_equal(truncate(scratch_path(scratch, path), sizeof(zeros)), 0);
    }
    scan(&test, scratch);
    pack_to(&test, scratch, "a");
    assert_int_equal(test.manifest.totals.duplicates, COUNT);
    assert_true(test.manifest.frame_count >= 7); /* header, 2 slices, ≥ 3 of links, end */
    assert_link(scratch, "x0000", "0");
    assert_link(scratch, "x1499", "0");
    packing_release(&test);
}

/* ---- what changes meanwhile ---- */

static void remove_the_original(const struct scratch *scratch)
{
    assert_int_equal(unlink(scratch_path(scratch, "r/a")), 0);
}

static void the_first_duplicate_takes_the_place_of_a_vanished_original(void **state)
{
    const struct scratch *scratch = *state;
    struct packing_case test;
    scratch_text(scratch, "r/a", "content");
    scratch_text(scratch, "r/b", "content");
    scratch_text(scratch, "r/c", "content");
    pack_disturbed(&test, scratch, remove_the_original);
    assert_false(has(scratch, "a"));
    assert_own(scratch, "b");
    assert_link(scratch, "c", "b");
    assert_left_out(&test, 1, 0, 0);
    packing_release(&test);
}

static void the_same_holds_for_large_files(void **state)
{
    const struct scratch *scratch = *state;
    struct packing_case test;
    scratch_random(scratch, "r/a", 3 * MEGABYTE, 1);
    scratch_random(scratch, "r/b", 3 * MEGABYTE, 1);
    scratch_random(scratch, "r/c", 3 * MEGABYTE, 1);
    pack_disturbed(&test, scratch, remove_the_original);
    assert_false(has(scratch, "a"));
    assert_own(scratch, "b");
    assert_link(scratch, "c", "b");
    assert_left_out(&test, 1, 0, 0);
    assert_int_equal(test.manifest.sliced_count, 1);
    packing_release(&test);
}

static void rewrite(const struct scratch *scratch, const char *path, const char *content, int flags)
{
    SCOPED(fd) int fd = openat(scratch->fd, path, O_WRONLY | O_CLOEXEC | flags);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
}

static void disturb_in_every_way(const struct scratch *scratch)
{
    assert_int_equal(unlinkat(scratch->fd, "r/vanished", 0), 0);
    rewrite(scratch, "r/grown", "more", O_APPEND);
    assert_int_equal(truncate(scratch_path(scratch, "r/shrunk"), 3), 0);
    rewrite(scratch, "r/rewritten", "another", 0);
    assert_int_equal(unlinkat(scratch->fd, "r/replaced", 0), 0);
    scratch_text(scratch, "r/replaced", "content");
    assert_int_equal(unlinkat(scratch->fd, "r/fifo", 0), 0);
    assert_int_equal(mkfifoat(scratch->fd, "r/fifo", 0666), 0);
    assert_int_equal(unlinkat(scratch->fd, "r/link", 0), 0);
    assert_int_equal(symlinkat("kept", scratch->fd, "r/link"), 0);
    assert_int_equal(renameat(scratch->fd, "r/moved", scratch->fd, "r/elsewhere"), 0);
    assert_int_equal(symlinkat("elsewhere", scratch->fd, "r/moved"), 0);
    assert_int_equal(unlinkat(scratch->fd, "r/relinked", 0), 0);
    assert_int_equal(symlinkat("vanished", scratch->fd, "r/relinked"), 0);
}

static void what_changed_since_the_scan_is_left_out_and_counted(void **state)
{
    const struct scratch *scratch = *state;
    const char *files[] = {"vanished", "grown", "shrunk",       "rewritten", "replaced",
                           "fifo",     "link",  "moved/inside", "kept"};
    struct packing_case test;
    char path[32];
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        snprintf(path, sizeof(path), "r/%s", files[i]);
        scratch_text(scratch, path, "content");
    }
    assert_int_equal(symlinkat("kept", scratch->fd, "r/relinked"), 0);
    pack_disturbed(&test, scratch, disturb_in_every_way);
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        assert_int_equal(has(scratch, files[i]), strcmp(files[i], "kept") == 0);
    assert_false(has(scratch, "relinked"));
    assert_left_out(&test, 9, 0, 0);
    assert_int_equal(test.manifest.totals.files, 1);
    assert_int_equal(test.manifest.totals.bytes, 7);
    packing_release(&test);
}

static void change_both_large_files(const struct scratch *scratch)
{
    assert_int_equal(truncate(scratch_path(scratch, "r/a"), MEGABYTE), 0);
    assert_int_equal(unlinkat(scratch->fd, "r/b", 0), 0);
}

static void large_files_that_changed_before_they_were_begun_leave_no_trace(void **state)
{
    const struct scratch *scratch = *state;
    struct packing_case test;
    scratch_random(scratch, "r/a", 3 * MEGABYTE, 1);
    scratch_random(scratch, "r/b", 3 * MEGABYTE, 2);
    pack_disturbed(&test, scratch, change_both_large_files);
    assert_int_equal(test.manifest.frame_count, 1);
    assert_int_equal(test.manifest.sliced_count, 0);
    assert_left_out(&test, 2, 0, 0);
    packing_release(&test);
}

/* A pipe nobody reads holds the writer up, so a large file can be changed when its first slices are
 * on their way and its last ones are not read yet: at most the window, the workers and one megabyte
 * are ahead. */
struct slow_volume {
    struct packing_case *test;
    int in;
    enum b10_reason reason;
    struct b10_error error;
};

static void *pack_into_pipe(void *argument)
{
    struct slow_volume *volume = argument;
    volume->reason = packing_write(volume->test, volume->in, &volume->error);
    close(volume->in);
    return NULL;
}

static void copy_some(int from, int to, size_t most)
{
    static char buffer[64 * 1024];
    ssize_t got = 1;
    for (size_t done = 0; done < most && got > 0; done += (size_t)got) {
        got = read(from, buffer, sizeof(buffer));
        assert_true(got >= 0);
        assert_int_equal(write(to, buffer, (size_t)got), got);
    }
}

static void pack_slowly(struct packing_case *test, const struct scratch *scratch,
                        void (*disturb)(const struct scratch *scratch))
{
    struct slow_volume volume = {.test = test, .error = ERROR_NONE};
    int pipes[2];
    pthread_t thread;
    scan(test, scratch);
    test->threads = 2;
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    volume.in = pipes[1];
    SCOPED(fd) int file = openat(scratch->fd, "a", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    assert_int_equal(pthread_create(&thread, NULL, pack_into_pipe, &volume), 0);
    copy_some(pipes[0], file, 2 * MEGABYTE);
    disturb(scratch);
    copy_some(pipes[0], file, SIZE_MAX);
    pthread_join(thread, NULL);
    close(pipes[0]);
    if (volume.reason != B10_REASON_OK)
        fail_msg("%s", volume.error.message);
    packing_assert_intact(scratch_path(scratch, "a"));
}

static void change_the_end(const struct scratch *scratch)
{
    SCOPED(fd) int fd = openat(scratch->fd, "r/a", O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "changed", 7, 24 * MEGABYTE - 7), 7);
}

static void shorten(const struct scratch *scratch)
{
    assert_int_equal(truncate(scratch_path(scratch, "r/a"), 5 * MEGABYTE), 0);
}

static void a_large_file_changed_half_way_is_void(void **state)
{
    const struct scratch *scratch = *state;
    void (*const disturb[])(const struct scratch *) = {change_the_end, shorten};
    for (size_t i = 0; i < 2; i++) {
        struct packing_case test;
        struct index_line line = {0};
        scratch_random(scratch, "r/a", 24 * MEGABYTE, 1);
        scratch_text(scratch, "r/b", "whole");
        pack_slowly(&test, scratch, disturb[i]);
        assert_int_equal(test.manifest.sliced_count, 1);
        assert_true(test.manifest.sliced[0].is_void);
        assert_true(packing_find_line(scratch_path(scratch, "a"), "a", &line, NULL));
        assert_true(line.is_void);
        assert_own(scratch, "b");
        assert_int_equal(test.manifest.totals.files, 1);
        assert_int_equal(test.manifest.totals.bytes, 5);
        assert_left_out(&test, 1, 0, 0);
        packing_release(&test);
    }
}

static void duplicates_of_a_void_file_are_packed_after_it(void **state)
{
    const struct scratch *scratch = *state;
    struct packing_case test;
    scratch_random(scratch, "r/a", 24 * MEGABYTE, 1);
    scratch_random(scratch, "r/b", 24 * MEGABYTE, 1);
    scratch_random(scratch, "r/c", 24 * MEGABYTE, 1);
    pack_slowly(&test, scratch, change_the_end);
    assert_int_equal(test.manifest.sliced_count, 2);
    assert_true(test.manifest.sliced[0].is_void);
    assert_false(test.manifest.sliced[1].is_void);
    assert_own(scratch, "b");
    assert_link(scratch, "c", "b");
    assert_int_equal(test.manifest.totals.files, 2);
    assert_left_out(&test, 1, 0, 0);
    packing_release(&test);
}

static void change_the_duplicate(const struct scratch *scratch)
{
    rewrite(scratch, "r/b", "changed", 0);
}

static void a_duplicate_changed_half_way_is_left_out(void **state)
{
    const struct scratch *scratch = *state;
    struct packing_case test;
    scratch_random(scratch, "r/a", 24 * MEGABYTE, 1);
    scratch_random(scratch, "r/b", 24 * MEGABYTE, 1);
    scratch_random(scratch, "r/c", 24 * MEGABYTE, 1);
    pack_slowly(&test, scratch, change_the_duplicate);
    assert_own(scratch, "a");
    assert_false(has(scratch, "b"));
    assert_link(scratch, "c", "a");
    assert_left_out(&test, 1, 0, 0);
    packing_release(&test);
}

/* ---- what is torn or unsafe ---- */

static void torn_files_are_left_out_small_and_large(void **state)
{
    const struct scratch *scratch = *state;
    SCOPED(heap) char *large = malloc(2 * MEGABYTE);
    struct packing_case test;
    assert_non_null(large);
    memset(large, ' ', 2 * MEGABYTE);
    large[0] = '{';
    scratch_text(scratch, "r/a.json", "{\"x\": [1, 2");
    scratch_text(scratch, "r/b.json", "{\"x\": [1, 2");
    scratch_text(scratch, "r/empty.json", "");
    scratch_text(scratch, "r/whole.json", "{}");
    scratch_text(scratch, "r/whole.txt", "{\"x\": [1, 2");
    scratch_write(scratch, "r/large1.json", large, 2 * MEGABYTE);
    scratch_write(scratch, "r/large2.json", large, 2 * MEGABYTE);
    scratch_write(scratch, "r/large.txt", large, 2 * MEGABYTE);
    scan(&test, scratch);
    pack_to(&test, scratch, "a");
    assert_left_out(&test, 0, 5, 0);
    assert_int_equal(test.manifest.totals.files, 3);
    assert_own(scratch, "whole.json");
    assert_own(scratch, "whole.txt");
    assert_own(scratch, "large.txt");
    packing_release(&test);
}

static void links_out_of_the_root_are_left_out_and_those_inside_made_relative(void **state)
{
    const struct scratch *scratch = *state;
    struct packing_case test;
    char target[PATH_LIMIT + 1];
    scratch_text(scratch, "r/d/file", "x");
    scratch_text(scratch, "outside", "x");
    assert_int_equal(symlinkat("../outside", scratch->fd, "r/out"), 0);
    assert_int_equal(symlinkat("/etc/passwd", scratch->fd, "r/etc"), 0);
    assert_int_equal(symlinkat(scratch_path(scratch, "r/d/file"), scratch->fd, "r/d/absolute"), 0);
    assert_int_equal(symlinkat("d/nowhere", scratch->fd, "r/dangling"), 0);
    scan(&test, scratch);
    pack_to(&test, scratch, "a");
    assert_left_out(&test, 0, 0, 2);
    assert_int_equal(type_in(scratch, "d/absolute", target), ENTRY_SYMLINK);
    assert_string_equal(target, "../d/file");
    assert_int_equal(type_in(scratch, "dangling", target), ENTRY_SYMLINK);
    assert_string_equal(target, "d/nowhere");
    packing_release(&test);
}

static void a_path_no_archive_may_hold_is_left_out(void **state)
{
    const struct scratch *scratch = *state;
    char deep[4096] = "r";
    struct packing_case test;
    for (int i = 0; i < 256; i++)
        strcat(deep, "/d");
    scratch_mkdir(scratch, deep);
    strcat(deep, "/f");
    scratch_text(scratch, "r/f", "x");
    scratch_random(scratch, deep, 2 * MEGABYTE, 1);
    scan(&test, scratch);
    pack_to(&test, scratch, "a");
    assert_int_equal(test.manifest.totals.files, 1);
    assert_int_equal(test.manifest.totals.directories, 255);
    assert_left_out(&test, 0, 0, 2);
    packing_release(&test);
}

/* ---- failure ---- */

static void assert_fails(struct packing_case *test, const struct scratch *scratch,
                         enum b10_reason expected)
{
    struct b10_error error = ERROR_NONE;
    SCOPED(fd) int fd = openat(scratch->fd, "a", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    assert_int_equal(packing_write(test, fd, &error), expected);
    assert_true(error.message[0] != '\0');
}

static void a_limit_passed_ends_it_and_nothing_stays_open(void **state)
{
    const struct scratch *scratch = *state;
    const size_t before = scratch_open_descriptors();
    for (unsigned threads = 1; threads <= 8; threads += 7) {
        struct packing_case test;
        scratch_random(scratch, "r/large", 9 * MEGABYTE, 1);
        scratch_random(scratch, "r/large copy", 9 * MEGABYTE, 1);
        scratch_random(scratch, "r/small", 90000, 1);
        scan(&test, scratch);
        test.threads = threads;
        test.size_limit = 4 * MEGABYTE;
        assert_fails(&test, scratch, B10_REASON_TOO_LARGE);
        packing_release(&test);
    }
    assert_int_equal(scratch_open_descriptors(), before);
}

static void the_callback_can_stop_it(void **state)
{
    const struct scratch *scratch = *state;
    struct disturbance disturbance = {.scratch = scratch, .answer = 1};
    struct progress progress = {.fn = on_progress, .user = &disturbance};
    struct packing_case test;
    scratch_text(scratch, "r/a", "content");
    scan(&test, scratch);
    test.progress = &progress;
    assert_fails(&test, scratch, B10_REASON_CANCELLED);
    packing_release(&test);
}

static void a_manifest_with_other_roots_is_a_bug(void **state)
{
    const struct scratch *scratch = *state;
    struct packing_case test;
    scratch_text(scratch, "r/a", "content");
    scan(&test, scratch);
    test.manifest.root_count = 0;
    assert_fails(&test, scratch, B10_REASON_INTERNAL);
    test.manifest.root_count = 1;
    packing_release(&test);
}

static void progress_reaches_its_total(void **state)
{
    const struct scratch *scratch = *state;
    struct progress progress = {0};
    struct packing_case test;
    plant_a_bit_of_everything(scratch);
    scratch_text(scratch, "r/torn.json", "{");
    scan(&test, scratch);
    test.progress = &progress;
    pack_to(&test, scratch, "a");
    assert_int_equal(progress.bytes_done, progress.bytes_total);
    assert_int_equal(progress.files_done, progress.files_total);
    assert_int_equal(progress.bytes_total, test.tree.bytes);
    packing_release(&test);
}

/* ---- race ---- */

struct vandal {
    const struct scratch *scratch;
    atomic_bool stop;
};

/* Replaces, rewrites and cuts files as fast as it can. */
static void *rewrite_files(void *argument)
{
    struct vandal *vandal = argument;
    char path[32];
    for (unsigned i = 1; !atomic_load(&vandal->stop); i = i * 1103515245 + 12345) {
        snprintf(path, sizeof(path), "r/%02u", i >> 16 & 31);
        if (i >> 22 & 1)
            unlinkat(vandal->scratch->fd, path, 0);
        int fd = openat(vandal->scratch->fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
        if (ftruncate(fd, (i >> 16 & 31) * 70000) != 0 || pwrite(fd, &i, sizeof(i), i & 4095) < 0)
            atomic_store(&vandal->stop, true);
        close(fd);
    }
    return NULL;
}

static void whatever_happens_to_the_files_the_archive_is_whole(void **state)
{
    const struct scratch *scratch = *state;
    struct vandal vandal = {.scratch = scratch};
    pthread_t thread;
    char path[32];
    for (unsigned i = 0; i < 32; i++) {
        snprintf(path, sizeof(path), "r/%02u", i);
        scratch_random(scratch, path, i * 70000, i % 5);
    }
    assert_int_equal(pthread_create(&thread, NULL, rewrite_files, &vandal), 0);
    for (unsigned round = 0; round < 20; round++) {
        struct packing_case test;
        scan(&test, scratch);
        test.threads = 1 + round % 8;
        pack_to(&test, scratch, "a");
        assert_int_equal(test.manifest.totals.files + test.counts.left_out_changed,
                         test.tree.files);
        packing_release(&test);
    }
    assert_false(atomic_exchange(&vandal.stop, true)); /* it did not have to give up */
    pthread_join(thread, NULL);
}

#define SCRATCH_TEST(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(everything_is_packed_and_counted),
        SCRATCH_TEST(the_same_tree_makes_the_same_frames_with_any_number_of_threads),
        SCRATCH_TEST(touching_a_directory_changes_no_frame),
        SCRATCH_TEST(frames_are_about_a_megabyte),
        SCRATCH_TEST(directories_are_listed_sorted_with_parents_first),
        SCRATCH_TEST(each_root_has_its_own_members),
        SCRATCH_TEST(an_empty_tree_is_an_archive_of_its_end_alone),
        SCRATCH_TEST(host_code_is_counted),
        SCRATCH_TEST(tritons_launchers_do_not_count_as_host_code),
        SCRATCH_TEST(a_duplicate_keeps_its_own_mtime_and_mode),
        SCRATCH_TEST(what_only_looks_equal_is_stored_itself),
        SCRATCH_TEST(large_files_that_only_look_equal_are_stored_themselves),
        SCRATCH_TEST(many_that_only_look_equal_need_more_than_one_frame),
        SCRATCH_TEST(thousands_of_links_fill_frames_within_the_limit),
        SCRATCH_TEST(links_to_a_large_file_fill_as_many_frames_as_they_need),
        SCRATCH_TEST(the_first_duplicate_takes_the_place_of_a_vanished_original),
        SCRATCH_TEST(the_same_holds_for_large_files),
        SCRATCH_TEST(what_changed_since_the_scan_is_left_out_and_counted),
        SCRATCH_TEST(large_files_that_changed_before_they_were_begun_leave_no_trace),
        SCRATCH_TEST(a_large_file_changed_half_way_is_void),
        SCRATCH_TEST(duplicates_of_a_void_file_are_packed_after_it),
        SCRATCH_TEST(a_duplicate_changed_half_way_is_left_out),
        SCRATCH_TEST(torn_files_are_left_out_small_and_large),
        SCRATCH_TEST(links_out_of_the_root_are_left_out_and_those_inside_made_relative),
        SCRATCH_TEST(a_path_no_archive_may_hold_is_left_out),
        SCRATCH_TEST(a_limit_passed_ends_it_and_nothing_stays_open),
        SCRATCH_TEST(the_callback_can_stop_it),
        SCRATCH_TEST(a_manifest_with_other_roots_is_a_bug),
        SCRATCH_TEST(progress_reaches_its_total),
        SCRATCH_TEST(whatever_happens_to_the_files_the_archive_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
