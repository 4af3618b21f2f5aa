#include "archive/writer.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/tail.h"
#include "archive/zstd_codec.h"
#include "base/guard.h"
#include "fs/io.h"
#include "support/scratch.h"

/* An archive being written; the frames are bytes that nobody decodes. */
struct writing {
    struct scratch *scratch;
    struct manifest manifest;
    struct writer *writer;
    int fd;
};

static int writing_setup(void **state)
{
    void *scratch = NULL;
    struct writing *writing = calloc(1, sizeof(*writing));
    if (writing == NULL || scratch_setup(&scratch) != 0)
        return -1;
    writing->scratch = scratch;
    struct manifest *manifest = &writing->manifest;
    manifest->format = ARCHIVE_FORMAT;
    manifest->kind = strdup("inductor");
    manifest->key = strdup("key");
    manifest->creator = strdup("test");
    memset(manifest->token, '0', sizeof(manifest->token) - 1);
    manifest->roots = calloc(1, sizeof(*manifest->roots));
    manifest->root_count = 1;
    manifest->roots[0].name = strdup("inductor");
    manifest->roots[0].origins = calloc(1, sizeof(char *));
    manifest->roots[0].origins[0] = strdup("/cache");
    manifest->roots[0].origin_count = 1;
    writing->fd = openat(writing->scratch->fd, "a", O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    *state = writing;
    return writing->fd < 0 ? -1 : 0;
}

static int writing_teardown(void **state)
{
    struct writing *writing = *state;
    void *scratch = writing->scratch;
    writer_free(writing->writer);
    manifest_release(&writing->manifest);
    close(writing->fd);
    free(writing);
    return scratch_teardown(&scratch);
}

static void begin(struct writing *writing, uint64_t size_limit)
{
    assert_int_equal(writer_open(&writing->writer, writing->fd, "a", size_limit, false, NULL,
                                 &writing->manifest, NULL),
                     0);
}

static void begin_at(struct writing *writing, int fd, bool is_behind)
{
    assert_int_equal(writer_open(&writing->writer, fd, "a", UINT64_MAX, is_behind, NULL,
                                 &writing->manifest, NULL),
                     0);
}

/* For the next writer. */
static void again(struct writing *writing)
{
    writer_guard(&writing->writer);
    manifest_release(&writing->manifest);
    writing->manifest = (struct manifest)MANIFEST_EMPTY;
}

/* A members frame of one member and `size` compressed bytes. */
static enum b10_reason put_frame(struct writing *writing, size_t size, struct b10_error *error)
{
    SCOPED(heap) unsigned char *data = malloc(size);
    assert_non_null(data);
    memset(data, 'f', size);
    struct frame frame = {.kind = FRAME_MEMBERS,
                          .compressed_size = (uint32_t)size,
                          .content_size = (uint32_t)(size + 511) / 512 * 512,
                          .members = 1};
    digest_256(frame.digest, data, size);
    return writer_frame(writing->writer, &frame, data, error);
}

static enum b10_reason put_line(struct writing *writing, const char *path)
{
    const struct index_line line = {.entry = {.type = ENTRY_FILE, .path = path},
                                    .frame = (uint32_t)writing->manifest.frame_count - 1};
    writing->manifest.totals.files++;
    writing->manifest.totals.disk_bytes += 4096;
    return writer_member(writing->writer, &line, NULL);
}

static uint64_t size_now(const struct writing *writing)
{
    struct stat stat;
    assert_int_equal(fstat(writing->fd, &stat), 0);
    return (uint64_t)stat.st_size;
}

static void the_file_ends_with_a_tail_that_describes_it(void **state)
{
    struct writing *writing = *state;
    struct manifest back = MANIFEST_EMPTY;
    SCOPED(heap) uint64_t *offsets = NULL;
    struct b10_error error = ERROR_NONE;
    uint64_t size = 0;
    begin(writing, UINT64_MAX);
    assert_int_equal(put_frame(writing, 1000, NULL), 0);
    assert_int_equal(put_line(writing, "one"), 0);
    assert_int_equal(put_frame(writing, 3000000, NULL), 0);
    assert_int_equal(put_line(writing, "two"), 0);
    assert_int_equal(writer_finish(writing->writer, &size, NULL), 0);
    assert_int_equal(size_now(writing), size);
    if (tail_read(writing->fd, size, "a", &back, &offsets, &error) != 0)
        fail_msg("%s", error.message);
    assert_int_equal(back.frame_count, 3);
    assert_int_equal(back.frames[2].kind, FRAME_END);
    assert_int_equal(back.frames[2].content_size, ARCHIVE_END_SIZE);
    assert_int_equal(offsets[1], 1000);
    assert_int_equal(offsets[2], 3001000);
    manifest_release(&back);
}

static void the_index_holds_the_lines_in_order(void **state)
{
    struct writing *writing = *state;
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    SCOPED(index_reader) struct index_reader *reader = NULL;
    unsigned char digest[DIGEST_SIZE];
    struct index_line line;
    uint64_t size = 0;
    bool found;
    begin(writing, UINT64_MAX);
    assert_int_equal(put_frame(writing, 1000, NULL), 0);
    assert_int_equal(put_line(writing, "one"), 0);
    assert_int_equal(put_line(writing, "two"), 0);
    assert_int_equal(writer_finish(writing->writer, &size, NULL), 0);

    const struct manifest *manifest = &writing->manifest;
    const uint64_t offset = 1000 + manifest->frames[1].compressed_size + SKIPPABLE_HEADER_SIZE;
    assert_int_equal(bytes_reserve(&payload, manifest->index_size, NULL), 0);
    assert_int_equal(io_pread_full(writing->fd, payload.data, manifest->index_size, offset, "a",
                                   NULL),
                     0);
    digest_256(digest, payload.data, manifest->index_size);
    assert_memory_equal(digest, manifest->index_digest, DIGEST_SIZE);
    assert_int_equal(index_reader_new(&reader, payload.data, manifest->index_size, "a", NULL), 0);
    assert_int_equal(index_reader_next(reader, &line, &found, NULL), 0);
    assert_string_equal(line.entry.path, "one");
    assert_int_equal(index_reader_next(reader, &line, &found, NULL), 0);
    assert_string_equal(line.entry.path, "two");
    assert_int_equal(index_reader_next(reader, &line, &found, NULL), 0);
    assert_false(found);
}

static void the_end_frame_is_a_frame_of_zeros(void **state)
{
    struct writing *writing = *state;
    SCOPED(zstd_decoder) struct zstd_decoder *decoder = NULL;
    unsigned char compressed[512];
    unsigned char content[ARCHIVE_END_SIZE];
    const unsigned char zeros[ARCHIVE_END_SIZE] = {0};
    uint64_t size = 0;
    begin(writing, UINT64_MAX);
    assert_int_equal(put_frame(writing, 10, NULL), 0);
    assert_int_equal(put_line(writing, "one"), 0);
    assert_int_equal(writer_finish(writing->writer, &size, NULL), 0);
    const struct frame *end = &writing->manifest.frames[1];
    assert_true(end->compressed_size <= sizeof(compressed));
    assert_int_equal(io_pread_full(writing->fd, compressed, end->compressed_size, 10, "a", NULL),
                     0);
    assert_int_equal(zstd_decoder_new(&decoder, NULL), 0);
    assert_int_equal(zstd_decode(decoder, compressed, end->compressed_size, content,
                                 sizeof(content), "a", NULL),
                     0);
    assert_memory_equal(content, zeros, sizeof(content));
}

static void the_file_grows_by_whole_megabytes_until_it_is_finished(void **state)
{
    struct writing *writing = *state;
    uint64_t size = 0;
    uint64_t put = 0;
    begin(writing, UINT64_MAX);
    for (size_t i = 1; i <= 40; i++) {
        assert_int_equal(put_frame(writing, i * 9973, NULL), 0);
        put += i * 9973;
        assert_int_equal(size_now(writing) % WRITER_PIECE_SIZE, 0);
        assert_true(put - size_now(writing) < WRITER_PIECE_SIZE);
    }
    assert_int_equal(writer_finish(writing->writer, &size, NULL), 0);
    assert_int_equal(size_now(writing), size);
}

static void the_size_limit_is_noticed_before_it_is_passed(void **state)
{
    struct writing *writing = *state;
    const uint64_t limit = 5000000;
    enum b10_reason reason = B10_REASON_OK;
    size_t frames = 0;
    begin(writing, limit);
    for (; reason == B10_REASON_OK; frames++)
        reason = put_frame(writing, 100000, NULL);
    assert_int_equal(reason, B10_REASON_TOO_LARGE);
    assert_in_range(frames, 49, 50);
    assert_true(size_now(writing) <= limit);
}

static void an_archive_of_exactly_the_limit_is_allowed_one_byte_more_is_not(void **state)
{
    struct writing *writing = *state;
    uint64_t size = 0;
    uint64_t again = 0;
    for (int pass = 0; pass < 3; pass++) {
        struct manifest *manifest = &writing->manifest;
        writer_free(writing->writer);
        free(manifest->frames);
        manifest->frames = NULL;
        manifest->frame_count = 0;
        manifest->totals = (struct manifest_totals){0};
        begin(writing, pass == 0 ? UINT64_MAX : pass == 1 ? size : size - 1);
        assert_int_equal(put_frame(writing, 1000, NULL), 0);
        assert_int_equal(put_line(writing, "one"), 0);
        const enum b10_reason reason =
            writer_finish(writing->writer, pass == 0 ? &size : &again, NULL);
        assert_int_equal(reason, pass < 2 ? B10_REASON_OK : B10_REASON_TOO_LARGE);
    }
    assert_int_equal(size, again);
}

static void a_full_volume_is_no_space(void **state)
{
    struct writing *writing = *state;
    struct b10_error error = ERROR_NONE;
    SCOPED(fd) int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(full >= 0);
    for (int is_behind = 0; is_behind <= 1; is_behind++) {
        begin_at(writing, full, is_behind);
        enum b10_reason reason = B10_REASON_OK;
        for (int i = 0; i < 3 && reason == B10_REASON_OK; i++)
            reason = put_frame(writing, WRITER_PIECE_SIZE, &error);
        assert_int_equal(reason, B10_REASON_NO_SPACE);
        again(writing);
    }
}

static void a_volume_that_fails_is_io(void **state)
{
    struct writing *writing = *state;
    struct b10_error error = ERROR_NONE;
    int pipes[2];
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    for (int is_behind = 0; is_behind <= 1; is_behind++) {
        begin_at(writing, pipes[0], is_behind);
        assert_int_equal(put_frame(writing, 2 * WRITER_PIECE_SIZE, &error), B10_REASON_IO);
        assert_string_equal(error.message, "cannot write 'a': Bad file descriptor");
        again(writing);
    }
    close(pipes[0]);
    close(pipes[1]);
}

/* Nobody reads the pipe until the first piece has been taken. */
static void the_next_piece_is_filled_while_one_is_written(void **state)
{
    struct writing *writing = *state;
    int pipes[2];
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    begin_at(writing, pipes[1], true);
    assert_int_equal(put_frame(writing, WRITER_PIECE_SIZE + 1, NULL), 0);
    char part[4096];
    for (size_t left = WRITER_PIECE_SIZE; left > 0;) {
        const ssize_t got = read(pipes[0], part, left < sizeof(part) ? left : sizeof(part));
        assert_true(got > 0);
        left -= (size_t)got;
    }
    again(writing);
    close(pipes[0]);
    close(pipes[1]);
}

static void a_frame_beyond_the_formats_limit_is_refused(void **state)
{
    struct writing *writing = *state;
    const struct frame frame = {.kind = FRAME_MEMBERS, .content_size = FRAME_CONTENT_LIMIT + 1};
    begin(writing, UINT64_MAX);
    assert_int_equal(writer_frame(writing->writer, &frame, "", NULL), B10_REASON_INTERNAL);
}

static void no_archive_has_more_frames_than_a_reader_accepts(void **state)
{
    struct writing *writing = *state;
    const struct frame frame = {.kind = FRAME_MEMBERS, .compressed_size = 1, .content_size = 512};
    uint64_t size;
    begin(writing, UINT64_MAX);
    for (int i = 0; i < FRAME_COUNT_LIMIT; i++)
        assert_int_equal(writer_frame(writing->writer, &frame, "x", NULL), 0);
    assert_int_equal(writer_frame(writing->writer, &frame, "x", NULL), B10_REASON_TOO_LARGE);
    assert_int_equal(writer_finish(writing->writer, &size, NULL), B10_REASON_TOO_LARGE);
}

#define WRITING_TEST(test) cmocka_unit_test_setup_teardown(test, writing_setup, writing_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WRITING_TEST(the_file_ends_with_a_tail_that_describes_it),
        WRITING_TEST(the_index_holds_the_lines_in_order),
        WRITING_TEST(the_end_frame_is_a_frame_of_zeros),
        WRITING_TEST(the_file_grows_by_whole_megabytes_until_it_is_finished),
        WRITING_TEST(the_size_limit_is_noticed_before_it_is_passed),
        WRITING_TEST(an_archive_of_exactly_the_limit_is_allowed_one_byte_more_is_not),
        WRITING_TEST(a_full_volume_is_no_space),
        WRITING_TEST(a_volume_that_fails_is_io),
        WRITING_TEST(the_next_piece_is_filled_while_one_is_written),
        WRITING_TEST(a_frame_beyond_the_formats_limit_is_refused),
        WRITING_TEST(no_archive_has_more_frames_than_a_reader_accepts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
