#include "cache/relocate.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/entry.h"
#include "base/guard.h"
#include "cache/relocate_text.h"
#include "fs/io.h"
#include "fs/walk.h"

/* What new paths may add to a load in all: its space was judged without them. */
static const uint64_t growth_limit = UINT64_C(256) << 20;

typedef enum b10_reason (*rewrite_fn)(const struct prefixes *prefixes, size_t root,
                                      const struct bytes *text, struct bytes *out,
                                      enum relocate_answer *answer, struct b10_error *error);

/* What is done about a kind of files. */
struct treatment {
    rewrite_fn rewrite;
    uint64_t limit; /* bytes of a file that is read at all */
};

struct relocation {
    struct prefixes prefixes; /* owned */
    const struct manifest *manifest;
    const struct relocate_place *places;
    struct progress *progress;
    struct relocate_counts *counts;
    uint64_t grown;
    char first[600]; /* the first file that stays, and why */
};

static void relocation_guard(struct relocation *relocation)
{
    prefixes_release(&relocation->prefixes);
}

static const struct treatment *treatment_of(const char *name)
{
    static const struct treatment group = {relocate_group, RELOCATE_GROUP_LIMIT};
    static const struct treatment source = {relocate_source, RELOCATE_SOURCE_LIMIT};
    if (entry_marks_unit(name))
        return &group;
    return strcmp(name, "vllm_compile_cache.py") == 0 ? &source : NULL;
}

bool relocate_may_change(const char *name)
{
    return treatment_of(name) != NULL;
}

/* ---- one file ---- */

static void leave(struct relocation *relocation, size_t root, const char *path, const char *why)
{
    if (relocation->counts->unrelocated++ == 0)
        snprintf(relocation->first, sizeof(relocation->first), "'%s/%.400s' %s",
                 relocation->manifest->roots[root].name, path, why);
}

static enum b10_reason read_text(struct bytes *text, int fd, uint64_t size, const char *name,
                                 struct b10_error *error)
{
    TRY(bytes_reserve(text, (size_t)size + 1, error));
    TRY(io_pread_full(fd, text->data, (size_t)size, 0, name, error));
    text->size = (size_t)size;
    return B10_REASON_OK;
}

static enum b10_reason write_text(int fd, const struct bytes *text, const struct stat *before,
                                  const char *name, struct b10_error *error)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, before->st_mtim};
    TRY(io_pwrite_full(fd, text->data, text->size, 0, name, error));
    if (ftruncate(fd, (off_t)text->size) != 0 || futimens(fd, times) != 0)
        return error_errno(error, errno, "cannot rewrite '%s'", name);
    return B10_REASON_OK;
}

static enum b10_reason rewrite(struct relocation *relocation, size_t root,
                               const struct walk_entry *entry, const struct treatment *treatment,
                               int fd, struct b10_error *error)
{
    SCOPED(bytes) struct bytes text = BYTES_EMPTY;
    SCOPED(bytes) struct bytes moved = BYTES_EMPTY;
    const uint64_t size = (uint64_t)entry->stat.st_size;
    enum relocate_answer answer;
    TRY(read_text(&text, fd, size, entry->path, error));
    TRY(treatment->rewrite(&relocation->prefixes, root, &text, &moved, &answer, error));
    if (answer == RELOCATE_SAME)
        return B10_REASON_OK;
    if (answer == RELOCATE_CHANGED && moved.size > size)
        relocation->grown += moved.size - size;
    if (answer == RELOCATE_REFUSED || relocation->grown > growth_limit) {
        leave(relocation, root, entry->path, "holds a path that cannot be replaced, or no text");
        return B10_REASON_OK;
    }
    TRY(write_text(fd, &moved, &entry->stat, entry->path, error));
    relocation->counts->relocated++;
    return B10_REASON_OK;
}

static enum b10_reason relocate_file(struct relocation *relocation, size_t root,
                                     const struct walk_entry *entry, struct b10_error *error)
{
    const struct treatment *treatment = treatment_of(entry->name);
    if (treatment == NULL || !S_ISREG(entry->stat.st_mode))
        return B10_REASON_OK;
    if ((uint64_t)entry->stat.st_size > treatment->limit) {
        leave(relocation, root, entry->path, "is too large");
        return B10_REASON_OK;
    }
    SCOPED(fd) int fd = openat(entry->dirfd, entry->name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && (errno == EACCES || errno == EPERM)) { /* the umask closes it to ourselves */
        leave(relocation, root, entry->path, "cannot be opened");
        return B10_REASON_OK;
    }
    if (fd < 0)
        return error_errno(error, errno, "cannot open '%s'", entry->path);
    return rewrite(relocation, root, entry, treatment, fd, error);
}

/* ---- all ---- */

static enum b10_reason relocate_root(struct relocation *relocation, size_t root,
                                     struct b10_error *error)
{
    SCOPED(walk) struct walk *walk = NULL;
    TRY(walk_open(&walk, relocation->places[root].fd, relocation->manifest->roots[root].name, NULL,
                  NULL, error));
    for (;;) {
        struct walk_entry entry;
        bool found = false;
        TRY(walk_next(walk, &entry, &found, error));
        TRY(progress_step(relocation->progress, error));
        if (!found)
            return B10_REASON_OK;
        TRY(relocate_file(relocation, root, &entry, error));
    }
}

enum b10_reason relocate(const struct manifest *manifest, const struct relocate_place *places,
                         const struct log *log, struct progress *progress,
                         struct relocate_counts *counts, struct b10_error *error)
{
    SCOPED(relocation)
    struct relocation relocation = {.prefixes = PREFIXES_NONE,
                                    .manifest = manifest,
                                    .places = places,
                                    .progress = progress,
                                    .counts = counts};
    *counts = (struct relocate_counts){0};
    TRY(prefixes_make(&relocation.prefixes, manifest, places, error));
    if (!relocation.prefixes.any_moved)
        return B10_REASON_OK;
    for (size_t i = 0; i < manifest->root_count; i++)
        if (places[i].fd >= 0)
            TRY(relocate_root(&relocation, i, error));
    if (counts->unrelocated > 0)
        log_warn(log, "%" PRIu64 " files keep the paths they were saved with; the first: %s",
                 counts->unrelocated, relocation.first);
    return B10_REASON_OK;
}
