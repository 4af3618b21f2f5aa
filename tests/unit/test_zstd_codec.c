#include "archive/zstd_codec.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "archive/frame.h"
#include "base/guard.h"
#include "support/scratch.h"

struct codec {
    struct zstd_encoder *encoder;
    struct zstd_decoder *decoder;
};

static int setup(void **state)
{
    struct codec *codec = calloc(1, sizeof *codec);
    assert_non_null(codec);
    assert_int_equal(zstd_encoder_new(&codec->encoder, 1, NULL), B10_REASON_OK);
    assert_int_equal(zstd_decoder_new(&codec->decoder, NULL), B10_REASON_OK);
    *state = codec;
    return 0;
}

static int teardown(void **state)
{
    struct codec *codec = *state;
    zstd_encoder_free(codec->encoder);
    zstd_decoder_free(codec->decoder);
    free(codec);
    return 0;
}

/* Half noise, half repetition. */
static unsigned char *sample(size_t size)
{
    unsigned char *data = malloc(size ? size : 1);
    uint32_t seed = 1;
    assert_non_null(data);
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525 + 1013904223;
        data[i] = (unsigned char)(i / 512 % 2 ? seed >> 24 : i % 7);
    }
    return data;
}

static enum b10_reason decode(struct codec *codec, const struct bytes *frame, size_t content_size)
{
    SCOPED(heap) unsigned char *content = malloc(content_size ? content_size : 1);
    assert_non_null(content);
    return zstd_decode(codec->decoder, frame->data, frame->size, content, content_size, "a", NULL);
}

/* A frame made with other settings than ours. */
static void foreign_frame(struct bytes *frame, const unsigned char *data, size_t size,
                          ZSTD_cParameter parameter, int value)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)));
    assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(context, parameter, value)));
    assert_int_equal(bytes_reserve(frame, ZSTD_compressBound(size), NULL), B10_REASON_OK);
    frame->size = ZSTD_compress2(context, frame->data, ZSTD_compressBound(size), data, size);
    assert_false(ZSTD_isError(frame->size));
    ZSTD_freeCCtx(context);
}

/* ---- promise ---- */

static void content_comes_back(void **state)
{
    struct codec *codec = *state;
    static const size_t sizes[] = {0, 1, 511, 65536, 1 << 20, (1 << 20) + 1, FRAME_CONTENT_LIMIT};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        SCOPED(bytes) struct bytes frame = BYTES_EMPTY;
        SCOPED(heap) unsigned char *data = sample(sizes[i]);
        SCOPED(heap) unsigned char *back = malloc(sizes[i] + 1);
        assert_int_equal(bytes_append(&frame, "before", 6, NULL), B10_REASON_OK);
        assert_int_equal(zstd_encode(codec->encoder, data, sizes[i], &frame, NULL), B10_REASON_OK);
        assert_memory_equal(frame.data, "before", 6);
        assert_int_equal(zstd_decode(codec->decoder, frame.data + 6, frame.size - 6, back, sizes[i],
                                     "a", NULL),
                         B10_REASON_OK);
        assert_memory_equal(back, data, sizes[i]);
    }
}

static void every_level_works(void **state)
{
    struct codec *codec = *state;
    SCOPED(heap) unsigned char *data = sample(300000);
    for (int level = ZSTD_CODEC_LEVEL_MIN; level <= ZSTD_CODEC_LEVEL_MAX; level += 3) {
        SCOPED(bytes) struct bytes frame = BYTES_EMPTY;
        SCOPED(zstd_encoder) struct zstd_encoder *encoder = NULL;
        assert_int_equal(zstd_encoder_new(&encoder, level, NULL), B10_REASON_OK);
        assert_int_equal(zstd_encode(encoder, data, 300000, &frame, NULL), B10_REASON_OK);
        assert_true(frame.size < 300000);
        assert_int_equal(decode(codec, &frame, 300000), B10_REASON_OK);
    }
}

static void equal_content_gives_equal_frames(void **state)
{
    struct codec *codec = *state;
    SCOPED(bytes) struct bytes a = BYTES_EMPTY;
    SCOPED(bytes) struct bytes b = BYTES_EMPTY;
    SCOPED(bytes) struct bytes other = BYTES_EMPTY;
    SCOPED(heap) unsigned char *data = sample(100000);
    assert_int_equal(zstd_encode(codec->encoder, data, 100000, &a, NULL), B10_REASON_OK);
    assert_int_equal(zstd_encode(codec->encoder, data, 77, &other, NULL), B10_REASON_OK);
    assert_int_equal(zstd_encode(codec->encoder, data, 100000, &b, NULL), B10_REASON_OK);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
}

static void a_stream_is_one_frame_that_can_be_pulled(void **state)
{
    struct codec *codec = *state;
    enum { SIZE = 700001 };
    SCOPED(bytes) struct bytes frame = BYTES_EMPTY;
    SCOPED(bytes) struct bytes back = BYTES_EMPTY;
    SCOPED(heap) unsigned char *data = sample(SIZE);
    for (int pass = 0; pass < 2; pass++) {
        bytes_clear(&frame);
        bytes_clear(&back);
        for (size_t at = 0, step = 1; at < SIZE; at += step, step = step % 5000 + 77) {
            step = step < SIZE - at ? step : SIZE - at;
            assert_int_equal(zstd_stream_feed(codec->encoder, data + at, step, &frame, NULL), 0);
        }
        assert_int_equal(zstd_stream_end(codec->encoder, &frame, NULL), B10_REASON_OK);
        assert_int_equal(ZSTD_findFrameCompressedSize(frame.data, frame.size), frame.size);
        size_t got = 1;
        zstd_pull_begin(codec->decoder, frame.data, frame.size);
        while (got > 0) {
            unsigned char piece[999];
            assert_int_equal(zstd_pull(codec->decoder, piece, sizeof piece, &got, "a", NULL), 0);
            assert_int_equal(bytes_append(&back, piece, got, NULL), B10_REASON_OK);
        }
        assert_int_equal(back.size, SIZE);
        assert_memory_equal(back.data, data, SIZE);
    }
}

static void a_stream_of_nothing_is_a_frame(void **state)
{
    struct codec *codec = *state;
    SCOPED(bytes) struct bytes frame = BYTES_EMPTY;
    unsigned char piece[8];
    size_t got = 1;
    assert_int_equal(zstd_stream_end(codec->encoder, &frame, NULL), B10_REASON_OK);
    assert_true(frame.size > 0);
    zstd_pull_begin(codec->decoder, frame.data, frame.size);
    assert_int_equal(zstd_pull(codec->decoder, piece, sizeof piece, &got, "a", NULL),
                     B10_REASON_OK);
    assert_int_equal(got, 0);
}

static void bounded_decoding_appends(void **state)
{
    struct codec *codec = *state;
    SCOPED(bytes) struct bytes frame = BYTES_EMPTY;
    SCOPED(bytes) struct bytes out = BYTES_EMPTY;
    assert_int_equal(bytes_append(&out, "<", 1, NULL), B10_REASON_OK);
    assert_int_equal(zstd_encode(codec->encoder, "hello", 5, &frame, NULL), B10_REASON_OK);
    assert_int_equal(zstd_decode_bounded(codec->decoder, frame.data, frame.size, 5, &out, "a",
                                         NULL),
                     B10_REASON_OK);
    assert_int_equal(out.size, 6);
    assert_memory_equal(out.data, "<hello", 6);
}

/* ---- hostile frames ---- */

static void another_content_size_is_corrupt(void **state)
{
    struct codec *codec = *state;
    SCOPED(bytes) struct bytes frame = BYTES_EMPTY;
    SCOPED(heap) unsigned char *data = sample(5000);
    assert_int_equal(zstd_encode(codec->encoder, data, 5000, &frame, NULL), B10_REASON_OK);
    assert_int_equal(decode(codec, &frame, 4999), B10_REASON_CORRUPT);
    assert_int_equal(decode(codec, &frame, 5001), B10_REASON_CORRUPT);
    assert_int_equal(decode(codec, &frame, 0), B10_REASON_CORRUPT);
}

static void a_frame_beyond_the_limit_is_refused_before_it_is_decoded(void **state)
{
    struct codec *codec = *state;
    SCOPED(bytes) struct bytes frame = BYTES_EMPTY;
    SCOPED(bytes) struct bytes out = BYTES_EMPTY;
    SCOPED(heap) unsigned char *zeros = calloc(1, 1 << 20);
    assert_int_equal(zstd_encode(codec->encoder, zeros, 1 << 20, &frame, NULL), B10_REASON_OK);
    assert_int_equal(zstd_decode_bounded(codec->decoder, frame.data, frame.size, (1 << 20) - 1,
                                         &out, "a", NULL),
                     B10_REASON_UNSAFE);
    assert_int_equal(out.capacity, 0);
}

static void a_frame_that_lies_about_its_size_is_corrupt(void **state)
{
    struct codec *codec = *state;
    SCOPED(bytes) struct bytes frame = BYTES_EMPTY;
    SCOPED(bytes) struct bytes out = BYTES_EMPTY;
    SCOPED(heap) unsigned char *data = sample(60000);
    assert_int_equal(zstd_encode(codec->encoder, data, 60000, &frame, NULL), B10_REASON_OK);
    assert_int_equal(frame.data[4] & 0xe0, 0x60); /* single segment, two bytes of content size */
    frame.data[5]++;
    assert_int_equal(decode(codec, &frame, 60001), B10_REASON_CORRUPT);
    assert_int_equal(zstd_decode_bounded(codec->decoder, frame.data, frame.size, 1 << 20, &out, "a",
                                         NULL),
                     B10_REASON_CORRUPT);
    assert_int_equal(out.size, 0);
}

static void a_frame_without_content_size_is_corrupt(void **state)
{
    struct codec *codec = *state;
    SCOPED(bytes) struct bytes frame = BYTES_EMPTY;
    SCOPED(bytes) struct bytes out = BYTES_EMPTY;
    SCOPED(heap) unsigned char *data = sample(5000);
    foreign_frame(&frame, data, 5000, ZSTD_c_contentSizeFlag, 0);
    assert_int_equal(decode(codec, &frame, 5000), B10_REASON_CORRUPT);
    assert_int_equal(zstd_decode_bounded(codec->decoder, frame.data, frame.size, 9000, &out, "a",
                                         NULL),
                     B10_REASON_CORRUPT);
}

static void a_frame_without_checksum_is_corrupt(void **state)
{
    struct codec *codec = *state;
    SCOPED(bytes) struct bytes frame = BYTES_EMPTY;
    SCOPED(heap) unsigned char *data = sample(5000);
    foreign_frame(&frame, data, 5000, ZSTD_c_checksumFlag, 0);
    assert_int_equal(decode(codec, &frame, 5000), B10_REASON_CORRUPT);
}

/* Header only: magic, descriptor with checksum flag, window byte, one empty last block. */
static void windows_beyond_the_limit_are_corrupt_before_anything_is_allocated(void **state)
{
    struct codec *codec = *state;
    static const struct {
        unsigned char window;
        bool allowed;
    } cases[] = {{17 << 3, true}, {(17 << 3) | 1, false}, {18 << 3, false}, {0xff, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0x04, cases[i].window, 1, 0,
                                 0,    0x99, 0xe9, 0xd8, 0x51};
        unsigned char piece[8];
        size_t got = 0;
        zstd_pull_begin(codec->decoder, frame, sizeof frame);
        assert_int_equal(zstd_pull(codec->decoder, piece, sizeof piece, &got, "a", NULL),
                         cases[i].allowed ? B10_REASON_OK : B10_REASON_CORRUPT);
    }
}

static void a_dictionary_is_corrupt(void **state)
{
    struct codec *codec = *state;
    SCOPED(bytes) struct bytes frame = BYTES_EMPTY;
    assert_int_equal(zstd_encode(codec->encoder, "hello", 5, &frame, NULL), B10_REASON_OK);
    frame.data[4] |= 1;
    assert_int_equal(decode(codec, &frame, 5), B10_REASON_CORRUPT);
}

static void skippable_and_empty_frames_are_corrupt(void **state)
{
    struct codec *codec = *state;
    unsigned char skippable[12] = {0x5b, 0x2a, 0x4d, 0x18, 4};
    unsigned char content[8], piece[8];
    size_t got = 0;
    assert_int_equal(zstd_decode(codec->decoder, skippable, 12, content, 0, "a", NULL),
                     B10_REASON_CORRUPT);
    assert_int_equal(zstd_decode(codec->decoder, "", 0, content, 0, "a", NULL), B10_REASON_CORRUPT);
    zstd_pull_begin(codec->decoder, skippable, sizeof skippable);
    assert_int_equal(zstd_pull(codec->decoder, piece, 8, &got, "a", NULL), B10_REASON_CORRUPT);
    zstd_pull_begin(codec->decoder, NULL, 0);
    assert_int_equal(zstd_pull(codec->decoder, piece, 8, &got, "a", NULL), B10_REASON_CORRUPT);
}

static enum b10_reason pull_all(struct codec *codec, const void *data, size_t size)
{
    unsigned char piece[512];
    size_t got = 1;
    zstd_pull_begin(codec->decoder, data, size);
    while (got > 0)
        TRY(zstd_pull(codec->decoder, piece, sizeof piece, &got, "a", NULL));
    return B10_REASON_OK;
}

static void a_frame_cut_or_followed_by_anything_is_corrupt(void **state)
{
    struct codec *codec = *state;
    SCOPED(bytes) struct bytes frame = BYTES_EMPTY;
    SCOPED(heap) unsigned char *data = sample(3000);
    unsigned char content[3000];
    assert_int_equal(zstd_encode(codec->encoder, data, 3000, &frame, NULL), B10_REASON_OK);
    for (size_t size = 0; size < frame.size; size++) {
        assert_int_equal(zstd_decode(codec->decoder, frame.data, size, content, 3000, "a", NULL),
                         B10_REASON_CORRUPT);
        assert_int_equal(pull_all(codec, frame.data, size), B10_REASON_CORRUPT);
    }
    assert_int_equal(pull_all(codec, frame.data, frame.size), B10_REASON_OK);
    size_t one = frame.size;
    assert_int_equal(zstd_encode(codec->encoder, "", 0, &frame, NULL), B10_REASON_OK);
    assert_int_equal(decode(codec, &frame, 3000), B10_REASON_CORRUPT);
    assert_int_equal(pull_all(codec, frame.data, frame.size), B10_REASON_CORRUPT);
    assert_int_equal(pull_all(codec, frame.data, one + 1), B10_REASON_CORRUPT);
}

static void a_flipped_bit_never_gives_other_content(void **state)
{
    struct codec *codec = *state;
    SCOPED(bytes) struct bytes frame = BYTES_EMPTY;
    SCOPED(heap) unsigned char *data = sample(2000);
    unsigned char content[2000];
    assert_int_equal(zstd_encode(codec->encoder, data, 2000, &frame, NULL), B10_REASON_OK);
    for (size_t i = 0; i < frame.size; i++) {
        for (int bit = 0; bit < 8; bit++) {
            frame.data[i] ^= (unsigned char)(1 << bit);
            enum b10_reason reason =
                zstd_decode(codec->decoder, frame.data, frame.size, content, 2000, "a", NULL);
            assert_true(reason == B10_REASON_CORRUPT ||
                        (reason == B10_REASON_OK && memcmp(content, data, 2000) == 0));
            frame.data[i] ^= (unsigned char)(1 << bit);
        }
    }
}

static void a_decoder_works_on_after_a_damaged_frame(void **state)
{
    struct codec *codec = *state;
    SCOPED(bytes) struct bytes frame = BYTES_EMPTY;
    unsigned char piece[16];
    size_t got = 0;
    assert_int_equal(zstd_encode(codec->encoder, "hello", 5, &frame, NULL), B10_REASON_OK);
    zstd_pull_begin(codec->decoder, frame.data, frame.size - 1);
    assert_int_equal(zstd_pull(codec->decoder, piece, 16, &got, "a", NULL), B10_REASON_CORRUPT);
    assert_int_equal(decode(codec, &frame, 5), B10_REASON_OK);
    zstd_pull_begin(codec->decoder, frame.data, frame.size);
    assert_int_equal(zstd_pull(codec->decoder, piece, 16, &got, "a", NULL), B10_REASON_OK);
    assert_int_equal(got, 5);
}

static void a_capped_buffer_is_not_exceeded(void **state)
{
    struct codec *codec = *state;
    SCOPED(bytes) struct bytes out = BYTES_CAPPED(100);
    struct b10_error error = ERROR_NONE;
    SCOPED(heap) unsigned char *data = sample(5000);
    assert_int_equal(zstd_encode(codec->encoder, data, 5000, &out, &error), B10_REASON_TOO_LARGE);
    assert_int_equal(out.size, 0);
}

int main(void)
{
#define WITH_CODEC(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_CODEC(content_comes_back),
        WITH_CODEC(every_level_works),
        WITH_CODEC(equal_content_gives_equal_frames),
        WITH_CODEC(a_stream_is_one_frame_that_can_be_pulled),
        WITH_CODEC(a_stream_of_nothing_is_a_frame),
        WITH_CODEC(bounded_decoding_appends),
        WITH_CODEC(another_content_size_is_corrupt),
        WITH_CODEC(a_frame_beyond_the_limit_is_refused_before_it_is_decoded),
        WITH_CODEC(a_frame_that_lies_about_its_size_is_corrupt),
        WITH_CODEC(a_frame_without_content_size_is_corrupt),
        WITH_CODEC(a_frame_without_checksum_is_corrupt),
        WITH_CODEC(windows_beyond_the_limit_are_corrupt_before_anything_is_allocated),
        WITH_CODEC(a_dictionary_is_corrupt),
        WITH_CODEC(skippable_and_empty_frames_are_corrupt),
        WITH_CODEC(a_frame_cut_or_followed_by_anything_is_corrupt),
        WITH_CODEC(a_flipped_bit_never_gives_other_content),
        WITH_CODEC(a_decoder_works_on_after_a_damaged_frame),
        WITH_CODEC(a_capped_buffer_is_not_exceeded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
