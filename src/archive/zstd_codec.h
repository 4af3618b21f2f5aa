/* zstd, the only place that knows it: single frames in memory, and the streaming pair for the
 * index.
 *
 * Frames are written with content size and checksum; a frame that states no content size, another
 * size than the caller expects, or a window beyond 2^27 is CORRUPT before anything is allocated for
 * it.
 * Threads: one at a time per object.
 */
#ifndef ARCHIVE_ZSTD_CODEC_H
#define ARCHIVE_ZSTD_CODEC_H

#include "base/bytes.h"
#include "base/error.h"

enum { ZSTD_CODEC_LEVEL_MIN = 1, ZSTD_CODEC_LEVEL_MAX = 19 };

struct zstd_encoder; /* opaque */
MUST_CHECK enum b10_reason zstd_encoder_new(struct zstd_encoder **out, int level,
                                            struct b10_error *error);
void zstd_encoder_free(struct zstd_encoder *encoder); /* NULL is fine */
void zstd_encoder_guard(struct zstd_encoder **encoder);

/* Appends one frame holding `data` to `out`. */
MUST_CHECK enum b10_reason zstd_encode(struct zstd_encoder *encoder, const void *data, size_t size,
                                       struct bytes *out, struct b10_error *error);

/* Streaming into one frame: feed … end. `out` grows by what the compressor releases. */
MUST_CHECK enum b10_reason zstd_stream_feed(struct zstd_encoder *encoder, const void *data,
                                            size_t size, struct bytes *out,
                                            struct b10_error *error);
MUST_CHECK enum b10_reason zstd_stream_end(struct zstd_encoder *encoder, struct bytes *out,
                                           struct b10_error *error);

struct zstd_decoder; /* opaque */
MUST_CHECK enum b10_reason zstd_decoder_new(struct zstd_decoder **out, struct b10_error *error);
void zstd_decoder_free(struct zstd_decoder *decoder);
void zstd_decoder_guard(struct zstd_decoder **decoder);

/* Exactly one frame of `size` bytes that holds exactly `content_size` bytes, into `content` (that
 * large). CORRUPT names `name`. */
MUST_CHECK enum b10_reason zstd_decode(struct zstd_decoder *decoder, const void *data, size_t size,
                                       void *content, size_t content_size, const char *name,
                                       struct b10_error *error);

/* One frame of unknown content size (at most `limit` bytes), appended to `out`. For the
 * manifest. */
MUST_CHECK enum b10_reason zstd_decode_bounded(struct zstd_decoder *decoder, const void *data,
                                               size_t size, size_t limit, struct bytes *out,
                                               const char *name, struct b10_error *error);

/* Streaming reader over one frame in memory: begin, then pull until *got is 0. For the index. */
void zstd_pull_begin(struct zstd_decoder *decoder, const void *data, size_t size);
MUST_CHECK enum b10_reason zstd_pull(struct zstd_decoder *decoder, void *buffer, size_t size,
                                     size_t *got, const char *name, struct b10_error *error);

#endif
