/* Frames that are not what the manifest says, or more than anyone should decompress. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "archive/entry.h"
#include "support/hostile.h"

enum { LARGE = 10000, SLICE = 4096 };

/* Frame 0 of the sample is a members frame, 2 the header of the large file, 3 to 5 its slices, then
 * a members frame with its duplicate, then the end. */
enum { MEMBERS = 0, HEADER = 2, FIRST = 3, SECOND = 4, LAST = 5, LINKS = 6 };

static void sealed(struct forge *forge)
{
    forge_init(forge);
    forge_sample(forge, LARGE);
    forge_seal(forge);
    assert_int_equal(forge->frames[HEADER].about.kind, FRAME_HEADER);
    assert_int_equal(forge->frames[LAST].about.kind, FRAME_SLICE);
    assert_int_equal(forge->frames[LINKS].about.kind, FRAME_MEMBERS);
}

static void refused(void **state, struct forge *forge)
{
    hostile_refused(*state, forge, REASON(CORRUPT) | REASON(UNSAFE), NULL);
}

/* The frame's compressed bytes become these; digest and size are told truly. */
static void replace(struct forge *forge, size_t index, const void *compressed, size_t size,
                    uint32_t content_size)
{
    struct forge_frame *frame = &forge->frames[index];
    bytes_clear(&frame->compressed);
    assert_int_equal(bytes_append(&frame->compressed, compressed, size, NULL), B10_REASON_OK);
    struct frame *told = &forge->manifest.frames[index];
    told->compressed_size = (uint32_t)size;
    told->content_size = content_size;
    digest_256(told->digest, compressed, size);
}

/* The row follows the manifest, so that only the frame itself lies. */
static void tell_row(struct forge *forge, size_t index)
{
    forge_assemble(forge);
    forge->rows[index].content_size = forge->manifest.frames[index].content_size;
    bytes_clear(&forge->file);
}

static void a_wrong_digest_is_refused(void **state)
{
    struct forge forge;
    for (size_t i = 0; i <= LINKS + 1; i++) {
        sealed(&forge);
        forge.manifest.frames[i].digest[i % DIGEST_SIZE] ^= 1;
        hostile_refused(*state, &forge, REASON(CORRUPT), NULL);
    }
}

static void a_wrong_frame_checksum_is_refused(void **state)
{
    struct forge forge;
    sealed(&forge);
    struct bytes *compressed = &forge.frames[MEMBERS].compressed;
    compressed->data[compressed->size - 1] ^= 1;
    digest_256(forge.manifest.frames[MEMBERS].digest, compressed->data, compressed->size);
    hostile_refused(*state, &forge, REASON(CORRUPT), NULL);
}

static void a_content_size_that_lies_is_refused(void **state)
{
    const int64_t changes[] = {-512, -1, 1, 512, 1 << 20};
    for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
        struct forge forge;
        sealed(&forge);
        struct frame *told = &forge.manifest.frames[MEMBERS];
        told->content_size = (uint32_t)(told->content_size + changes[i]);
        tell_row(&forge, MEMBERS);
        refused(state, &forge);
    }
}

/* As the format wants them: checksum and content size stated. */
static size_t squeeze(void *out, size_t room, const void *data, size_t size, bool stated)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, stated);
    size_t made = ZSTD_compress2(context, out, room, data, size);
    assert_false(ZSTD_isError(made));
    ZSTD_freeCCtx(context);
    return made;
}

static void refuse_bomb(void **state, const void *bomb, size_t size, uint32_t told)
{
    struct forge forge;
    sealed(&forge);
    replace(&forge, MEMBERS, bomb, size, told);
    tell_row(&forge, MEMBERS);
    refused(state, &forge);
}

/* Some kilobytes that hold a gigabyte, whatever the manifest says. */
static void frame_bombs_are_refused(void **state)
{
    size_t size = (size_t)1 << 30;
    unsigned char *zeros = calloc(1, size);
    size_t bound = ZSTD_compressBound(size);
    unsigned char *bomb = malloc(bound);
    assert_true(zeros != NULL && bomb != NULL);
    size_t made = squeeze(bomb, bound, zeros, size, true);
    refuse_bomb(state, bomb, made, (uint32_t)size);
    refuse_bomb(state, bomb, made, FRAME_CONTENT_LIMIT);
    refuse_bomb(state, bomb, made, 1024);
    made = squeeze(bomb, bound, zeros, FRAME_CONTENT_LIMIT + 512, true);
    refuse_bomb(state, bomb, made, FRAME_CONTENT_LIMIT + 512);
    free(zeros);
    free(bomb);
}

/* A frame by hand (RFC 8878, 3.1.1): window descriptor, 4 bytes of content size, one raw block, and
 * the checksum that ends every other frame of this content. */
static void by_hand(struct forge *forge, unsigned window_log)
{
    const struct bytes *content = &forge->frames[MEMBERS].content;
    const struct bytes *honest = &forge->frames[MEMBERS].compressed;
    struct bytes made = BYTES_EMPTY;
    unsigned char header[13] = {0x28, 0xb5, 0x2f, 0xfd, 0x84};
    header[5] = (unsigned char)((window_log - 10) << 3);
    le32_put(header + 6, (uint32_t)content->size);
    uint32_t block = (uint32_t)content->size << 3 | 1;
    header[10] = (unsigned char)block;
    header[11] = (unsigned char)(block >> 8);
    header[12] = (unsigned char)(block >> 16);
    assert_int_equal(bytes_append(&made, header, sizeof(header), NULL), B10_REASON_OK);
    assert_int_equal(bytes_append(&made, content->data, content->size, NULL), B10_REASON_OK);
    assert_int_equal(bytes_append(&made, honest->data + honest->size - 4, 4, NULL), B10_REASON_OK);
    replace(forge, MEMBERS, made.data, made.size, (uint32_t)content->size);
    bytes_release(&made);
}

static void a_window_too_large_is_refused(void **state)
{
    for (unsigned window_log = FRAME_WINDOW_LOG_LIMIT + 1; window_log <= 41; window_log++) {
        struct forge forge;
        sealed(&forge);
        by_hand(&forge, window_log);
        refused(state, &forge);
    }
}

static void a_window_at_the_limit_is_accepted(void **state)
{
    struct scratch *scratch = *state;
    struct forge forge;
    sealed(&forge);
    by_hand(&forge, FRAME_WINDOW_LOG_LIMIT);
    forge_save(&forge, scratch_path(scratch, "volume/a.tar.zst"));
    forge_release(&forge);
    struct b10_error error = ERROR_NONE;
    if (hostile_load(scratch, 1, &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
}

static void a_frame_without_content_size_is_refused(void **state)
{
    struct forge forge;
    sealed(&forge);
    const struct bytes *content = &forge.frames[MEMBERS].content;
    unsigned char frame[16384];
    size_t size = squeeze(frame, sizeof(frame), content->data, content->size, false);
    replace(&forge, MEMBERS, frame, size, (uint32_t)content->size);
    refused(state, &forge);
}

/* A slice in two frames, or with a skippable one behind it: together the content is right. */
static void two_frames_in_one_are_refused(void **state)
{
    struct forge forge;
    sealed(&forge);
    const struct bytes *content = &forge.frames[SECOND].content;
    unsigned char frames[2 * SLICE];
    size_t half = content->size / 2;
    size_t size = squeeze(frames, sizeof(frames), content->data, half, true);
    size += squeeze(frames + size, sizeof(frames) - size, content->data + half, half, true);
    replace(&forge, SECOND, frames, size, (uint32_t)content->size);
    refused(state, &forge);

    sealed(&forge);
    struct bytes *compressed = &forge.frames[SECOND].compressed;
    unsigned char header[SKIPPABLE_HEADER_SIZE];
    skippable_header(header, 0x184D2A50, 0);
    assert_int_equal(bytes_append(compressed, header, sizeof(header), NULL), B10_REASON_OK);
    struct frame *told = &forge.manifest.frames[SECOND];
    told->compressed_size = (uint32_t)compressed->size;
    digest_256(told->digest, compressed->data, compressed->size);
    refused(state, &forge);
}

static void a_frame_that_is_no_zstd_is_refused(void **state)
{
    struct forge forge;
    sealed(&forge);
    replace(&forge, SECOND, "not zstd at all", 15, SLICE);
    refused(state, &forge);

    sealed(&forge);
    unsigned char skippable[SKIPPABLE_HEADER_SIZE];
    skippable_header(skippable, 0x184D2A50, 0);
    replace(&forge, SECOND, skippable, sizeof(skippable), SLICE);
    refused(state, &forge);
}

static void member_counts_that_lie_are_refused(void **state)
{
    for (size_t i = 0; i <= LINKS + 1; i++) {
        for (uint32_t change = 0; change < 3; change++) {
            struct forge forge;
            sealed(&forge);
            uint32_t *members = &forge.manifest.frames[i].members;
            if (change == 2 && *members == 0)
                *members = 7;
            else
                *members = change == 0 ? *members + 1 : change == 1 ? *members - 1 : 0;
            refused(state, &forge);
        }
    }
}

static void kinds_that_lie_are_refused(void **state)
{
    for (size_t i = 0; i <= LINKS + 1; i++) {
        for (int kind = FRAME_MEMBERS; kind <= FRAME_END; kind++) {
            struct forge forge;
            sealed(&forge);
            bool honest = forge.manifest.frames[i].kind == (enum frame_kind)kind;
            forge.manifest.frames[i].kind = (enum frame_kind)kind;
            if (honest)
                forge_release(&forge);
            else
                refused(state, &forge);
        }
    }
}

static void ends_that_are_none_are_refused(void **state)
{
    struct forge forge;
    sealed(&forge);
    size_t end = forge.frame_count - 1;
    forge.frames[end].content.data[7] = 1;
    forge_recompress(&forge, end);
    refused(state, &forge);

    sealed(&forge);
    assert_int_equal(bytes_append_zeros(&forge.frames[end].content, 512, NULL), B10_REASON_OK);
    forge_recompress(&forge, end);
    refused(state, &forge);
}

static void an_end_before_the_end_is_refused(void **state)
{
    struct forge forge;
    forge_init(&forge);
    forge_file(&forge, "inductor/a", "x");
    assert_int_equal(bytes_append_zeros(&forge_frame(&forge, FRAME_END)->content, ARCHIVE_END_SIZE,
                                        NULL),
                     B10_REASON_OK);
    forge_file(&forge, "inductor/b", "x");
    refused(state, &forge);
}

static void an_end_within_a_members_frame_is_refused(void **state)
{
    const unsigned char zeros[ARCHIVE_END_SIZE] = {0};
    struct forge forge;
    forge_init(&forge);
    forge_file(&forge, "inductor/a", "x");
    forge_raw(&forge, zeros, sizeof(zeros), 0);
    forge_file(&forge, "inductor/b", "x");
    refused(state, &forge);

    forge_init(&forge);
    forge_file(&forge, "inductor/a", "x");
    forge_raw(&forge, zeros, sizeof(zeros), 0);
    refused(state, &forge);
}

static void a_members_frame_of_garbage_is_refused(void **state)
{
    unsigned char garbage[2048];
    memset(garbage, 'Z', sizeof(garbage));
    struct forge forge;
    forge_init(&forge);
    forge_file(&forge, "inductor/a", "x");
    forge_close_frame(&forge);
    forge_raw(&forge, garbage, sizeof(garbage), 1);
    refused(state, &forge);

    forge_init(&forge);
    forge_file(&forge, "inductor/a", "x");
    forge_raw(&forge, garbage, 17, 0);
    refused(state, &forge);
}

static void a_member_across_two_frames_is_refused(void **state)
{
    struct forge_tar tar = {.name = "inductor/b", .size = 2000};
    unsigned char content[2000];
    memset(content, 'c', sizeof(content));
    struct forge forge;
    forge_init(&forge);
    forge_file(&forge, "inductor/a", "x");
    forge_add(&forge, &tar, NULL);
    forge_raw(&forge, content, 1024, 0);
    forge_close_frame(&forge);
    forge_raw(&forge, content, 1024, 1);
    refused(state, &forge);
}

/* Thousands of copies of one large file that the totals do not announce: refused before they are
 * written. */
static void a_bomb_of_duplicates_is_stopped_at_the_totals(void **state)
{
    struct scratch *scratch = *state;
    enum { SIZE = 512 << 10, COPIES = 500 };
    char *content = malloc(SIZE);
    assert_non_null(content);
    memset(content, 'c', SIZE);
    struct forge forge;
    forge_init(&forge);
    struct forge_tar tar = {.name = "inductor/original", .size = SIZE};
    forge_add(&forge, &tar, content);
    for (unsigned i = 0; i < COPIES; i++) {
        char name[64];
        snprintf(name, sizeof(name), "inductor/copy%u", i);
        forge_link(&forge, name, "inductor/original", SIZE);
    }
    free(content);
    struct manifest_totals *totals = &forge.manifest.totals;
    totals->files -= COPIES - 2;
    totals->duplicates -= COPIES - 2;
    totals->bytes -= (uint64_t)(COPIES - 2) * SIZE;
    refused(state, &forge);
    assert_true(scratch_count(scratch, "stage/inductor") <= 3);
}

static void an_archive_of_nothing_but_its_end_is_accepted_or_refused_whole(void **state)
{
    struct scratch *scratch = *state;
    struct forge forge;
    forge_init(&forge);
    forge_save(&forge, scratch_path(scratch, "volume/a.tar.zst"));
    forge_release(&forge);
    struct b10_error error = ERROR_NONE;
    enum b10_reason reason = hostile_load(scratch, 4, &error);
    assert_true(reason == B10_REASON_OK || reason == B10_REASON_CORRUPT);
    assert_int_equal(hostile_check(scratch, &error), reason);
    assert_int_equal(scratch_count(scratch, "stage"), 2);
}

int main(void)
{
#define HOSTILE(test) cmocka_unit_test_setup_teardown(test, hostile_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        HOSTILE(a_wrong_digest_is_refused),
        HOSTILE(a_wrong_frame_checksum_is_refused),
        HOSTILE(a_content_size_that_lies_is_refused),
        HOSTILE(frame_bombs_are_refused),
        HOSTILE(a_window_too_large_is_refused),
        HOSTILE(a_window_at_the_limit_is_accepted),
        HOSTILE(a_frame_without_content_size_is_refused),
        HOSTILE(two_frames_in_one_are_refused),
        HOSTILE(a_frame_that_is_no_zstd_is_refused),
        HOSTILE(member_counts_that_lie_are_refused),
        HOSTILE(kinds_that_lie_are_refused),
        HOSTILE(ends_that_are_none_are_refused),
        HOSTILE(an_end_before_the_end_is_refused),
        HOSTILE(an_end_within_a_members_frame_is_refused),
        HOSTILE(a_members_frame_of_garbage_is_refused),
        HOSTILE(a_member_across_two_frames_is_refused),
        HOSTILE(a_bomb_of_duplicates_is_stopped_at_the_totals),
        HOSTILE(an_archive_of_nothing_but_its_end_is_accepted_or_refused_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
