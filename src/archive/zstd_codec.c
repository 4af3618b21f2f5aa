#include "archive/zstd_codec.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "archive/frame.h"
#include "archive/seek_table.h"

struct zstd_encoder {
    ZSTD_CCtx *context; /* owned */
};

struct zstd_decoder {
    ZSTD_DCtx *context;  /* owned */
    ZSTD_inBuffer input; /* zstd_pull: borrowed */
    bool checked;        /* zstd_pull: the frame header has been */
    bool ended;          /* zstd_pull: the frame is complete */
};

/* ---- encoding ---- */

enum b10_reason zstd_encoder_new(struct zstd_encoder **out, int level, struct b10_error *error)
{
    *out = NULL;
    SCOPED(zstd_encoder) struct zstd_encoder *encoder = calloc(1, sizeof *encoder);
    if (!encoder || !(encoder->context = ZSTD_createCCtx()))
        return error_no_memory(error);
    if (ZSTD_isError(ZSTD_CCtx_setParameter(encoder->context, ZSTD_c_compressionLevel, level)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(encoder->context, ZSTD_c_checksumFlag, 1)))
        return error_set(error, B10_REASON_INTERNAL, "zstd refuses level %d", level);
    *out = HEAP_TAKE(encoder);
    return B10_REASON_OK;
}

void zstd_encoder_free(struct zstd_encoder *encoder)
{
    if (!encoder)
        return;
    ZSTD_freeCCtx(encoder->context);
    free(encoder);
}

void zstd_encoder_guard(struct zstd_encoder **encoder)
{
    zstd_encoder_free(*encoder);
}

static enum b10_reason encode_failed(size_t code, struct b10_error *error)
{
    if (ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation)
        return error_no_memory(error);
    return error_set(error, B10_REASON_INTERNAL, "zstd cannot compress: %s",
                     ZSTD_getErrorName(code));
}

enum b10_reason zstd_encode(struct zstd_encoder *encoder, const void *data, size_t size,
                            struct bytes *out, struct b10_error *error)
{
    TRY(bytes_reserve(out, ZSTD_compressBound(size), error));
    size_t written = ZSTD_compress2(encoder->context, out->data + out->size,
                                    ZSTD_compressBound(size), data, size);
    if (ZSTD_isError(written))
        return encode_failed(written, error);
    out->size += written;
    return B10_REASON_OK;
}

static enum b10_reason stream(struct zstd_encoder *encoder, const void *data, size_t size,
                              ZSTD_EndDirective directive, struct bytes *out,
                              struct b10_error *error)
{
    ZSTD_inBuffer input = {data, size, 0};
    size_t left = 1;
    while (input.pos < input.size || (directive == ZSTD_e_end && left != 0)) {
        TRY(bytes_reserve(out, ZSTD_CStreamOutSize(), error));
        ZSTD_outBuffer output = {out->data + out->size, ZSTD_CStreamOutSize(), 0};
        left = ZSTD_compressStream2(encoder->context, &output, &input, directive);
        if (ZSTD_isError(left))
            return encode_failed(left, error);
        out->size += output.pos;
    }
    return B10_REASON_OK;
}

enum b10_reason zstd_stream_feed(struct zstd_encoder *encoder, const void *data, size_t size,
                                 struct bytes *out, struct b10_error *error)
{
    return stream(encoder, data, size, ZSTD_e_continue, out, error);
}

enum b10_reason zstd_stream_end(struct zstd_encoder *encoder, struct bytes *out,
                                struct b10_error *error)
{
    return stream(encoder, NULL, 0, ZSTD_e_end, out, error);
}

/* ---- decoding ---- */

enum b10_reason zstd_decoder_new(struct zstd_decoder **out, struct b10_error *error)
{
    *out = NULL;
    SCOPED(zstd_decoder) struct zstd_decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder || !(decoder->context = ZSTD_createDCtx()))
        return error_no_memory(error);
    if (ZSTD_isError(
            ZSTD_DCtx_setParameter(decoder->context, ZSTD_d_windowLogMax, FRAME_WINDOW_LOG_LIMIT)))
        return error_set(error, B10_REASON_INTERNAL, "zstd refuses the window limit");
    *out = HEAP_TAKE(decoder);
    return B10_REASON_OK;
}

void zstd_decoder_free(struct zstd_decoder *decoder)
{
    if (!decoder)
        return;
    ZSTD_freeDCtx(decoder->context);
    free(decoder);
}

void zstd_decoder_guard(struct zstd_decoder **decoder)
{
    zstd_decoder_free(*decoder);
}

/* Window size that a frame header of RFC 8878, section 3.1.1.1 asks for; UINT64_MAX where it lies
 * in the content size. */
static uint64_t window_size(const unsigned char *header)
{
    bool single_segment = header[4] & 0x20;
    if (single_segment)
        return UINT64_MAX;
    uint64_t base = UINT64_C(1) << (10 + (header[5] >> 3));
    return base + base / 8 * (header[5] & 7);
}

/* Judges a frame by its header, before anything is allocated for it; *content is UINT64_MAX if it
 * states no size. */
static enum b10_reason check_header(const unsigned char *data, size_t size, uint64_t *content,
                                    const char *name, struct b10_error *error)
{
    enum { MAGIC_AND_DESCRIPTOR = 5, HAS_CHECKSUM = 0x04, RESERVED = 0x08, HAS_DICTIONARY = 0x03 };
    const uint64_t window_limit = UINT64_C(1) << FRAME_WINDOW_LOG_LIMIT;
    if (size <= MAGIC_AND_DESCRIPTOR || le32_get(data) != ZSTD_MAGICNUMBER)
        return error_set(error, B10_REASON_CORRUPT, "'%s': not a zstd frame", name);
    if (!(data[4] & HAS_CHECKSUM) || (data[4] & (RESERVED | HAS_DICTIONARY)))
        return error_set(error, B10_REASON_CORRUPT, "'%s': a zstd frame of the wrong kind (0x%02x)",
                         name, data[4]);
    *content = ZSTD_getFrameContentSize(data, size);
    if (*content == ZSTD_CONTENTSIZE_ERROR)
        return error_set(error, B10_REASON_CORRUPT, "'%s': a damaged zstd header", name);
    uint64_t window = window_size(data);
    if ((window == UINT64_MAX ? *content : window) > window_limit)
        return error_set(error, B10_REASON_CORRUPT, "'%s': a zstd window beyond 2^%d bytes", name,
                         FRAME_WINDOW_LOG_LIMIT);
    return B10_REASON_OK;
}

static enum b10_reason decode_failed(size_t code, const char *name, struct b10_error *error)
{
    if (ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation)
        return error_no_memory(error);
    return error_set(error, B10_REASON_CORRUPT, "'%s': a frame cannot be decompressed: %s", name,
                     ZSTD_getErrorName(code));
}

enum b10_reason zstd_decode(struct zstd_decoder *decoder, const void *data, size_t size,
                            void *content, size_t content_size, const char *name,
                            struct b10_error *error)
{
    uint64_t stated = 0;
    TRY(check_header(data, size, &stated, name, error));
    if (stated != content_size)
        return error_set(error, B10_REASON_CORRUPT,
                         "'%s': a frame that does not hold the %zu bytes it should", name,
                         content_size);
    if (ZSTD_findFrameCompressedSize(data, size) != size)
        return error_set(error, B10_REASON_CORRUPT, "'%s': not one whole zstd frame", name);
    size_t got = ZSTD_decompressDCtx(decoder->context, content, content_size, data, size);
    if (ZSTD_isError(got))
        return decode_failed(got, name, error);
    if (got != content_size)
        return error_set(error, B10_REASON_CORRUPT, "'%s': a frame ended after %zu of %zu bytes",
                         name, got, content_size);
    return B10_REASON_OK;
}

enum b10_reason zstd_decode_bounded(struct zstd_decoder *decoder, const void *data, size_t size,
                                    size_t limit, struct bytes *out, const char *name,
                                    struct b10_error *error)
{
    uint64_t stated = 0;
    TRY(check_header(data, size, &stated, name, error));
    if (stated == ZSTD_CONTENTSIZE_UNKNOWN)
        return error_set(error, B10_REASON_CORRUPT, "'%s': a frame that does not state its size",
                         name);
    if (stated > limit)
        return error_set(error, B10_REASON_UNSAFE, "'%s': a frame of %llu bytes, the limit is %zu",
                         name, (unsigned long long)stated, limit);
    TRY(bytes_reserve(out, (size_t)stated, error));
    TRY(zstd_decode(decoder, data, size, out->data + out->size, (size_t)stated, name, error));
    out->size += (size_t)stated;
    return B10_REASON_OK;
}

void zstd_pull_begin(struct zstd_decoder *decoder, const void *data, size_t size)
{
    decoder->input = (ZSTD_inBuffer){data, size, 0};
    decoder->checked = false;
    decoder->ended = false;
    (void)ZSTD_DCtx_reset(decoder->context, ZSTD_reset_session_only);
}

static enum b10_reason pull_some(struct zstd_decoder *decoder, ZSTD_outBuffer *output,
                                 const char *name, struct b10_error *error)
{
    size_t before = decoder->input.pos;
    size_t had = output->pos;
    size_t hint = ZSTD_decompressStream(decoder->context, output, &decoder->input);
    if (ZSTD_isError(hint))
        return decode_failed(hint, name, error);
    decoder->ended = hint == 0;
    if (decoder->ended && decoder->input.pos != decoder->input.size)
        return error_set(error, B10_REASON_CORRUPT, "'%s': bytes behind the end of a frame", name);
    if (!decoder->ended && decoder->input.pos == before && output->pos == had)
        return error_set(error, B10_REASON_CORRUPT, "'%s': a frame that ends early", name);
    return B10_REASON_OK;
}

enum b10_reason zstd_pull(struct zstd_decoder *decoder, void *buffer, size_t size, size_t *got,
                          const char *name, struct b10_error *error)
{
    *got = 0;
    if (!decoder->checked) {
        uint64_t content = 0;
        TRY(check_header(decoder->input.src, decoder->input.size, &content, name, error));
        decoder->checked = true;
    }
    ZSTD_outBuffer output = {buffer, size, 0};
    while (!decoder->ended && output.pos < output.size)
        TRY(pull_some(decoder, &output, name, error));
    *got = output.pos;
    return B10_REASON_OK;
}
