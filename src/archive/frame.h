/* Frames: what an archive consists of, and the limits the format fixes. docs/format.md describes
 * them byte by byte. */
#ifndef ARCHIVE_FRAME_H
#define ARCHIVE_FRAME_H

#include <stdint.h>

#include "base/digest.h"

enum frame_kind {
    FRAME_MEMBERS, /* whole tar members */
    FRAME_HEADER,  /* the header of one large member */
    FRAME_SLICE,   /* raw bytes of a large member's content; the last one carries the tar padding */
    FRAME_END,     /* 1,024 zero bytes */
};

struct frame {
    unsigned char digest[DIGEST_SIZE]; /* BLAKE2b-256 of the compressed bytes */
    uint64_t offset;                   /* slice: of its first byte in the member's content */
    uint32_t compressed_size;
    uint32_t content_size;
    uint32_t members; /* tar members that begin here: members frame ≥ 1, header frame 1, others 0 */
    uint32_t sliced; /* header, slice: index into the manifest's sliced members */
    enum frame_kind kind;
};

/* Limits of the format: a reader checks them before allocating, a save keeps them. */
enum {
    FRAME_TARGET_SIZE = 1 << 20, /* content at which a members frame closes; size of a slice */
    /* content at which a members frame closes although links wait */
    FRAME_LINKS_SIZE = 4 << 20,
    FRAME_CONTENT_LIMIT = 8 << 20, /* content of any data frame */
    FRAME_COUNT_LIMIT = 1000000,   /* data frames */
    FRAME_WINDOW_LOG_LIMIT = 27,   /* zstd window */
    ARCHIVE_FILES_LIMIT = 4000000, /* members of all types */
    ARCHIVE_END_SIZE = 1024,       /* content of the end frame */
    ARCHIVE_FORMAT = 1,            /* the version written, and the highest one read */
    MANIFEST_LIMIT = 128 << 20,    /* JSON text of the manifest */
    /* MAX_CACHE_SIZE_MB times this bounds what an archive unpacks to */
    UNPACKED_PER_PACKED = 64,
};

/* zstd skippable frames, by magic (RFC 8878, 0x184D2A50 … 5F). */
#define SKIPPABLE_INDEX      UINT32_C(0x184D2A5B)
#define SKIPPABLE_MANIFEST   UINT32_C(0x184D2A5C)
#define SKIPPABLE_SIGNATURE  UINT32_C(0x184D2A5D) /* reserved: a reader of format 1 skips it */
#define SKIPPABLE_SEEK_TABLE UINT32_C(0x184D2A5E) /* fixed by zstd's seekable format */
enum { SKIPPABLE_HEADER_SIZE = 8 };

#endif
