/* The manifest: everything a load must know before it opens the first frame.
 *
 * JSON, compressed with zstd, behind its own BLAKE2b-256: payload of the skippable frame = digest
 * (32) | zstd frame. Unknown keys are ignored; only a higher `format` number is FORMAT. Paths that
 * are not valid UTF-8 are stored as {"bytes": "<hex>"} instead of a string. docs/format.md lists
 * the keys. Reading checks everything that needs no other part of the file: limits before
 * allocating, member and slice arithmetic (slices of a member are neighbours, in order, without gap
 * or overlap, exactly its size; its header frame stands right before them), path rules, sums of the
 * totals, the end frame last. CORRUPT for what cannot be parsed or does not add up, UNSAFE for
 * paths and limits.
 * Threads: read-only use from any number.
 */
#ifndef ARCHIVE_MANIFEST_H
#define ARCHIVE_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/frame.h"
#include "base/bytes.h"
#include "base/fact.h"

/* Of `recorded_environment`. */
enum {
    MANIFEST_RECORDED_LIMIT = 256, /* members */
    MANIFEST_RECORDED_NAME_LIMIT = 256,
    MANIFEST_RECORDED_VALUE_LIMIT = 1024,
};

/* The rules of its members, the same for writing and reading: a name of [A-Za-z0-9_], a value of
 * printable UTF-8, both within their limits. */
bool manifest_may_record_name(const char *name);
bool manifest_may_record_value(const char *value);

struct manifest_root {
    char *name;     /* owned */
    char **origins; /* owned: every original path its members came from */
    size_t origin_count;
    char **directories; /* owned: relative to the root, parents before children, sorted */
    size_t directory_count;
};

/* A member cut into slices. */
struct manifest_sliced {
    char *path; /* owned, relative to its root */
    uint64_t size;
    int64_t mtime_s;
    uint32_t mtime_ns;
    uint32_t root; /* index */
    bool executable;
    bool is_void; /* found changed when part of it was written: a load leaves it out */
};

struct manifest_totals {
    uint64_t files; /* regular files, duplicates included, void ones not */
    uint64_t symlinks;
    uint64_t directories;
    uint64_t duplicates; /* of files: hard-link members */
    uint64_t bytes;      /* content of all files, duplicates included, void ones not */
    uint64_t disk_bytes; /* each file and directory rounded up to 4 KiB (an empty one: 4 KiB) */
    uint64_t host_code;  /* files holding host code: ELF objects and precompiled headers */
};

/* What a merge found to add to the archive that was there. */
struct manifest_merge {
    uint64_t directories;
    uint64_t files; /* and symlinks */
    uint64_t bytes; /* content of those files */
};

enum { MANIFEST_TOKEN_SIZE = 33, MANIFEST_ANCESTORS_LIMIT = 16 };

struct manifest {
    uint32_t format;
    char *kind;                      /* owned */
    char *key;                       /* owned */
    char *creator;                   /* owned: "b10transfer 0.1.0" */
    char token[MANIFEST_TOKEN_SIZE]; /* 128 bits as hexadecimal */
    int64_t created_s;               /* seconds since the epoch */
    struct fact *facts;              /* owned, sorted by name */
    size_t fact_count;
    /* owned, sorted by name: variables of the saver that decide nothing, values or their digests */
    struct fact *recorded;
    size_t recorded_count;
    bool is_recorded;            /* false: its writer recorded nothing, so nothing is known */
    struct manifest_root *roots; /* owned */
    size_t root_count;
    struct manifest_sliced *sliced; /* owned */
    size_t sliced_count;
    struct frame *frames; /* owned, in file order, the end frame last */
    size_t frame_count;
    struct manifest_totals totals;
    uint32_t merges;                  /* since the archive was last written afresh */
    struct manifest_merge last_merge; /* if there were any */
    /* tokens of the archives that all of it but what merges added since came from, oldest first */
    char ancestors[MANIFEST_ANCESTORS_LIMIT][MANIFEST_TOKEN_SIZE];
    size_t ancestor_count;
    uint64_t index_size;                     /* payload bytes of the index frame */
    unsigned char index_digest[DIGEST_SIZE]; /* of that payload */
};

#define MANIFEST_EMPTY                                                                             \
    {                                                                                              \
        0                                                                                          \
    }

/* Appends the payload (digest and compressed JSON). TOO_LARGE beyond MANIFEST_LIMIT. */
MUST_CHECK enum b10_reason manifest_encode(const struct manifest *manifest, struct bytes *out,
                                           struct b10_error *error);

/* Fills *out (empty before) from a payload. `name` names the archive in messages. */
MUST_CHECK enum b10_reason manifest_decode(struct manifest *out, const void *payload, size_t size,
                                           const char *name, struct b10_error *error);

/* Index of the root with this name (length bytes), or -1. */
int manifest_find_root(const struct manifest *manifest, const char *name, size_t length);

/* A root of this name has members that came from `origin`: added where it is missing, once. */
MUST_CHECK enum b10_reason manifest_add_root(struct manifest *manifest, const char *name,
                                             const char *origin, struct b10_error *error);

/* Members of the root came from `path` (NULL: false). */
bool manifest_came_from(const struct manifest_root *root, const char *path);

/* Everything in `stored` is in this one, too: it becomes an ancestor, after its own. The oldest is
 * forgotten where there are too many. */
void manifest_descend(struct manifest *manifest, const struct manifest *stored);

/* Everything that was in the archive whose token begins with the first `length` bytes of `token` is in this
 * one: it is that one, or descends from it. */
bool manifest_descends_from(const struct manifest *manifest, const char *token, size_t length);

/* Brings every root's directories into the order that the format wants. */
void manifest_sort_directories(struct manifest *manifest);

void manifest_release(struct manifest *manifest);
void manifest_guard(struct manifest *manifest);

#endif
