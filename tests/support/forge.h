/* Archives made byte by byte, so that each lie about them can be told singly, with everything else
 * correct.
 *
 *     init ──▶ directory, file, add, sliced … ──▶ seal ──▶ (lie) ──▶ assemble ──▶ (lie) ──▶ save
 *
 * seal compresses the frames and fills the manifest with what is true; assemble makes the file's
 * bytes from frames, index, manifest and seek table; save writes them. Steps not called are made up
 * for: save alone is enough for an honest archive. tar headers are made by hand, so that the
 * library's own writer is not its own witness. Failures fail the test.
 */
#ifndef SUPPORT_FORGE_H
#define SUPPORT_FORGE_H

#include <stdbool.h>
#include <stdint.h>

#include "archive/manifest.h"
#include "archive/seek_table.h"
#include "support/scratch.h"

/* One tar member as it stands in the archive. Zero fields have honest defaults. */
struct forge_tar {
    const char *name; /* with its root */
    char type;        /* '0' file (also for 0), '1' hard link, '2' symlink, '5' directory, … */
    const char *link;
    unsigned mode;      /* 0: 0644, directories 0755 */
    int64_t mtime;      /* seconds */
    uint64_t size;      /* of the content that follows; of the original for a hard link */
    const char *pax;    /* "key=value" records for a pax header before it, separated by newlines */
    const char *global; /* the same for a global pax header */
    const char *sized;  /* text in the size field instead of the true one */
    bool wrong_checksum;
};

struct forge_frame {
    struct frame about;
    struct bytes content;
    struct bytes compressed; /* made by seal, unless there are bytes already */
};

struct forge {
    struct manifest manifest;
    struct forge_frame *frames;
    size_t frame_count;
    bool frame_open; /* the last frame takes more members */
    bool sealed;
    struct bytes index;     /* JSON lines; compressed by assemble */
    struct bytes json;      /* if set: the manifest's text instead of what manifest.c makes */
    struct bytes payload;   /* if set: the manifest frame's payload instead */
    struct bytes signature; /* if set: payload of a signature frame */
    struct seek_row *rows;  /* made by assemble if NULL */
    size_t row_count;
    struct bytes file;                                  /* made by assemble */
    size_t index_offset, manifest_offset, table_offset; /* in file */
};

/* Root 0 is "inductor", root 1 "headers"; kind "inductor", some facts. */
void forge_init(struct forge *forge);
void forge_release(struct forge *forge);

/* The manifest's facts become copies of these. */
void forge_facts(struct forge *forge, const struct fact *facts, size_t count);
/* Changes the value of one, or adds it at the end. */
void forge_fact(struct forge *forge, const char *name, const char *value);

/* A member of the open members frame (one is begun if needed), counted in the totals and in the
 * index. */
void forge_add(struct forge *forge, const struct forge_tar *tar, const void *content);
/* Short forms; paths with their root. A directory is told to the manifest, too. */
void forge_directory(struct forge *forge, const char *path);
void forge_file(struct forge *forge, const char *path, const char *text);
void forge_link(struct forge *forge, const char *path, const char *original, uint64_t size);
void forge_symlink(struct forge *forge, const char *path, const char *target);
/* Only tells the manifest. */
void forge_announce_directory(struct forge *forge, const char *path);

/* Bytes of the members frame, counted nowhere. */
void forge_raw(struct forge *forge, const void *data, size_t size, uint32_t members);
void forge_close_frame(struct forge *forge);
/* A frame of its own. */
struct forge_frame *forge_frame(struct forge *forge, enum frame_kind kind);

/* A large file: header frame and slices of `slice` bytes. Returns its index in manifest.sliced. */
uint32_t forge_sliced(struct forge *forge, const char *path, const void *content, uint64_t size,
                      uint64_t slice, bool is_void);

void forge_seal(struct forge *forge);
/* Compresses frame `index` again after its content was changed, and tells the manifest. */
void forge_recompress(struct forge *forge, size_t index);
void forge_assemble(struct forge *forge);
void forge_save(struct forge *forge, const char *path);

/* Replaces the first `from` in the manifest's text, which must be there, by `to`; after sealing. */
void forge_json(struct forge *forge, const char *from, const char *to);

/* Appends the blocks of a tar header (pax headers included) / content with padding. */
void forge_tar_header(struct bytes *out, const struct forge_tar *tar);
void forge_tar_content(struct bytes *out, const void *content, size_t size);

/* A few directories, files, an empty file, an executable, a symlink, duplicates, a second root and
 * a large file of `large` bytes (0: none) with a slice of zeros and a duplicate. The same tree as
 * files below `path`, with roots as directories, by forge_tree. */
void forge_sample(struct forge *forge, uint64_t large);
void forge_tree(const struct scratch *scratch, const char *relative, uint64_t large);

#endif
