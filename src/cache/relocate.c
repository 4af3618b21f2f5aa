#include "cache/relocate.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/decode.h"
#include "archive/entry.h"
#include "base/guard.h"
#include "cache/relocate_text.h"
#include "fs/beneath.h"
#include "fs/io.h"
#include "fs/path.h"

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

/* A file of the archive. */
struct subject {
    uint32_t root;
    const char *path; /* inside the root */
};

struct relocation {
    struct prefixes prefixes; /* owned */
    const struct manifest *manifest;
    struct relocate_place *places; /* owned */
    struct unpack_filter filter;
    _Atomic uint64_t relocated;
    _Atomic uint64_t unrelocated;
    _Atomic uint64_t grown;
    char first[600]; /* the first file that stays, and why; by whoever found it */
};

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

/* ---- what it comes to ---- */

static void leave(struct relocation *relocation, const struct subject *subject, const char *why)
{
    if (atomic_fetch_add(&relocation->unrelocated, 1) == 0)
        snprintf(relocation->first, sizeof(relocation->first), "'%s/%.400s' %s",
                 relocation->manifest->roots[subject->root].name, subject->path, why);
}

/* Whether a file may become so large. */
static bool admit(struct relocation *relocation, uint64_t before, uint64_t after)
{
    const uint64_t more = after > before ? after - before : 0;
    return atomic_fetch_add(&relocation->grown, more) + more <= growth_limit;
}

/* ---- one text ---- */

/* *changed: `out` is what the file is to hold. */
static enum b10_reason rewrite(struct relocation *relocation, const struct subject *subject,
                               const struct treatment *treatment, const struct bytes *text,
                               struct bytes *out, bool *changed, struct b10_error *error)
{
    enum relocate_answer answer;
    TRY(treatment->rewrite(&relocation->prefixes, subject->root, text, out, &answer, error));
    *changed = answer == RELOCATE_CHANGED && admit(relocation, text->size, out->size);
    if (*changed)
        atomic_fetch_add(&relocation->relocated, 1);
    else if (answer != RELOCATE_SAME)
        leave(relocation, subject, "holds a path that cannot be replaced, or no text");
    return B10_REASON_OK;
}

static enum b10_reason filter_content(void *user, const struct decoded *member, struct bytes *out,
                                      bool *changed, struct b10_error *error)
{
    struct relocation *relocation = user;
    const struct treatment *treatment = treatment_of(path_base(member->path));
    const struct subject subject = {.root = member->root, .path = member->path};
    const struct bytes text = {.data = (unsigned char *)(uintptr_t)member->content,
                               .size = (size_t)member->size};
    *changed = false;
    if (treatment == NULL)
        return B10_REASON_OK;
    if (member->size <= treatment->limit)
        return rewrite(relocation, &subject, treatment, &text, out, changed, error);
    leave(relocation, &subject, "is too large");
    return B10_REASON_OK;
}

/* ---- one file that stands ---- */

/* *fd -1: it is closed to ourselves, by the umask. */
static enum b10_reason open_staged(const struct relocation *relocation,
                                   const struct subject *subject, int *fd, struct b10_error *error)
{
    SCOPED(beneath_cache) struct beneath_cache parents;
    int directory = -1;
    const char *leaf = NULL;
    beneath_cache_init(&parents, relocation->places[subject->root].fd);
    TRY(beneath_parent(&parents, subject->path, &directory, &leaf, error));
    *fd = openat(directory, leaf, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (*fd < 0 && errno != EACCES && errno != EPERM)
        return error_errno(error, errno, "cannot open '%s'", subject->path);
    return B10_REASON_OK;
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

static enum b10_reason rewrite_in_place(struct relocation *relocation,
                                        const struct subject *subject,
                                        const struct treatment *treatment, int fd,
                                        struct b10_error *error)
{
    SCOPED(bytes) struct bytes text = BYTES_EMPTY;
    SCOPED(bytes) struct bytes moved = BYTES_EMPTY;
    struct stat stat;
    bool changed = false;
    if (fstat(fd, &stat) != 0)
        return error_errno(error, errno, "cannot look at '%s'", subject->path);
    TRY(read_text(&text, fd, (uint64_t)stat.st_size, subject->path, error));
    TRY(rewrite(relocation, subject, treatment, &text, &moved, &changed, error));
    return changed ? write_text(fd, &moved, &stat, subject->path, error) : B10_REASON_OK;
}

static enum b10_reason relocate_staged(struct relocation *relocation, const struct subject *subject,
                                       uint64_t size, struct b10_error *error)
{
    SCOPED(fd) int fd = -1;
    const struct treatment *treatment = treatment_of(path_base(subject->path));
    if (treatment == NULL)
        return B10_REASON_OK;
    if (size > treatment->limit) {
        leave(relocation, subject, "is too large");
        return B10_REASON_OK;
    }
    TRY(open_staged(relocation, subject, &fd, error));
    if (fd >= 0)
        return rewrite_in_place(relocation, subject, treatment, fd, error);
    leave(relocation, subject, "cannot be opened");
    return B10_REASON_OK;
}

static enum b10_reason filter_copied(void *user, const struct decoded *copy,
                                     struct b10_error *error)
{
    const struct subject subject = {.root = copy->root, .path = copy->path};
    return relocate_staged(user, &subject, copy->size, error);
}

/* ---- all ---- */

enum b10_reason relocation_begin(struct relocation **out, const struct manifest *manifest,
                                 const struct relocate_place *places, struct b10_error *error)
{
    SCOPED(relocation) struct relocation *relocation = calloc(1, sizeof(*relocation));
    if (relocation == NULL)
        return error_no_memory(error);
    *relocation = (struct relocation){
        .prefixes = PREFIXES_NONE,
        .manifest = manifest,
        .places = calloc(manifest->root_count, sizeof(*places)),
        .filter = {.user = relocation, .content = filter_content, .copied = filter_copied},
    };
    if (relocation->places == NULL)
        return error_no_memory(error);
    memcpy(relocation->places, places, manifest->root_count * sizeof(*places));
    TRY(prefixes_make(&relocation->prefixes, manifest, places, error));
    *out = HEAP_TAKE(relocation);
    return B10_REASON_OK;
}

const struct unpack_filter *relocation_filter(const struct relocation *relocation)
{
    return relocation->prefixes.any_moved ? &relocation->filter : NULL;
}

static enum b10_reason relocate_large_files(struct relocation *relocation,
                                            struct progress *progress, struct b10_error *error)
{
    const struct manifest *manifest = relocation->manifest;
    for (size_t i = 0; i < manifest->sliced_count; i++) {
        const struct manifest_sliced *sliced = &manifest->sliced[i];
        const struct subject subject = {.root = sliced->root, .path = sliced->path};
        if (sliced->is_void || relocation->places[sliced->root].fd < 0)
            continue;
        TRY(relocate_staged(relocation, &subject, sliced->size, error));
        TRY(progress_step(progress, error));
    }
    return B10_REASON_OK;
}

enum b10_reason relocation_finish(struct relocation *relocation, const struct log *log,
                                  struct progress *progress, struct relocate_counts *counts,
                                  struct b10_error *error)
{
    if (relocation->prefixes.any_moved)
        TRY(relocate_large_files(relocation, progress, error));
    counts->relocated = relocation->relocated;
    counts->unrelocated = relocation->unrelocated;
    if (counts->unrelocated > 0)
        log_warn(log, "%" PRIu64 " files keep the paths they were saved with; the first: %s",
                 counts->unrelocated, relocation->first);
    return B10_REASON_OK;
}

void relocation_free(struct relocation *relocation)
{
    if (relocation == NULL)
        return;
    prefixes_release(&relocation->prefixes);
    free(relocation->places);
    free(relocation);
}

void relocation_guard(struct relocation **relocation)
{
    relocation_free(*relocation);
    *relocation = NULL;
}
