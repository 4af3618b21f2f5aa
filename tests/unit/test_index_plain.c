#include "archive/index_plain.h"

#include <string.h>

#include "archive/zstd_codec.h"
#include "base/guard.h"
#include "support/scratch.h"

static bool plain(const char *text, struct index_line *line, struct index_plain *names)
{
    *line = (struct index_line){0};
    return index_plain_read(text, strlen(text), line, names);
}

static void a_line_as_it_is_written_is_read(void **state)
{
    (void)state;
    struct index_line line;
    struct index_plain names;
    assert_true(plain("[3,\"a b/c.py\",\"file\",1,-12,500000000,4000,17,0]", &line, &names));
    assert_int_equal(line.root, 3);
    assert_int_equal(names.path_length, 8);
    assert_memory_equal(names.path, "a b/c.py", 8);
    assert_null(names.target);
    assert_int_equal(line.entry.type, ENTRY_FILE);
    assert_true(line.entry.executable);
    assert_int_equal(line.entry.mtime_s, -12);
    assert_int_equal(line.entry.mtime_ns, 500000000);
    assert_int_equal(line.entry.size, 4000);
    assert_int_equal(line.frame, 17);
    assert_false(line.is_void);
    assert_true(plain("[0,\"l\",\"link\",0,1,2,0,0,1,\"a/o\"]", &line, &names));
    assert_int_equal(line.entry.type, ENTRY_HARDLINK);
    assert_int_equal(names.target_length, 3);
    assert_memory_equal(names.target, "a/o", 3);
    assert_true(line.is_void);
}

/* Right or wrong: the parser judges them. */
static void every_other_line_is_left_to_the_parser(void **state)
{
    (void)state;
    static const char *const others[] = {
        "",
        "[",
        "[0,\"a\",\"file\",0,0,0,0,0,0",
        "[0,\"a\",\"file\",0,0,0,0,0,0] ",
        "[0,\"a\",\"file\",0,0,0,0,0,0]]",
        "[0, \"a\",\"file\",0,0,0,0,0,0]",
        "[00,\"a\",\"file\",0,0,0,0,0,0]",
        "[-1,\"a\",\"file\",0,0,0,0,0,0]",
        "[+1,\"a\",\"file\",0,0,0,0,0,0]",
        "[1.0,\"a\",\"file\",0,0,0,0,0,0]",
        "[4294967296,\"a\",\"file\",0,0,0,0,0,0]",
        "[0,\"a\\u0041\",\"file\",0,0,0,0,0,0]",
        "[0,\"\xc3\xa9\",\"file\",0,0,0,0,0,0]",
        "[0,\"a\x01\",\"file\",0,0,0,0,0,0]",
        "[0,\"a\",\"fifo\",0,0,0,0,0,0]",
        "[0,\"a\",\"file\",2,0,0,0,0,0]",
        "[0,\"a\",\"file\",0,-,0,0,0,0]",
        "[0,\"a\",\"file\",0,0,-1,0,0,0]",
        "[0,\"a\",\"file\",0,0,0,1234567890123456789,0,0]",
        "[0,\"a\",\"file\",0,0,0,0,0,2]",
        "[0,\"a\",\"file\",0,0,0,0,0,0,\"more\"]",
        "[0,\"a\",\"link\",0,0,0,0,0,0]",
        "[0,{\"bytes\":\"ff\"},\"file\",0,0,0,0,0,0]",
    };
    struct index_line line;
    struct index_plain names;
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        if (plain(others[i], &line, &names))
            fail_msg("%s", others[i]);
}

static enum b10_reason read_one(const char *text, struct index_line *line, char path[64],
                                char target[64])
{
    SCOPED(zstd_encoder) struct zstd_encoder *encoder = NULL;
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    SCOPED(index_reader) struct index_reader *reader = NULL;
    bool found = false;
    assert_int_equal(zstd_encoder_new(&encoder, 1, NULL), 0);
    assert_int_equal(zstd_encode(encoder, text, strlen(text), &payload, NULL), 0);
    assert_int_equal(index_reader_new(&reader, payload.data, payload.size, "test", NULL), 0);
    enum b10_reason reason = index_reader_next(reader, line, &found, NULL);
    if (reason != B10_REASON_OK)
        return reason;
    assert_true(found);
    strcpy(path, line->entry.path);
    strcpy(target, line->entry.target != NULL ? line->entry.target : "");
    line->entry.path = line->entry.target = NULL;
    return reason;
}

/* A blank in front makes it a line for the parser. */
static void the_parser_says_the_same(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "[0,\"a\",\"file\",0,0,0,0,0,0]\n",
        "[4294967295,\"a/b c\",\"file\",1,-999999999999999999,999999999,999999999999999999,7,1]\n",
        "[1,\"d\",\"directory\",0,0,0,0,3,0]\n",
        "[1,\"d/l\",\"symlink\",0,5,6,0,3,0,\"../x\"]\n",
        "[1,\"d/l\",\"link\",1,5,6,0,3,0,\"d/o\"]\n",
        "[1,\"d/l\",\"symlink\",0,5,6,0,3,0,\"../../x\"]\n",
        "[0,\"../a\",\"file\",0,0,0,0,0,0]\n",
        "[0,\"\",\"file\",0,0,0,0,0,0]\n",
        "[0,\"a\",\"file\",0,0,1000000000,0,0,0]\n",
        "[0,\"a\",\"link\",0,0,0,0,0,0,\"a\"]\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        struct index_line plain_line = {0}, parsed_line = {0};
        char plain_path[64] = "", plain_target[64] = "", path[64] = "", target[64] = "";
        char blank[256] = " ";
        strcat(blank, lines[i]);
        const enum b10_reason reason = read_one(lines[i], &plain_line, plain_path, plain_target);
        assert_int_equal(reason, read_one(blank, &parsed_line, path, target));
        if (reason != B10_REASON_OK)
            continue;
        assert_string_equal(plain_path, path);
        assert_string_equal(plain_target, target);
        assert_int_equal(plain_line.root, parsed_line.root);
        assert_int_equal(plain_line.frame, parsed_line.frame);
        assert_int_equal(plain_line.is_void, parsed_line.is_void);
        assert_int_equal(plain_line.entry.type, parsed_line.entry.type);
        assert_int_equal(plain_line.entry.executable, parsed_line.entry.executable);
        assert_int_equal(plain_line.entry.mtime_s, parsed_line.entry.mtime_s);
        assert_int_equal(plain_line.entry.mtime_ns, parsed_line.entry.mtime_ns);
        assert_int_equal(plain_line.entry.size, parsed_line.entry.size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_as_it_is_written_is_read),
        cmocka_unit_test(every_other_line_is_left_to_the_parser),
        cmocka_unit_test(the_parser_says_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
