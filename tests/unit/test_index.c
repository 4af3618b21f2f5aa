#include "archive/index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/zstd_codec.h"
#include "base/guard.h"
#include "fs/path.h"
#include "support/scratch.h"

static void finish(struct index_writer *writer, struct bytes *payload)
{
    struct b10_error error = ERROR_NONE;
    assert_int_equal(index_writer_finish(writer, payload, &error), B10_REASON_OK);
}

static void assert_same_line(const struct index_line *a, const struct index_line *b)
{
    assert_int_equal(a->root, b->root);
    assert_int_equal(a->frame, b->frame);
    assert_int_equal(a->is_void, b->is_void);
    assert_int_equal(a->entry.type, b->entry.type);
    assert_string_equal(a->entry.path, b->entry.path);
    assert_int_equal(a->entry.executable, b->entry.executable);
    assert_true(a->entry.mtime_s == b->entry.mtime_s);
    assert_int_equal(a->entry.mtime_ns, b->entry.mtime_ns);
    assert_true(a->entry.size == b->entry.size);
    assert_int_equal(a->entry.target != NULL, b->entry.target != NULL);
    if (a->entry.target)
        assert_string_equal(a->entry.target, b->entry.target);
}

/* A payload with this text, whatever it is. */
static void payload_of(struct bytes *payload, const char *text, size_t size)
{
    SCOPED(zstd_encoder) struct zstd_encoder *encoder = NULL;
    assert_int_equal(zstd_encoder_new(&encoder, 1, NULL), B10_REASON_OK);
    assert_int_equal(zstd_encode(encoder, text, size, payload, NULL), B10_REASON_OK);
}

static enum b10_reason read_all(const struct bytes *payload, size_t *lines, struct b10_error *error)
{
    SCOPED(index_reader) struct index_reader *reader = NULL;
    struct index_line line;
    bool found = true;
    TRY(index_reader_new(&reader, payload->data, payload->size, "a", error));
    for (*lines = 0; found; *lines += found)
        TRY(index_reader_next(reader, &line, &found, error));
    return B10_REASON_OK;
}

static void assert_text(const char *text, enum b10_reason reason)
{
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    struct b10_error error = ERROR_NONE;
    size_t lines = 0;
    payload_of(&payload, text, strlen(text));
    enum b10_reason got = read_all(&payload, &lines, &error);
    if (got != reason)
        fail_msg("%d instead of %d for %s: %s", got, reason, text, error.message);
}

/* ---- promise ---- */

static void every_line_comes_back_in_order(void **state)
{
    (void)state;
    const struct index_line lines[] = {
        {.entry = {.type = ENTRY_DIRECTORY, .path = "ab"}},
        {.entry = {.type = ENTRY_FILE,
                   .path = "ab/x.py",
                   .executable = true,
                   .size = 7,
                   .mtime_s = 1795372566,
                   .mtime_ns = 336738474},
         .frame = 1},
        {.entry = {.type = ENTRY_FILE, .path = "big", .size = UINT64_C(1) << 40, .mtime_s = -5},
         .root = 2,
         .frame = 999999,
         .is_void = true},
        {.entry = {.type = ENTRY_SYMLINK, .path = "ab/l", .target = "../big"}},
        {.entry = {.type = ENTRY_HARDLINK, .path = "ab/\xff", .target = "ab/e\xcc\x81 \"\\\n\x01"}},
        {.entry = {.type = ENTRY_FILE, .path = "\xed\xa0\x80", .mtime_ns = 999999999}},
    };
    SCOPED(index_writer) struct index_writer *writer = NULL;
    SCOPED(index_reader) struct index_reader *reader = NULL;
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    struct b10_error error = ERROR_NONE;
    struct index_line line;
    bool found = false;
    assert_int_equal(index_writer_new(&writer, &error), B10_REASON_OK);
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        assert_int_equal(index_writer_add(writer, &lines[i], &error), B10_REASON_OK);
    finish(writer, &payload);
    assert_int_equal(index_reader_new(&reader, payload.data, payload.size, "a", &error), 0);
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        if (index_reader_next(reader, &line, &found, &error) != B10_REASON_OK)
            fail_msg("%s", error.message);
        assert_true(found);
        assert_same_line(&line, &lines[i]);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(index_reader_next(reader, &line, &found, &error), B10_REASON_OK);
        assert_false(found);
    }
}

static void many_lines_stay_small(void **state)
{
    (void)state;
    enum { COUNT = 50000 };
    SCOPED(index_writer) struct index_writer *writer = NULL;
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    struct b10_error error = ERROR_NONE;
    size_t lines = 0;
    assert_int_equal(index_writer_new(&writer, &error), B10_REASON_OK);
    for (unsigned i = 0; i < COUNT; i++) {
        char path[100];
        snprintf(path, sizeof(path), "triton/%08u/kernel_%u.cubin", i * 2654435761u, i);
        struct index_line line = {.entry = {.path = path, .size = i}, .frame = i / 30};
        assert_int_equal(index_writer_add(writer, &line, &error), B10_REASON_OK);
    }
    assert_true(index_writer_size(writer) > 0);
    finish(writer, &payload);
    assert_true(payload.size < (size_t)COUNT * 40);
    assert_int_equal(read_all(&payload, &lines, &error), B10_REASON_OK);
    assert_int_equal(lines, COUNT);
}

static void equal_lines_give_equal_bytes(void **state)
{
    (void)state;
    SCOPED(bytes) struct bytes a = BYTES_EMPTY;
    SCOPED(bytes) struct bytes b = BYTES_EMPTY;
    for (int i = 0; i < 2; i++) {
        SCOPED(index_writer) struct index_writer *writer = NULL;
        struct index_line line = {.entry = {.path = "x", .size = 5}};
        assert_int_equal(index_writer_new(&writer, NULL), B10_REASON_OK);
        assert_int_equal(index_writer_add(writer, &line, NULL), B10_REASON_OK);
        finish(writer, i == 0 ? &a : &b);
    }
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
}

/* ---- edges ---- */

static void an_index_may_be_empty(void **state)
{
    (void)state;
    SCOPED(index_writer) struct index_writer *writer = NULL;
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    size_t lines = 1;
    assert_int_equal(index_writer_new(&writer, NULL), B10_REASON_OK);
    finish(writer, &payload);
    assert_int_equal(read_all(&payload, &lines, NULL), B10_REASON_OK);
    assert_int_equal(lines, 0);
}

static void the_longest_line_fits(void **state)
{
    (void)state;
    char path[PATH_LIMIT + 1] = "r", target[PATH_LIMIT + 1] = "r";
    while (strlen(path) + 200 < PATH_LIMIT) {
        memset(path + strlen(path), '/', 1);
        memset(path + strlen(path), '\x01', 199);
        memset(target + strlen(target), '/', 1);
        memset(target + strlen(target), '\x02', 199);
    }
    SCOPED(index_writer) struct index_writer *writer = NULL;
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    struct b10_error error = ERROR_NONE;
    size_t lines = 0;
    struct index_line line = {.entry = {.type = ENTRY_HARDLINK, .path = path, .target = target}};
    assert_int_equal(index_writer_new(&writer, NULL), B10_REASON_OK);
    for (int i = 0; i < 10; i++)
        assert_int_equal(index_writer_add(writer, &line, NULL), B10_REASON_OK);
    finish(writer, &payload);
    if (read_all(&payload, &lines, &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
    assert_int_equal(lines, 10);
}

static void later_fields_are_ignored(void **state)
{
    (void)state;
    assert_text("[0,\"x\",\"file\",0,1,2,3,4,0,null,\"new\"]\n", B10_REASON_OK);
}

/* ---- hostile ---- */

static void damaged_lines_are_corrupt(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "[0,\"x\",\"file\",0,1,2,3,4,0]", /* no newline */
        "\n",
        "{}\n",
        "[]\n",
        "[0,\"x\",\"file\",0,1,2,3,4]\n",
        "[0,\"x\",\"fifo\",0,1,2,3,4,0]\n",
        "[0,\"x\",\"symlink\",0,1,2,0,4,0]\n", /* no target */
        "[-1,\"x\",\"file\",0,1,2,3,4,0]\n",
        "[0,\"x\",\"file\",2,1,2,3,4,0]\n",
        "[0,\"x\",\"file\",0,1.5,2,3,4,0]\n",
        "[0,\"x\",\"file\",0,1,2,-3,4,0]\n",
        "[0,\"x\",\"file\",0,1,2,3,4294967296,0]\n",
        "[0,\"x\",\"file\",0,1,2,99999999999999999999,4,0]\n",
        "[0,{\"bytes\":\"6\"},\"file\",0,1,2,3,4,0]\n",
        "[0,{\"bytes\":\"6100\"},\"file\",0,1,2,3,4,0]\n",
        "[0,{\"bytes\":\"FF\"},\"file\",0,1,2,3,4,0]\n",
        "[0,\"x\\u0000y\",\"file\",0,1,2,3,4,0]\n",
        "[0,\"\xff\",\"file\",0,1,2,3,4,0]\n",
        "[0,\"x\",\"file\",0,1,2,3,4,0] [1]\n",
        "[0,\"x\",\"file\",0,1,2,3,4,0\n]\n",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        assert_text(texts[i], B10_REASON_CORRUPT);
}

static void illegal_members_are_unsafe(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "[0,\"/x\",\"file\",0,1,2,3,4,0]\n",
        "[0,\"../x\",\"file\",0,1,2,3,4,0]\n",
        "[0,\"\",\"file\",0,1,2,3,4,0]\n",
        "[0,\"x\",\"file\",0,1,1000000000,3,4,0]\n",
        "[0,\"x\",\"symlink\",0,1,2,0,4,0,\"../../y\"]\n",
        "[0,\"x\",\"link\",0,1,2,0,4,0,\"/y\"]\n",
        "[0,\"x\",\"link\",0,1,2,0,4,0,\"x\"]\n",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        assert_text(texts[i], B10_REASON_UNSAFE);
}

static void a_line_longer_than_any_member_is_corrupt(void **state)
{
    (void)state;
    enum { SIZE = 300000 };
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    SCOPED(heap) char *text = malloc(SIZE);
    size_t lines = 0;
    assert_non_null(text);
    memset(text, ' ', SIZE);
    text[SIZE - 1] = '\n';
    payload_of(&payload, text, SIZE);
    assert_int_equal(read_all(&payload, &lines, NULL), B10_REASON_CORRUPT);
}

static void an_index_cut_anywhere_is_corrupt(void **state)
{
    (void)state;
    SCOPED(index_writer) struct index_writer *writer = NULL;
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    struct index_line line = {.entry = {.path = "x", .size = 5}};
    size_t lines = 0;
    assert_int_equal(index_writer_new(&writer, NULL), B10_REASON_OK);
    assert_int_equal(index_writer_add(writer, &line, NULL), B10_REASON_OK);
    finish(writer, &payload);
    while (payload.size-- > 1)
        assert_int_equal(read_all(&payload, &lines, NULL), B10_REASON_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_comes_back_in_order),
        cmocka_unit_test(many_lines_stay_small),
        cmocka_unit_test(equal_lines_give_equal_bytes),
        cmocka_unit_test(an_index_may_be_empty),
        cmocka_unit_test(the_longest_line_fits),
        cmocka_unit_test(later_fields_are_ignored),
        cmocka_unit_test(damaged_lines_are_corrupt),
        cmocka_unit_test(illegal_members_are_unsafe),
        cmocka_unit_test(a_line_longer_than_any_member_is_corrupt),
        cmocka_unit_test(an_index_cut_anywhere_is_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
