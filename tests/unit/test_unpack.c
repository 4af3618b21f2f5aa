#include "archive/unpack.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/forge.h"
#include "support/stop.h"

enum { LARGE = 10000, SLICE = 4096 };

/* What one unpacking was given and came to. */
struct run {
    unsigned threads;
    bool without_headers; /* no destination for root "headers" */
    b10_progress_fn progress;
    void *user;
    const struct unpack_filter *filter;
    struct unpack_counts counts;
    struct b10_error error;
};

static enum b10_reason unpack_file(struct scratch *scratch, const char *stage, struct run *run)
{
    SCOPED(reader) struct reader reader = READER_CLOSED;
    char path[300];
    int fds[2] = {-1, -1};
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/%s", stage, i == 0 ? "inductor" : "headers");
        scratch_mkdir(scratch, path);
        fds[i] = openat(scratch->fd, path, O_PATH | O_CLOEXEC);
        assert_true(fds[i] >= 0);
    }
    const int given[] = {fds[0], run->without_headers ? -1 : fds[1]};
    run->error = (struct b10_error)ERROR_NONE;
    struct cancel cancel = CANCEL_CLEAR;
    struct progress progress = {.fn = run->progress, .user = run->user};
    enum b10_reason reason = reader_open(&reader, scratch->fd, "a", "the.archive", &run->error);
    if (reason == B10_REASON_OK)
        reason = unpack(&reader, given, run->filter, run->threads, &cancel, &progress, &run->counts,
                        &run->error);
    close(fds[0]);
    close(fds[1]);
    return reason;
}

static void must_unpack(struct scratch *scratch, const char *stage, struct run *run)
{
    if (unpack_file(scratch, stage, run) != B10_REASON_OK)
        fail_msg("%s", run->error.message);
}

static void save(struct scratch *scratch, struct forge *forge)
{
    forge_save(forge, scratch_path(scratch, "a"));
    forge_release(forge);
}

static void save_sample(struct scratch *scratch)
{
    struct forge forge;
    forge_init(&forge);
    forge_sample(&forge, LARGE);
    save(scratch, &forge);
}

static void the_tree_comes_back_whatever_the_number_of_threads(void **state)
{
    struct scratch *scratch = *state;
    save_sample(scratch);
    forge_tree(scratch, "expected", LARGE);
    size_t descriptors = scratch_open_descriptors();
    const unsigned threads[] = {0, 1, 2, 8, 64, 1000};
    for (size_t i = 0; i < sizeof(threads) / sizeof(*threads); i++) {
        struct run run = {.threads = threads[i]};
        char stage[32];
        snprintf(stage, sizeof(stage), "stage%u", threads[i]);
        must_unpack(scratch, stage, &run);
        scratch_assert_same_tree(scratch_path(scratch, "expected"), scratch_path(scratch, stage));
        assert_int_equal(run.counts.files, 9);
        assert_int_equal(run.counts.directories, 2);
        assert_int_equal(run.counts.duplicates, 3);
        assert_int_equal(run.counts.bytes, 3 * 15 + 9 + 12 + 2 * LARGE);
    }
    assert_int_equal(scratch_open_descriptors(), descriptors);
}

static void duplicates_are_files_of_their_own(void **state)
{
    struct scratch *scratch = *state;
    const char *paths[] = {"s/inductor/ab/code.py", "s/inductor/ab/same.py", "s/inductor/large",
                           "s/inductor/large2"};
    save_sample(scratch);
    struct run run = {.threads = 4};
    must_unpack(scratch, "s", &run);
    for (size_t i = 0; i < 4; i++) {
        struct stat stat;
        assert_int_equal(fstatat(scratch->fd, paths[i], &stat, 0), 0);
        assert_int_equal(stat.st_nlink, 1);
    }
}

static void a_root_without_a_destination_is_checked_but_not_placed(void **state)
{
    struct scratch *scratch = *state;
    save_sample(scratch);
    struct run run = {.threads = 2, .without_headers = true};
    must_unpack(scratch, "s", &run);
    assert_int_equal(scratch_count(scratch, "s/headers"), 0);
    assert_int_equal(run.counts.files, 8);
    assert_int_equal(run.counts.bytes, 3 * 15 + 9 + 2 * LARGE);

    struct forge forge;
    forge_init(&forge);
    forge_file(&forge, "headers/evil/../x", "x");
    save(scratch, &forge);
    assert_int_equal(unpack_file(scratch, "s2", &run), B10_REASON_UNSAFE);
}

static void slices_of_zeros_stay_holes(void **state)
{
    struct scratch *scratch = *state;
    enum { SIZE = 16 << 20, PIECE = 1 << 20 };
    unsigned char *content = calloc(1, SIZE);
    assert_non_null(content);
    content[0] = 'a';
    content[SIZE - 1] = 'z';
    struct forge forge;
    forge_init(&forge);
    forge_sliced(&forge, "inductor/sparse", content, SIZE, PIECE, false);
    forge_sliced(&forge, "inductor/zeros", content + 1, SIZE - PIECE, PIECE, false);
    save(scratch, &forge);
    struct run run = {.threads = 4};
    must_unpack(scratch, "s", &run);
    struct stat stat;
    assert_int_equal(fstatat(scratch->fd, "s/inductor/sparse", &stat, 0), 0);
    assert_int_equal(stat.st_size, SIZE);
    assert_true(stat.st_blocks * 512 <= 4 * PIECE);
    assert_int_equal(stat.st_mtim.tv_sec, 1700000000);
    assert_int_equal(fstatat(scratch->fd, "s/inductor/zeros", &stat, 0), 0);
    assert_int_equal(stat.st_size, SIZE - PIECE);
    assert_int_equal(stat.st_blocks, 0);
    assert_int_equal(stat.st_mtim.tv_sec, 1700000000);
    char *back = scratch_read(scratch, "s/inductor/sparse", NULL);
    assert_memory_equal(back, content, SIZE);
    free(back);
    free(content);
}

static void a_void_file_is_left_out(void **state)
{
    struct scratch *scratch = *state;
    struct forge forge;
    forge_init(&forge);
    forge_file(&forge, "inductor/good", "good");
    forge_sliced(&forge, "inductor/torn", "half of it", 10, SLICE, true);
    save(scratch, &forge);
    struct run run = {.threads = 2};
    must_unpack(scratch, "s", &run);
    assert_int_equal(run.counts.files, 1);
    assert_int_equal(run.counts.bytes, 4);
    assert_int_equal(scratch_count(scratch, "s/inductor"), 1);
}

/* Many frames, small files, copies of several large ones, spread over two roots. */
static void many_workers_lose_nothing(void **state)
{
    struct scratch *scratch = *state;
    enum { FRAMES = 200, LARGE_FILES = 10, COPIES = 20 };
    unsigned char content[3 * SLICE];
    char path[64], original[64];
    struct forge forge;
    forge_init(&forge);
    for (unsigned i = 0; i < FRAMES; i++) {
        snprintf(path, sizeof(path), "%s/file%03u", i % 3 == 0 ? "headers" : "inductor", i);
        forge_file(&forge, path, path);
        forge_close_frame(&forge);
    }
    for (unsigned i = 0; i < LARGE_FILES; i++) {
        memset(content, 'a' + (int)i, sizeof(content));
        snprintf(original, sizeof(original), "inductor/large%u", i);
        forge_sliced(&forge, original, content, sizeof(content), SLICE, false);
        for (unsigned k = 0; k < COPIES; k++) {
            snprintf(path, sizeof(path), "inductor/large%u.%u", i, k);
            forge_link(&forge, path, original, sizeof(content));
        }
    }
    save(scratch, &forge);
    struct run run = {.threads = 8};
    must_unpack(scratch, "s", &run);
    assert_int_equal(run.counts.files, FRAMES + LARGE_FILES * (1 + COPIES));
    assert_int_equal(scratch_count(scratch, "s"), 2 + FRAMES + LARGE_FILES * (1 + COPIES));
    for (unsigned i = 0; i < LARGE_FILES; i++) {
        memset(content, 'a' + (int)i, sizeof(content));
        for (unsigned k = 0; k < COPIES; k++) {
            snprintf(path, sizeof(path), "s/inductor/large%u.%u", i, k);
            size_t size = 0;
            char *back = scratch_read(scratch, path, &size);
            assert_int_equal(size, sizeof(content));
            assert_memory_equal(back, content, sizeof(content));
            free(back);
        }
    }
}

/* ---- the filter ---- */

/* What a filter was asked about: it makes Python's files "other", and fails for `wrong`. */
struct asked {
    const struct scratch *scratch;
    const char *wrong; /* or NULL */
    _Atomic unsigned contents;
    _Atomic unsigned copies;
};

static enum b10_reason make_other(void *user, const struct decoded *member, struct bytes *out,
                                  bool *changed, struct b10_error *error)
{
    struct asked *asked = user;
    const size_t length = strlen(member->path);
    asked->contents++;
    assert_int_equal(out->size, 0);
    if (asked->wrong != NULL && strcmp(member->path, asked->wrong) == 0)
        return error_set(error, B10_REASON_IO, "'%s' is wrong", asked->wrong);
    *changed = length > 3 && strcmp(member->path + length - 3, ".py") == 0;
    if (!*changed)
        return B10_REASON_OK;
    assert_int_equal(member->size, 15);
    assert_memory_equal(member->content, "print('hello')\n", 15);
    return bytes_append_text(out, "other", error);
}

/* The copy is there, complete and with its time; it is made another one. */
static enum b10_reason see_copy(void *user, const struct decoded *copy, struct b10_error *error)
{
    struct asked *asked = user;
    struct stat stat;
    asked->copies++;
    assert_string_equal(copy->path, "large2");
    assert_int_equal(fstatat(asked->scratch->fd, "s/inductor/large2", &stat, 0), 0);
    assert_int_equal(stat.st_size, LARGE);
    assert_int_equal(stat.st_mtim.tv_sec, 1700000000);
    if (asked->wrong != NULL && strcmp(copy->path, asked->wrong) == 0)
        return error_set(error, B10_REASON_IO, "'%s' is wrong", asked->wrong);
    scratch_text(asked->scratch, "s/inductor/large2", "another");
    return B10_REASON_OK;
}

static void a_filter_gives_files_other_content_and_nothing_else(void **state)
{
    struct scratch *scratch = *state;
    struct asked asked = {.scratch = scratch};
    const struct unpack_filter filter = {.user = &asked, .content = make_other, .copied = see_copy};
    save_sample(scratch);
    struct run run = {.threads = 4, .filter = &filter};
    must_unpack(scratch, "s", &run);
    assert_int_equal(asked.contents, 6); /* no directory, no symlink, nothing large */
    assert_int_equal(asked.copies, 1);
    assert_int_equal(run.counts.files, 9);
    assert_int_equal(run.counts.bytes, 3 * 15 + 9 + 12 + 2 * LARGE);
    forge_tree(scratch, "expected", LARGE);
    static const char *const changed[] = {"ab/code.py", "ab/same.py", "same.py", "large2"};
    for (size_t i = 0; i < 4; i++) {
        char path[64];
        const struct timespec times[2] = {{.tv_sec = 1700000000}, {.tv_sec = 1700000000}};
        snprintf(path, sizeof(path), "expected/inductor/%s", changed[i]);
        scratch_text(scratch, path, i < 3 ? "other" : "another");
        assert_int_equal(utimensat(scratch->fd, path, times, 0), 0);
    }
    const struct timespec times[2] = {{.tv_sec = 1700000000}, {.tv_sec = 1700000000}};
    assert_int_equal(utimensat(scratch->fd, "s/inductor/large2", times, 0), 0); /* the filter's */
    scratch_assert_same_tree(scratch_path(scratch, "expected"), scratch_path(scratch, "s"));
}

static void a_root_that_is_not_placed_is_not_filtered(void **state)
{
    struct asked asked = {.scratch = *state};
    const struct unpack_filter filter = {.user = &asked, .content = make_other, .copied = see_copy};
    save_sample(*state);
    struct run run = {.threads = 4, .filter = &filter, .without_headers = true};
    must_unpack(*state, "s", &run);
    assert_int_equal(asked.contents, 5);
}

static void a_filter_that_fails_ends_it(void **state)
{
    static const char *const wrong[] = {"tool", "large2"};
    for (size_t i = 0; i < 2; i++) {
        struct asked asked = {.scratch = *state, .wrong = wrong[i]};
        const struct unpack_filter filter = {.user = &asked,
                                             .content = make_other,
                                             .copied = see_copy};
        save_sample(*state);
        size_t descriptors = scratch_open_descriptors();
        struct run run = {.threads = 4, .filter = &filter};
        assert_int_equal(unpack_file(*state, i == 0 ? "t" : "s", &run), B10_REASON_IO);
        assert_non_null(strstr(run.error.message, "is wrong"));
        assert_int_equal(scratch_open_descriptors(), descriptors);
    }
}

static int remember_last(void *user, const b10_progress *progress)
{
    *(b10_progress *)user = *progress;
    return 0;
}

static void progress_knows_the_totals_from_the_beginning(void **state)
{
    struct scratch *scratch = *state;
    b10_progress last = {0};
    save_sample(scratch);
    struct run run = {.threads = 1, .progress = remember_last, .user = &last};
    must_unpack(scratch, "s", &run);
    assert_string_equal(last.phase, "unpack");
    assert_int_equal(last.bytes_total, run.counts.bytes);
    assert_int_equal(last.files_total, run.counts.files);
}

static int refuse(void *user, const b10_progress *progress)
{
    (void)user, (void)progress;
    return 1;
}

static void the_callback_cancels(void **state)
{
    struct scratch *scratch = *state;
    save_sample(scratch);
    size_t descriptors = scratch_open_descriptors();
    struct run run = {.threads = 4, .progress = refuse};
    assert_int_equal(unpack_file(scratch, "s", &run), B10_REASON_CANCELLED);
    assert_int_equal(scratch_open_descriptors(), descriptors);
}

static void a_sign_that_is_up_ends_it(void **state)
{
    struct scratch *scratch = *state;
    save_sample(scratch);
    SCOPED(reader) struct reader reader = READER_CLOSED;
    struct b10_error error = ERROR_NONE;
    struct unpack_counts counts = {0};
    struct cancel cancel = CANCEL_CLEAR;
    const int none[] = {-1, -1};
    assert_int_equal(reader_open(&reader, scratch->fd, "a", "the.archive", &error), B10_REASON_OK);
    assert_int_equal(unpack(&reader, none, NULL, 4, &cancel, NULL, &counts, &error), B10_REASON_OK);
    stop_for(&cancel, B10_REASON_CANCELLED);
    assert_int_equal(unpack(&reader, none, NULL, 4, &cancel, NULL, &counts, &error),
                     B10_REASON_CANCELLED);
}

static void a_staged_directory_that_is_not_empty_is_refused(void **state)
{
    struct scratch *scratch = *state;
    save_sample(scratch);
    scratch_text(scratch, "s/inductor/tool", "mine");
    struct run run = {.threads = 4};
    assert_int_equal(unpack_file(scratch, "s", &run), B10_REASON_UNSAFE);
    char *text = scratch_read(scratch, "s/inductor/tool", NULL);
    assert_string_equal(text, "mine");
    free(text);
}

static void a_full_disk_is_no_space(void **state)
{
    struct scratch *scratch = *state;
    save_sample(scratch);
    struct rlimit kept, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &kept), 0);
    small = (struct rlimit){.rlim_cur = LARGE / 2, .rlim_max = kept.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    size_t descriptors = scratch_open_descriptors();
    struct run run = {.threads = 4};
    enum b10_reason reason = unpack_file(scratch, "s", &run);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &kept), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(reason, B10_REASON_NO_SPACE);
    assert_int_equal(scratch_open_descriptors(), descriptors);
}

int main(void)
{
#define UNPACK(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        UNPACK(the_tree_comes_back_whatever_the_number_of_threads),
        UNPACK(duplicates_are_files_of_their_own),
        UNPACK(a_root_without_a_destination_is_checked_but_not_placed),
        UNPACK(slices_of_zeros_stay_holes),
        UNPACK(a_void_file_is_left_out),
        UNPACK(a_filter_gives_files_other_content_and_nothing_else),
        UNPACK(a_root_that_is_not_placed_is_not_filtered),
        UNPACK(a_filter_that_fails_ends_it),
        UNPACK(progress_knows_the_totals_from_the_beginning),
        UNPACK(the_callback_cancels),
        UNPACK(a_sign_that_is_up_ends_it),
        UNPACK(a_staged_directory_that_is_not_empty_is_refused),
        UNPACK(a_full_disk_is_no_space),
        UNPACK(many_workers_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
