/* Something else where the archive should be, or only part of it, or a damaged one. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/hostile.h"

#define ARCHIVE "volume/a.tar.zst"
enum { LARGE = 10000 };

static void write_archive(struct scratch *scratch, const void *data, size_t size)
{
    scratch_write(scratch, ARCHIVE, data, size);
}

static void an_empty_file_is_refused(void **state)
{
    write_archive(*state, "", 0);
    hostile_file_refused(*state, REASON(CORRUPT), NULL);
}

static void a_text_is_refused(void **state)
{
    scratch_text(*state, ARCHIVE, "x");
    hostile_file_refused(*state, REASON(CORRUPT), NULL);
    scratch_text(*state, ARCHIVE, "This is not an archive, but it is long enough to be one.");
    hostile_file_refused(*state, REASON(CORRUPT), NULL);
}

static void zeros_and_ones_are_refused(void **state)
{
    unsigned char *data = calloc(1, 200000);
    assert_non_null(data);
    write_archive(*state, data, 200000);
    hostile_file_refused(*state, REASON(CORRUPT), NULL);
    memset(data, 0xff, 200000);
    write_archive(*state, data, 200000);
    hostile_file_refused(*state, REASON(CORRUPT), NULL);
    free(data);
}

static void a_directory_is_refused(void **state)
{
    scratch_mkdir(*state, ARCHIVE);
    hostile_file_refused(*state, REASON(UNSAFE), NULL);
}

static void a_fifo_is_refused_without_waiting(void **state)
{
    struct scratch *scratch = *state;
    assert_int_equal(mkfifoat(scratch->fd, ARCHIVE, 0666), 0);
    hostile_file_refused(scratch, REASON(UNSAFE), NULL);
}

static void a_socket_is_refused(void **state)
{
    struct scratch *scratch = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = scratch_path(scratch, ARCHIVE);
    assert_true(strlen(path) < sizeof(address.sun_path));
    memcpy(address.sun_path, path, strlen(path));
    SCOPED(fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    hostile_file_refused(scratch, REASON(UNSAFE), NULL);
}

static void a_symlink_is_refused_even_to_an_archive(void **state)
{
    struct scratch *scratch = *state;
    struct forge forge;
    forge_init(&forge);
    forge_sample(&forge, 0);
    scratch_mkdir(scratch, "elsewhere");
    forge_save(&forge, scratch_path(scratch, "elsewhere/real"));
    forge_release(&forge);
    assert_int_equal(symlinkat("../elsewhere/real", scratch->fd, ARCHIVE), 0);
    struct b10_error error = ERROR_NONE;
    assert_int_equal(hostile_load(scratch, 1, &error), B10_REASON_UNSAFE);
    assert_non_null(strstr(error.message, "a.tar.zst"));
    assert_int_equal(scratch_count(scratch, "stage/inductor"), 0);
}

static void a_dangling_symlink_is_refused(void **state)
{
    struct scratch *scratch = *state;
    assert_int_equal(symlinkat("nowhere", scratch->fd, ARCHIVE), 0);
    hostile_file_refused(scratch, REASON(UNSAFE), NULL);
}

static struct forge *new_sample(uint64_t large)
{
    struct forge *forge = malloc(sizeof(*forge));
    assert_non_null(forge);
    forge_init(forge);
    forge_sample(forge, large);
    forge_assemble(forge);
    return forge;
}

static void free_sample(struct forge *forge)
{
    forge_release(forge);
    free(forge);
}

static void assert_refused(struct scratch *scratch, size_t at, unsigned reasons)
{
    struct b10_error error = ERROR_NONE;
    enum b10_reason reason = hostile_load(scratch, 1, &error);
    if ((reasons & 1U << reason) == 0 || reason == B10_REASON_OK)
        fail_msg("at byte %zu: reason %d: %s", at, (int)reason, error.message);
    assert_non_null(strstr(error.message, "a.tar.zst"));
}

/* In place: truncating a file and writing it again makes ext4 flush it. */
static void poke(struct scratch *scratch, size_t offset, unsigned char byte)
{
    SCOPED(fd) int fd = openat(scratch->fd, ARCHIVE, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
}

static void a_file_cut_off_anywhere_is_corrupt(void **state)
{
    struct forge *forge = new_sample(LARGE);
    size_t descriptors = scratch_open_descriptors();
    write_archive(*state, forge->file.data, forge->file.size);
    for (size_t size = forge->file.size; size-- > 0;) {
        assert_int_equal(truncate(scratch_path(*state, ARCHIVE), (off_t)size), 0);
        assert_refused(*state, size, REASON(CORRUPT));
    }
    assert_int_equal(scratch_open_descriptors(), descriptors);
    free_sample(forge);
}

static void a_file_cut_off_at_its_beginning_is_corrupt(void **state)
{
    struct forge *forge = new_sample(0);
    for (size_t at = 1; at < forge->file.size; at++) {
        write_archive(*state, forge->file.data + at, forge->file.size - at);
        assert_refused(*state, at, REASON(CORRUPT));
    }
    free_sample(forge);
}

static void a_file_with_more_at_its_end_is_corrupt(void **state)
{
    struct forge *forge = new_sample(0);
    size_t size = forge->file.size;
    for (size_t more = 1; more <= 64; more++) {
        assert_int_equal(bytes_append_zeros(&forge->file, 1, NULL), B10_REASON_OK);
        write_archive(*state, forge->file.data, size + more);
        assert_refused(*state, more, REASON(CORRUPT));
    }
    free_sample(forge);
}

/* Bytes that a load does not need: only the index's payload. Verify sees those, too. */
static void a_flipped_bit_anywhere_is_refused(void **state)
{
    struct forge *forge = new_sample(LARGE);
    size_t descriptors = scratch_open_descriptors();
    write_archive(*state, forge->file.data, forge->file.size);
    for (size_t i = 0; i < forge->file.size; i++) {
        poke(*state, i, (unsigned char)(forge->file.data[i] ^ 1U << i % 8));
        if (i >= forge->index_offset + SKIPPABLE_HEADER_SIZE && i < forge->manifest_offset) {
            struct b10_error error = ERROR_NONE;
            assert_int_equal(hostile_check(*state, &error), B10_REASON_CORRUPT);
        } else {
            assert_refused(*state, i, REASON(CORRUPT) | REASON(UNSAFE) | REASON(FORMAT));
        }
        poke(*state, i, forge->file.data[i]);
    }
    assert_int_equal(scratch_open_descriptors(), descriptors);
    free_sample(forge);
}

/* The header is not among the digests: what stands in it is compared byte for byte. */
static void every_bit_of_the_tail_counts(void **state)
{
    struct forge *forge = new_sample(0);
    write_archive(*state, forge->file.data, forge->file.size);
    for (size_t bit = 8 * forge->manifest_offset; bit < 8 * forge->file.size; bit++) {
        poke(*state, bit / 8, (unsigned char)(forge->file.data[bit / 8] ^ 1U << bit % 8));
        assert_refused(*state, bit / 8, REASON(CORRUPT) | REASON(UNSAFE) | REASON(FORMAT));
        poke(*state, bit / 8, forge->file.data[bit / 8]);
    }
    free_sample(forge);
}

int main(void)
{
#define HOSTILE(test) cmocka_unit_test_setup_teardown(test, hostile_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        HOSTILE(an_empty_file_is_refused),
        HOSTILE(a_text_is_refused),
        HOSTILE(zeros_and_ones_are_refused),
        HOSTILE(a_directory_is_refused),
        HOSTILE(a_fifo_is_refused_without_waiting),
        HOSTILE(a_socket_is_refused),
        HOSTILE(a_symlink_is_refused_even_to_an_archive),
        HOSTILE(a_dangling_symlink_is_refused),
        HOSTILE(a_file_cut_off_anywhere_is_corrupt),
        HOSTILE(a_file_cut_off_at_its_beginning_is_corrupt),
        HOSTILE(a_file_with_more_at_its_end_is_corrupt),
        HOSTILE(a_flipped_bit_anywhere_is_refused),
        HOSTILE(every_bit_of_the_tail_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
