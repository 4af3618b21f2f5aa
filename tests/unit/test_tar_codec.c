#include "archive/tar_codec.h"

#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/guard.h"
#include "fs/path.h"
#include "support/scratch.h"

/* ---- helpers: frames made by the codec, and frames made by hand ---- */

static const struct entry plain = {.type = ENTRY_FILE,
                                   .path = "inductor/ab/cabc.py",
                                   .mtime_s = 1795372566,
                                   .mtime_ns = 336738474};

static void add(struct bytes *frame, struct entry entry, const void *content)
{
    struct b10_error error = ERROR_NONE;
    assert_int_equal(tar_encode_header(&entry, frame, &error), B10_REASON_OK);
    assert_int_equal(bytes_append(frame, content, entry.size, &error), B10_REASON_OK);
    assert_int_equal(tar_encode_padding(entry.size, frame, &error), B10_REASON_OK);
}

static void add_text(struct bytes *frame, const char *path, const char *text)
{
    struct entry entry = plain;
    entry.path = path;
    entry.size = strlen(text);
    add(frame, entry, text);
}

/* A ustar block with a right checksum. `type` 'x' is a pax header for the block after it. */
struct block {
    const char *path;
    const char *linkname;
    const char *prefix;
    const char *size; /* 12 bytes as they stand there; NULL: zero */
    const char *magic;
    unsigned mode;
    char type;
};

static void finish_block(unsigned char block[512])
{
    unsigned sum = 0;
    memset(block + 148, ' ', 8);
    for (size_t i = 0; i < 512; i++)
        sum += block[i];
    snprintf((char *)block + 148, 7, "%06o", sum);
}

static void raw_block(struct bytes *frame, struct block from)
{
    unsigned char block[512] = {0};
    if (from.path)
        memcpy(block, from.path, strlen(from.path));
    snprintf((char *)block + 100, 8, "%07o", from.mode ? from.mode & 07777777 : 0644);
    memcpy(block + 108,
           "0000000\0"
           "0000000",
           15);
    memcpy(block + 124, from.size ? from.size : "00000000000", 12);
    memcpy(block + 136, "00000000001", 11);
    block[156] = (unsigned char)from.type;
    if (from.linkname)
        memcpy(block + 157, from.linkname, strlen(from.linkname));
    memcpy(block + 257,
           from.magic ? from.magic
                      : "ustar\0"
                        "00",
           8);
    if (from.prefix)
        memcpy(block + 345, from.prefix, strlen(from.prefix));
    finish_block(block);
    assert_int_equal(bytes_append(frame, block, 512, NULL), B10_REASON_OK);
}

static void raw_content(struct bytes *frame, const void *content, size_t size)
{
    assert_int_equal(bytes_append(frame, content, size, NULL), B10_REASON_OK);
    assert_int_equal(tar_encode_padding(size, frame, NULL), B10_REASON_OK);
}

/* A pax header with these records as its bytes. */
static void raw_pax(struct bytes *frame, const void *records, size_t size)
{
    char octal[16];
    snprintf(octal, sizeof octal, "%011zo", size);
    raw_block(frame, (struct block){.path = "PaxHeader/x", .type = 'x', .size = octal});
    raw_content(frame, records, size);
}

static void pax(struct bytes *frame, const char *key, const char *value)
{
    char record[600];
    int body = (int)(strlen(key) + strlen(value) + 3), length = body + 1;
    while (snprintf(NULL, 0, "%d", length) + body != length)
        length++;
    int size = snprintf(record, sizeof record, "%d %s=%s\n", length, key, value);
    assert_int_equal(size, length);
    raw_pax(frame, record, (size_t)size);
}

static void raw_file(struct bytes *frame, const char *path)
{
    raw_block(frame, (struct block){.path = path, .type = '0'});
}

/* Reads all members; the reason it ended with. */
static enum b10_reason read_all(const void *data, size_t size, bool header_only, size_t *members,
                                struct b10_error *error)
{
    SCOPED(tar_decoder) struct tar_decoder *decoder = NULL;
    struct entry entry = {0};
    bool found = true;
    TRY(tar_decoder_new(&decoder, error));
    TRY(tar_decoder_begin(decoder, data, size, header_only, "frame 7", error));
    for (*members = 0; found; *members += found) {
        TRY(tar_decoder_next(decoder, &entry, &found, error));
        if (found && entry.content) {
            assert_in_range((uintptr_t)entry.content, (uintptr_t)data, (uintptr_t)data + size);
            assert_true((uintptr_t)entry.content + entry.size <= (uintptr_t)data + size);
        }
    }
    return B10_REASON_OK;
}

/* The frame is refused with this reason and a message that holds `part`. A legal member stands
 * before the bad one, so that the first header is not what is judged. */
static void assert_refused(struct bytes *bad, enum b10_reason reason, const char *part)
{
    for (int with_neighbour = 0; with_neighbour < 2; with_neighbour++) {
        SCOPED(bytes) struct bytes frame = BYTES_EMPTY;
        struct b10_error error = ERROR_NONE;
        size_t members = 0;
        if (with_neighbour)
            add_text(&frame, "inductor/good", "good");
        assert_int_equal(bytes_append(&frame, bad->data, bad->size, NULL), B10_REASON_OK);
        enum b10_reason got = read_all(frame.data, frame.size, false, &members, &error);
        if (got != reason || !strstr(error.message, part))
            fail_msg("expected %d '%s', got %d '%s'", reason, part, got, error.message);
        assert_int_equal(members, with_neighbour);
    }
    bytes_release(bad);
}

/* One member through both halves. */
static void assert_round_trip(struct entry entry, const void *content)
{
    SCOPED(bytes) struct bytes frame = BYTES_EMPTY;
    SCOPED(tar_decoder) struct tar_decoder *decoder = NULL;
    struct b10_error error = ERROR_NONE;
    struct entry back = {0};
    bool found = false;
    add(&frame, entry, content);
    assert_int_equal(frame.size % TAR_BLOCK, 0);
    assert_int_equal(tar_decoder_new(&decoder, &error), B10_REASON_OK);
    assert_int_equal(tar_decoder_begin(decoder, frame.data, frame.size, false, "f", &error), 0);
    if (tar_decoder_next(decoder, &back, &found, &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
    assert_true(found);
    assert_int_equal(back.type, entry.type);
    assert_string_equal(back.path, entry.path);
    if (entry.target)
        assert_string_equal(back.target, entry.target);
    else
        assert_null(back.target);
    assert_int_equal(back.executable, entry.executable);
    assert_int_equal(back.size, entry.size);
    assert_true(back.mtime_s == entry.mtime_s);
    assert_int_equal(back.mtime_ns, entry.mtime_ns);
    if (entry.size > 0)
        assert_memory_equal(back.content, content, entry.size);
    assert_int_equal(tar_decoder_next(decoder, &back, &found, &error), B10_REASON_OK);
    assert_false(found);
}

/* ---- promise ---- */

static void every_type_comes_back_exactly(void **state)
{
    (void)state;
    struct entry entry = plain;
    entry.size = 5;
    assert_round_trip(entry, "hello");
    entry.executable = true;
    assert_round_trip(entry, "hello");
    entry = plain;
    assert_round_trip(entry, "");
    entry.type = ENTRY_DIRECTORY;
    assert_round_trip(entry, "");
    entry.type = ENTRY_SYMLINK;
    entry.target = "../cd/other.py";
    assert_round_trip(entry, "");
    entry.type = ENTRY_HARDLINK;
    entry.target = "inductor/cd/other.py";
    entry.executable = true;
    assert_round_trip(entry, "");
}

static void times_come_back_to_the_nanosecond(void **state)
{
    (void)state;
    static const struct {
        int64_t s;
        uint32_t ns;
    } times[] = {{0, 0},          {0, 1},         {1, 999999999},   {1700000000, 0},
                 {1700000000, 7}, {-5, 0},        {-5, 250000000},  {-1, 999999999},
                 {8589934592, 3}, {1 << 30, 100}, {253402300800, 1}};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct entry entry = plain;
        entry.mtime_s = times[i].s;
        entry.mtime_ns = times[i].ns;
        assert_round_trip(entry, "");
    }
}

static void names_are_bytes(void **state)
{
    (void)state;
    char long_name[300] = "inductor/", deep[4000] = "inductor", trailing[300];
    memset(long_name + 9, 'n', 255);
    long_name[20] = '\n';
    while (strlen(deep) + 3 < 4 * 120)
        memcpy(deep + strlen(deep), "/ab", 4);
    snprintf(trailing, sizeof trailing, "inductor/%0120d", 0);
    const char *names[] = {"inductor/\xc3\xa9",
                           "inductor/e\xcc\x81",
                           "inductor/\xff\xfe x",
                           "inductor/\xed\xa0\x80",
                           "inductor/\xf0\x9f\x98\x80",
                           "inductor/a\nb",
                           "inductor/\x01\x7f\t",
                           "inductor/ lead and trail ",
                           "inductor/-dash",
                           "inductor/._mac",
                           "inductor/GNUSparseFile.0/x",
                           "inductor/a=b",
                           long_name,
                           deep,
                           trailing};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct entry entry = plain;
        entry.path = names[i];
        entry.size = 3;
        assert_round_trip(entry, "abc");
        entry.size = 0;
        entry.type = ENTRY_DIRECTORY;
        assert_round_trip(entry, "");
        entry.type = ENTRY_HARDLINK;
        entry.path = "inductor/zz";
        entry.target = names[i];
        assert_round_trip(entry, "");
        entry.type = ENTRY_SYMLINK;
        entry.target = strchr(names[i], '/') + 1;
        assert_round_trip(entry, "");
    }
}

static void the_longest_path_and_target_fit(void **state)
{
    (void)state;
    char path[PATH_LIMIT + 1] = "r";
    while (strlen(path) + 20 < sizeof path)
        memcpy(path + strlen(path), "/\xc3\xa9\x80-0123456789ab", 17);
    struct entry entry = plain;
    entry.path = path;
    entry.size = 1;
    assert_round_trip(entry, "x");
    entry.size = 0;
    entry.type = ENTRY_DIRECTORY;
    assert_round_trip(entry, "");
    entry.type = ENTRY_SYMLINK;
    entry.target = path;
    assert_round_trip(entry, "");
}

static void content_lies_in_the_frame_uncopied(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    SCOPED(bytes) struct bytes frame = BYTES_EMPTY;
    SCOPED(tar_decoder) struct tar_decoder *decoder = NULL;
    unsigned char body[2000];
    for (int i = 0; i < COUNT; i++) {
        char path[64];
        struct entry entry = plain;
        snprintf(path, sizeof path, "inductor/%d", i);
        entry.path = path;
        entry.size = (uint64_t)(i * 7);
        memset(body, i, sizeof body);
        add(&frame, entry, body);
    }
    assert_int_equal(tar_decoder_new(&decoder, NULL), B10_REASON_OK);
    for (int pass = 0; pass < 3; pass++) {
        struct entry entry = {0};
        bool found = false;
        assert_int_equal(tar_decoder_begin(decoder, frame.data, frame.size, false, "f", NULL), 0);
        for (int i = 0; i < COUNT; i++) {
            assert_int_equal(tar_decoder_next(decoder, &entry, &found, NULL), B10_REASON_OK);
            assert_true(found);
            assert_int_equal(entry.size, i * 7);
            assert_true(i == 0 || ((const unsigned char *)entry.content > frame.data &&
                                   (const unsigned char *)entry.content < frame.data + frame.size));
            memset(body, i, sizeof body);
            assert_memory_equal(i == 0 ? body : entry.content, body, entry.size);
        }
        assert_int_equal(tar_decoder_next(decoder, &entry, &found, NULL), B10_REASON_OK);
        assert_false(found);
    }
}

static void a_header_frame_holds_a_header_and_nothing_else(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1 << 21,           156000001,  (UINT64_C(1) << 33) - 1,
                                     UINT64_C(1) << 33, 9876543210, UINT64_C(1) << 36,
                                     UINT64_C(1) << 40};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        SCOPED(bytes) struct bytes frame = BYTES_EMPTY;
        SCOPED(tar_decoder) struct tar_decoder *decoder = NULL;
        struct b10_error error = ERROR_NONE;
        struct entry entry = plain, back = {0};
        bool found = false;
        size_t members = 0;
        entry.size = sizes[i];
        assert_int_equal(tar_encode_header(&entry, &frame, &error), B10_REASON_OK);
        assert_int_equal(frame.size, 3 * TAR_BLOCK);
        assert_int_equal(tar_decoder_new(&decoder, &error), B10_REASON_OK);
        assert_int_equal(tar_decoder_begin(decoder, frame.data, frame.size, true, "f", &error), 0);
        if (tar_decoder_next(decoder, &back, &found, &error) != B10_REASON_OK)
            fail_msg("%s", error.message);
        assert_true(found && back.size == sizes[i]);
        assert_null(back.content);
        assert_int_equal(tar_decoder_next(decoder, &back, &found, &error), B10_REASON_OK);
        assert_false(found);
        assert_int_equal(bytes_append_zeros(&frame, 512, NULL), B10_REASON_OK);
        assert_int_equal(read_all(frame.data, frame.size, true, &members, &error),
                         B10_REASON_CORRUPT);
    }
}

static void a_header_frame_is_a_files(void **state)
{
    (void)state;
    SCOPED(bytes) struct bytes frame = BYTES_EMPTY;
    struct b10_error error = ERROR_NONE;
    struct entry entry = plain;
    size_t members = 0;
    entry.type = ENTRY_DIRECTORY;
    add(&frame, entry, "");
    assert_int_equal(read_all(frame.data, frame.size, true, &members, &error), B10_REASON_CORRUPT);
}

static void encoding_is_deterministic_and_has_no_owner(void **state)
{
    (void)state;
    SCOPED(bytes) struct bytes a = BYTES_EMPTY, b = BYTES_EMPTY;
    add_text(&a, "inductor/x", "1");
    add_text(&b, "inductor/x", "1");
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    const unsigned char *ustar = a.data + 1024;
    assert_memory_equal(ustar + 100,
                        "000644 \0"
                        "000000 \0"
                        "000000 ",
                        23);
    assert_int_equal(ustar[265], 0);
    assert_int_equal(ustar[297], 0);
}

static void the_callers_locale_is_back_afterwards(void **state)
{
    (void)state;
    locale_t mine = newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0);
    assert_true(mine != (locale_t)0);
    locale_t before = uselocale(mine);
    struct entry entry = plain;
    entry.path = "inductor/e\xcc\x81 \xff";
    entry.size = 2;
    assert_round_trip(entry, "hi");
    assert_true(uselocale((locale_t)0) == mine);
    uselocale(before);
    freelocale(mine);
}

static void gnu_tar_reads_the_names_it_was_given(void **state)
{
    const struct scratch *scratch = *state;
    SCOPED(bytes) struct bytes frame = BYTES_EMPTY;
    char command[700];
    add_text(&frame, "inductor/\xc3\xa9", "nfc");
    add_text(&frame, "inductor/e\xcc\x81", "nfd");
    add_text(&frame, "inductor/\xff raw", "raw");
    assert_int_equal(bytes_append_zeros(&frame, 1024, NULL), B10_REASON_OK);
    scratch_write(scratch, "a.tar", frame.data, frame.size);
    snprintf(command, sizeof command, "tar -C %s -xf %s/a.tar", scratch->path, scratch->path);
    assert_int_equal(system(command), 0);
    char *text = scratch_read(scratch, "inductor/e\xcc\x81", NULL);
    assert_string_equal(text, "nfd");
    free(text);
    text = scratch_read(scratch, "inductor/\xff raw", NULL);
    assert_string_equal(text, "raw");
    free(text);
}

/* ---- edges ---- */

static void padding_fills_the_last_block(void **state)
{
    (void)state;
    static const size_t expected[][2] = {{0, 0}, {1, 511}, {511, 1}, {512, 0}, {513, 511}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        SCOPED(bytes) struct bytes out = BYTES_EMPTY;
        assert_int_equal(tar_encode_padding(expected[i][0], &out, NULL), B10_REASON_OK);
        assert_int_equal(out.size, expected[i][1]);
    }
}

static void an_empty_frame_has_no_members(void **state)
{
    (void)state;
    size_t members = 9;
    assert_int_equal(read_all("", 0, false, &members, NULL), B10_REASON_OK);
    assert_int_equal(members, 0);
}

static void a_full_buffer_keeps_its_content(void **state)
{
    (void)state;
    SCOPED(bytes) struct bytes out = BYTES_CAPPED(700);
    struct b10_error error = ERROR_NONE;
    assert_int_equal(bytes_append(&out, "abc", 3, NULL), B10_REASON_OK);
    assert_int_equal(tar_encode_header(&plain, &out, &error), B10_REASON_TOO_LARGE);
    assert_int_equal(out.size, 3);
    assert_memory_equal(out.data, "abc", 3);
}

/* ---- hostile frames ---- */

static void a_frame_cut_anywhere_is_corrupt(void **state)
{
    (void)state;
    SCOPED(bytes) struct bytes frame = BYTES_EMPTY;
    add_text(&frame, "inductor/one", "first");
    size_t first = frame.size;
    add_text(&frame, "inductor/two", "second");
    for (size_t size = 1; size < frame.size; size++) {
        struct b10_error error = ERROR_NONE;
        size_t members = 0;
        unsigned char *exact = malloc(size); /* so that a read beyond it is seen by the sanitizer */
        assert_non_null(exact);
        memcpy(exact, frame.data, size);
        enum b10_reason reason = read_all(exact, size, false, &members, &error);
        assert_int_equal(reason, size == first ? B10_REASON_OK : B10_REASON_CORRUPT);
        free(exact);
    }
}

static void a_flipped_byte_of_a_header_never_reads_outside(void **state)
{
    (void)state;
    SCOPED(bytes) struct bytes frame = BYTES_EMPTY;
    add_text(&frame, "inductor/one", "first");
    add_text(&frame, "inductor/\xc3\xa9", "second");
    for (size_t i = 0; i < frame.size; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            struct b10_error error = ERROR_NONE;
            size_t members = 0;
            frame.data[i] ^= (unsigned char)(1 << bit);
            enum b10_reason reason = read_all(frame.data, frame.size, false, &members, &error);
            assert_true(reason == B10_REASON_OK || reason == B10_REASON_CORRUPT ||
                        reason == B10_REASON_UNSAFE);
            assert_true(reason != B10_REASON_OK || members == 2);
            frame.data[i] ^= (unsigned char)(1 << bit);
        }
    }
}

static void zeros_are_no_end_of_a_frame(void **state)
{
    (void)state;
    struct bytes frame = BYTES_EMPTY;
    assert_int_equal(bytes_append_zeros(&frame, 1024, NULL), B10_REASON_OK);
    assert_refused(&frame, B10_REASON_CORRUPT, "end-of-archive");
    assert_int_equal(bytes_append_zeros(&frame, 512, NULL), B10_REASON_OK);
    assert_refused(&frame, B10_REASON_CORRUPT, "end-of-archive");
}

static void garbage_is_corrupt(void **state)
{
    (void)state;
    struct bytes frame = BYTES_EMPTY;
    unsigned char block[512];
    memset(block, 'Z', sizeof block);
    assert_int_equal(bytes_append(&frame, block, sizeof block, NULL), B10_REASON_OK);
    assert_refused(&frame, B10_REASON_CORRUPT, "no tar header");
}

static void a_wrong_checksum_is_corrupt(void **state)
{
    (void)state;
    struct bytes frame = BYTES_EMPTY;
    raw_file(&frame, "inductor/x");
    frame.data[5] = 'y';
    assert_refused(&frame, B10_REASON_CORRUPT, "damaged");
    raw_file(&frame, "inductor/x");
    frame.data[156] = '3';
    assert_refused(&frame, B10_REASON_CORRUPT, "damaged");
}

static void only_four_types_are_members(void **state)
{
    (void)state;
    for (int type = 0; type < 256; type++) {
        struct bytes frame = BYTES_EMPTY;
        if (type && strchr("0125x", type))
            continue;
        raw_block(&frame, (struct block){.path = "inductor/x", .type = (char)type});
        assert_refused(&frame, B10_REASON_UNSAFE, "kind of tar header");
    }
}

static void gnu_and_old_headers_are_unsafe(void **state)
{
    (void)state;
    struct bytes frame = BYTES_EMPTY;
    raw_block(&frame, (struct block){.path = "inductor/x", .type = '0', .magic = "ustar  "});
    assert_refused(&frame, B10_REASON_UNSAFE, "kind of tar header");
    raw_block(&frame, (struct block){.path = "inductor/x", .type = 'S', .magic = "ustar  "});
    assert_refused(&frame, B10_REASON_UNSAFE, "kind of tar header");
    raw_block(&frame, (struct block){.path = "inductor/x", .type = '0', .magic = "\0\0\0\0\0\0\0"});
    assert_refused(&frame, B10_REASON_UNSAFE, "kind of tar header");
}

static void unknown_pax_records_are_unsafe(void **state)
{
    (void)state;
    static const char *const keys[] = {"GNU.sparse.major",
                                       "GNU.sparse.map",
                                       "GNU.sparse.name",
                                       "GNU.sparse.realsize",
                                       "SCHILY.acl.access",
                                       "SCHILY.xattr.user.x",
                                       "LIBARCHIVE.xattr.a",
                                       "SCHILY.fflags",
                                       "SCHILY.realsize",
                                       "SUN.holesdata",
                                       "uid",
                                       "uname",
                                       "atime",
                                       "charset",
                                       "paths",
                                       "pat",
                                       "LIBARCHIVE.symlinktype",
                                       ""};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct bytes frame = BYTES_EMPTY;
        pax(&frame, keys[i], "1");
        raw_file(&frame, "inductor/x");
        assert_refused(&frame, B10_REASON_UNSAFE, "pax record that no archive");
    }
}

static void a_pax_record_given_twice_is_unsafe(void **state)
{
    (void)state;
    struct bytes frame = BYTES_EMPTY;
    static const char twice[] = "19 path=inductor/a\n19 path=inductor/b\n";
    raw_pax(&frame, twice, sizeof twice - 1);
    raw_file(&frame, "inductor/x");
    assert_refused(&frame, B10_REASON_UNSAFE, "given twice");
}

static void damaged_pax_records_are_corrupt(void **state)
{
    (void)state;
    static const char *const records[] = {
        "19 path=inductor/a", "99 path=inductor/a\n",          "0 path=x\n",           "3 x\n",
        "path=inductor/a\n",  "18 path=inductor/a\n",          "20 path=inductor/a\n", "7 path\n",
        " path=a\n",          "18446744073709551617 path=a\n", "-9 path=a\n"};
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        struct bytes frame = BYTES_EMPTY;
        raw_pax(&frame, records[i], strlen(records[i]));
        raw_file(&frame, "inductor/x");
        assert_refused(&frame, B10_REASON_CORRUPT, "damaged pax record");
    }
}

static void a_nul_inside_a_name_is_unsafe(void **state)
{
    (void)state;
    struct bytes frame = BYTES_EMPTY;
    static const char record[] = "21 path=inductor/a\0b\n";
    raw_pax(&frame, record, sizeof record - 1);
    raw_file(&frame, "inductor/x");
    assert_refused(&frame, B10_REASON_UNSAFE, "NUL inside");
    raw_file(&frame, "inductor/x");
    frame.data[60] = 'y';
    finish_block(frame.data);
    assert_refused(&frame, B10_REASON_UNSAFE, "NUL inside");
    raw_block(&frame, (struct block){.path = "inductor/x", .type = '2', .linkname = "y"});
    frame.data[157 + 50] = 'y';
    finish_block(frame.data);
    assert_refused(&frame, B10_REASON_UNSAFE, "NUL inside");
}

static void an_empty_pax_value_is_unsafe(void **state)
{
    (void)state;
    struct bytes frame = BYTES_EMPTY;
    pax(&frame, "path", "");
    raw_file(&frame, "inductor/x");
    assert_refused(&frame, B10_REASON_UNSAFE, "empty pax record");
}

static void two_pax_headers_in_a_row_are_unsafe(void **state)
{
    (void)state;
    struct bytes frame = BYTES_EMPTY;
    pax(&frame, "mtime", "1.5");
    pax(&frame, "path", "inductor/y");
    raw_file(&frame, "inductor/x");
    assert_refused(&frame, B10_REASON_UNSAFE, "kind of tar header");
}

static void a_pax_header_needs_its_member(void **state)
{
    (void)state;
    struct bytes frame = BYTES_EMPTY;
    pax(&frame, "mtime", "1.5");
    assert_refused(&frame, B10_REASON_CORRUPT, "cut off");
}

static void pax_records_longer_than_any_name_are_unsafe(void **state)
{
    (void)state;
    struct bytes frame = BYTES_EMPTY;
    raw_block(&frame, (struct block){.path = "p", .type = 'x', .size = "00077777777"});
    assert_refused(&frame, B10_REASON_UNSAFE, "unusual size");
    raw_block(&frame,
              (struct block){.path = "p", .type = 'x', .size = "\x80\0\0\0\0\0\0\0\0\0\0\x10"});
    assert_refused(&frame, B10_REASON_UNSAFE, "unusual size");
}

static void a_pax_size_is_unsafe_in_a_members_frame(void **state)
{
    (void)state;
    static const char *const sizes[] = {"0", "512", "8589934592", "-1", "99999999999999999999999"};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct bytes frame = BYTES_EMPTY;
        pax(&frame, "size", sizes[i]);
        raw_file(&frame, "inductor/x");
        assert_refused(&frame, B10_REASON_UNSAFE, "size in a pax record");
    }
}

static void a_pax_size_in_a_header_frame_is_one_that_ustar_cannot_hold(void **state)
{
    (void)state;
    static const struct {
        const char *size;
        enum b10_reason reason;
    } cases[] = {{"8589934591", B10_REASON_UNSAFE},
                 {"8589934592", B10_REASON_OK},
                 {"9223372036854775807", B10_REASON_UNSAFE},
                 {"18446744073709551616", B10_REASON_UNSAFE},
                 {"1e10", B10_REASON_UNSAFE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        SCOPED(bytes) struct bytes frame = BYTES_EMPTY;
        size_t members = 0;
        pax(&frame, "size", cases[i].size);
        raw_file(&frame, "inductor/x");
        assert_int_equal(read_all(frame.data, frame.size, true, &members, NULL), cases[i].reason);
    }
}

static void sizes_that_are_not_octal_are_unsafe(void **state)
{
    (void)state;
    static const char *const sizes[] = {"\x80\0\0\0\0\0\0\0\0\0\0\x05",
                                        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                                        "-0000000001", "            ", "0000000000z"};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct bytes frame = BYTES_EMPTY;
        raw_block(&frame, (struct block){.path = "inductor/x", .type = '0', .size = sizes[i]});
        raw_content(&frame, "12345", 5);
        assert_refused(&frame, B10_REASON_UNSAFE, "not an octal number");
    }
}

static void sizes_beyond_the_frame_are_corrupt(void **state)
{
    (void)state;
    static const char *const sizes[] = {"00000001001", "00000002000", "77777777777",
                                        "777777777777"};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct bytes frame = BYTES_EMPTY;
        raw_block(&frame, (struct block){.path = "inductor/x", .type = '0', .size = sizes[i]});
        raw_content(&frame, "12345", 5);
        assert_refused(&frame, B10_REASON_CORRUPT, "content that is cut off");
    }
}

static void a_size_that_hides_a_member_is_found_by_its_padding(void **state)
{
    (void)state;
    struct bytes frame = BYTES_EMPTY;
    raw_block(&frame, (struct block){.path = "inductor/x", .type = '0', .size = "00000000005"});
    raw_file(&frame, "inductor/hidden");
    assert_refused(&frame, B10_REASON_CORRUPT, "padding");
}

static void only_files_have_content(void **state)
{
    (void)state;
    for (const char *type = "125"; *type; type++) {
        struct bytes frame = BYTES_EMPTY;
        raw_block(&frame, (struct block){.path = "inductor/x",
                                         .linkname = "inductor/y",
                                         .type = *type,
                                         .size = "00000000005"});
        raw_content(&frame, "12345", 5);
        assert_refused(&frame, B10_REASON_UNSAFE, "not a file");
    }
}

static void set_id_and_sticky_bits_are_unsafe(void **state)
{
    (void)state;
    static const unsigned modes[] = {04755, 02755, 01777, 0100644, 07777};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        struct bytes frame = BYTES_EMPTY;
        raw_block(&frame, (struct block){.path = "inductor/x", .type = '0', .mode = modes[i]});
        assert_refused(&frame, B10_REASON_UNSAFE, "mode");
    }
}

static void paths_that_lead_out_are_unsafe(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "/etc/passwd",  "../x",        "inductor/../x", "inductor/..", "inductor/./x",
        "./inductor/x", "inductor//x", "inductor",      "inductor/",   "Inductor/x",
        "in-ductor/x",  "0x/x",        "inductor/a/..", "x/"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct bytes frame = BYTES_EMPTY;
        raw_file(&frame, paths[i]);
        assert_refused(&frame, B10_REASON_UNSAFE, "");
        pax(&frame, "path", paths[i]);
        raw_file(&frame, "inductor/harmless");
        assert_refused(&frame, B10_REASON_UNSAFE, "");
        raw_block(&frame, (struct block){.path = paths[i], .type = '5'});
        if (strcmp(paths[i], "inductor/x/") != 0)
            assert_refused(&frame, B10_REASON_UNSAFE, "");
    }
}

static void a_file_that_is_named_like_a_directory_is_unsafe(void **state)
{
    (void)state;
    struct bytes frame = BYTES_EMPTY;
    raw_file(&frame, "inductor/x/");
    assert_refused(&frame, B10_REASON_UNSAFE, "two types");
}

static void ustar_prefixes_are_joined_and_checked(void **state)
{
    (void)state;
    SCOPED(bytes) struct bytes frame = BYTES_EMPTY;
    struct bytes bad = BYTES_EMPTY;
    size_t members = 0;
    raw_block(&frame, (struct block){.prefix = "inductor/dir", .path = "x", .type = '0'});
    assert_int_equal(read_all(frame.data, frame.size, false, &members, NULL), B10_REASON_OK);
    assert_int_equal(members, 1);
    raw_block(&bad, (struct block){.prefix = "inductor/..", .path = "x", .type = '0'});
    assert_refused(&bad, B10_REASON_UNSAFE, "path");
    raw_block(&bad, (struct block){.prefix = "/inductor", .path = "x", .type = '0'});
    assert_refused(&bad, B10_REASON_UNSAFE, "path");
}

static void links_that_lead_out_are_unsafe(void **state)
{
    (void)state;
    static const struct {
        char type;
        const char *target;
    } links[] = {{'2', "/etc/passwd"},
                 {'2', "../../x"},
                 {'2', "../.."},
                 {'2', ""},
                 {'1', "other/x"},
                 {'1', "/etc/passwd"},
                 {'1', "inductor/../x"},
                 {'1', "inductor/d/link"},
                 {'1', ""},
                 {'1', "inductor"}};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        struct bytes frame = BYTES_EMPTY;
        raw_block(&frame, (struct block){.path = "inductor/d/link",
                                         .linkname = links[i].target,
                                         .type = links[i].type});
        assert_refused(&frame, B10_REASON_UNSAFE, "");
    }
}

static void damaged_times_are_corrupt(void **state)
{
    (void)state;
    static const char *const times[] = {"x",  "1.",   ".5", "1.1234567890",       "--1",
                                        "1 ", "1.5x", "-",  "9999999999999999999"};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct bytes frame = BYTES_EMPTY;
        pax(&frame, "mtime", times[i]);
        raw_file(&frame, "inductor/x");
        assert_refused(&frame, B10_REASON_CORRUPT, "modification time");
    }
}

static void an_unknown_character_set_is_unsafe(void **state)
{
    (void)state;
    struct bytes frame = BYTES_EMPTY;
    pax(&frame, "hdrcharset", "ISO-IR 8859 1 1998");
    raw_file(&frame, "inductor/x");
    assert_refused(&frame, B10_REASON_UNSAFE, "character set");
}

static void nothing_leaks_after_a_refusal(void **state)
{
    (void)state;
    size_t before = scratch_open_descriptors();
    for (int i = 0; i < 100; i++) {
        struct bytes frame = BYTES_EMPTY;
        raw_block(&frame, (struct block){.path = "inductor/x", .type = '3'});
        assert_refused(&frame, B10_REASON_UNSAFE, "");
    }
    assert_int_equal(scratch_open_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_comes_back_exactly),
        cmocka_unit_test(times_come_back_to_the_nanosecond),
        cmocka_unit_test(names_are_bytes),
        cmocka_unit_test(the_longest_path_and_target_fit),
        cmocka_unit_test(content_lies_in_the_frame_uncopied),
        cmocka_unit_test(a_header_frame_holds_a_header_and_nothing_else),
        cmocka_unit_test(a_header_frame_is_a_files),
        cmocka_unit_test(encoding_is_deterministic_and_has_no_owner),
        cmocka_unit_test(the_callers_locale_is_back_afterwards),
        cmocka_unit_test_setup_teardown(gnu_tar_reads_the_names_it_was_given, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test(padding_fills_the_last_block),
        cmocka_unit_test(an_empty_frame_has_no_members),
        cmocka_unit_test(a_full_buffer_keeps_its_content),
        cmocka_unit_test(a_frame_cut_anywhere_is_corrupt),
        cmocka_unit_test(a_flipped_byte_of_a_header_never_reads_outside),
        cmocka_unit_test(zeros_are_no_end_of_a_frame),
        cmocka_unit_test(garbage_is_corrupt),
        cmocka_unit_test(a_wrong_checksum_is_corrupt),
        cmocka_unit_test(only_four_types_are_members),
        cmocka_unit_test(gnu_and_old_headers_are_unsafe),
        cmocka_unit_test(unknown_pax_records_are_unsafe),
        cmocka_unit_test(a_pax_record_given_twice_is_unsafe),
        cmocka_unit_test(damaged_pax_records_are_corrupt),
        cmocka_unit_test(a_nul_inside_a_name_is_unsafe),
        cmocka_unit_test(an_empty_pax_value_is_unsafe),
        cmocka_unit_test(two_pax_headers_in_a_row_are_unsafe),
        cmocka_unit_test(a_pax_header_needs_its_member),
        cmocka_unit_test(pax_records_longer_than_any_name_are_unsafe),
        cmocka_unit_test(a_pax_size_is_unsafe_in_a_members_frame),
        cmocka_unit_test(a_pax_size_in_a_header_frame_is_one_that_ustar_cannot_hold),
        cmocka_unit_test(sizes_that_are_not_octal_are_unsafe),
        cmocka_unit_test(sizes_beyond_the_frame_are_corrupt),
        cmocka_unit_test(a_size_that_hides_a_member_is_found_by_its_padding),
        cmocka_unit_test(only_files_have_content),
        cmocka_unit_test(set_id_and_sticky_bits_are_unsafe),
        cmocka_unit_test(paths_that_lead_out_are_unsafe),
        cmocka_unit_test(a_file_that_is_named_like_a_directory_is_unsafe),
        cmocka_unit_test(ustar_prefixes_are_joined_and_checked),
        cmocka_unit_test(links_that_lead_out_are_unsafe),
        cmocka_unit_test(damaged_times_are_corrupt),
        cmocka_unit_test(an_unknown_character_set_is_unsafe),
        cmocka_unit_test(nothing_leaks_after_a_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
