#include "cache/unload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/index.h"
#include "archive/name_set.h"
#include "base/guard.h"
#include "cache/candidates.h"
#include "cache/holder.h"
#include "cache/relocate.h"
#include "cache/report.h"
#include "fs/dirs.h"
#include "fs/io.h"
#include "fs/path.h"

struct unload {
    const struct settings *settings;
    struct log *log;
    struct progress *progress;
    struct b10_report *report;
    bool seen;             /* an archive */
    struct name_set files; /* owned: what the archive at hand has, see describe() */
    int *roots;            /* indices of its roots by our own: 0 the main one; -1 it has none */
};

/* One root, while it is walked. */
struct place {
    struct unload *unload;
    struct holder holder; /* owned */
    unsigned moved;       /* into the holder so far */
};

static void place_guard(struct place *place)
{
    holder_release(&place->holder);
}

/* What a directory turned out to be. */
enum content {
    CONTENT_NOTHING, /* no file */
    CONTENT_LOADED,  /* nothing but what was loaded */
    CONTENT_OTHERS   /* that is gone, and others are left */
};

/* ---- what the archive has ---- */

enum { DESCRIPTION_SIZE = PATH_LIMIT + 96 };
static const uint64_t any_size = UINT64_MAX;

/* A file in one text: the path ends at the NUL. */
static size_t describe(char text[DESCRIPTION_SIZE], const char *path, bool link, uint64_t size,
                       int64_t seconds, uint32_t nanoseconds)
{
    const size_t length = strlen(path) + 1;
    memcpy(text, path, length);
    const int more =
        snprintf(text + length, DESCRIPTION_SIZE - length, "%d %" PRIu64 " %" PRId64 " %" PRIu32,
                 link, size, seconds, nanoseconds);
    return length + (size_t)more;
}

static void note(struct unload *unload, const struct index_line *line)
{
    char text[DESCRIPTION_SIZE];
    const struct entry *entry = &line->entry;
    if (line->is_void || entry->type == ENTRY_DIRECTORY || strlen(entry->path) > PATH_LIMIT)
        return;
    const bool unsure =
        entry->type == ENTRY_HARDLINK || relocate_may_change(path_base(entry->path));
    const size_t length =
        describe(text, entry->path, entry->type == ENTRY_SYMLINK, unsure ? any_size : entry->size,
                 entry->mtime_s, entry->mtime_ns);
    (void)name_set_add(&unload->files, line->root, text, length);
}

static enum b10_reason read_index(struct unload *unload, const struct reader *archive,
                                  struct b10_error *error)
{
    SCOPED(bytes) struct bytes index = BYTES_EMPTY;
    SCOPED(index_reader) struct index_reader *reader = NULL;
    const struct manifest_totals *totals = &archive->manifest.totals;
    name_set_release(&unload->files);
    TRY(name_set_init(&unload->files, totals->files + totals->symlinks + totals->duplicates,
                      error));
    TRY(reader_index(archive, &index, error));
    TRY(progress_step(unload->progress, error));
    TRY(index_reader_new(&reader, index.data, index.size, archive->name, error));
    for (;;) {
        struct index_line line;
        bool found = false;
        TRY(index_reader_next(reader, &line, &found, error));
        if (!found)
            return B10_REASON_OK;
        note(unload, &line);
    }
}

static bool has(const struct unload *unload, size_t root, const char *path, const struct stat *stat,
                uint64_t size)
{
    char text[DESCRIPTION_SIZE];
    const size_t length = describe(text, path, S_ISLNK(stat->st_mode), size, stat->st_mtim.tv_sec,
                                   (uint32_t)stat->st_mtim.tv_nsec);
    return name_set_has(&unload->files, (uint32_t)unload->roots[root], text, length);
}

static bool was_loaded(const struct unload *unload, size_t root, const char *path,
                       const struct stat *stat)
{
    const bool link = S_ISLNK(stat->st_mode);
    if (unload->roots[root] < 0 || (!link && !S_ISREG(stat->st_mode)))
        return false;
    return has(unload, root, path, stat, link ? 0 : (uint64_t)stat->st_size) ||
           has(unload, root, path, stat, any_size);
}

/* ---- out of the way ---- */

/* What cannot be renamed is removed where it is. */
static enum b10_reason take_away(struct place *place, int dirfd, const char *name,
                                 struct b10_error *error)
{
    char aside[16];
    snprintf(aside, sizeof(aside), "%u", place->moved++);
    if (place->holder.fd >= 0 && renameat(dirfd, name, place->holder.fd, aside) == 0)
        return B10_REASON_OK;
    return dirs_remove_tree(dirfd, name, place->unload->progress, error);
}

/* ---- one directory ---- */

/* Where it is: as a path on this host, and as what of which root. */
struct spot {
    const char *path;
    size_t root;      /* 0: the main one; else one more than the index in the settings */
    size_t root_size; /* of the root's path, with the slash behind it */
};

static size_t root_at(const struct settings *settings, const char *path, size_t otherwise)
{
    for (size_t i = 0; i < settings->root_count; i++)
        if (strcmp(settings->roots[i].path, path) == 0)
            return i + 1;
    return otherwise;
}

static enum b10_reason sort_directory(struct place *place, int parent, const char *name,
                                      const struct spot *spot, enum content *content,
                                      struct b10_error *error);

static enum b10_reason judge_child(struct place *place, int dirfd, const char *name,
                                   const struct spot *spot, enum content *content,
                                   struct b10_error *error)
{
    struct unload *unload = place->unload;
    struct stat stat;
    SCOPED(heap) char *path = NULL;
    *content = CONTENT_OTHERS;
    if (fstatat(dirfd, name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
        return B10_REASON_OK;
    TRY(path_join(&path, spot->path, name, error));
    if (S_ISDIR(stat.st_mode)) {
        struct spot inner = {.path = path, .root_size = spot->root_size};
        inner.root = root_at(unload->settings, path, spot->root);
        if (inner.root != spot->root)
            inner.root_size = strlen(path) + 1;
        return sort_directory(place, dirfd, name, &inner, content, error);
    }
    const char *relative = path + spot->root_size;
    if (strlen(relative) > PATH_LIMIT || !was_loaded(unload, spot->root, relative, &stat))
        return B10_REASON_OK;
    *content = CONTENT_LOADED;
    unload->report->files++;
    if (S_ISREG(stat.st_mode))
        unload->report->content_bytes += (uint64_t)stat.st_size;
    return B10_REASON_OK;
}

static enum b10_reason sort_directory(struct place *place, int parent, const char *name,
                                      const struct spot *spot, enum content *content,
                                      struct b10_error *error)
{
    SCOPED(dirs_names) struct dirs_names names = {0};
    SCOPED(fd) int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    *content = CONTENT_OTHERS;
    if (fd < 0) /* not ours to read: not ours to remove */
        return B10_REASON_OK;
    TRY(dirs_list(&names, fd, spot->path, error));
    *content = CONTENT_NOTHING;
    for (size_t i = 0; i < names.count; i++) {
        enum content child;
        TRY(progress_step(place->unload->progress, error));
        TRY(judge_child(place, fd, names.names[i], spot, &child, error));
        names.types[i] = (unsigned char)child;
        if (child > *content)
            *content = child;
    }
    for (size_t i = 0; *content == CONTENT_OTHERS && i < names.count; i++)
        if (names.types[i] == CONTENT_LOADED)
            TRY(take_away(place, fd, names.names[i], error));
    return B10_REASON_OK;
}

/* ---- one root ---- */

/* Beside the root, or in it where nothing can be renamed out of it. */
static void make_holder(struct place *place, const char *path)
{
    SCOPED(heap) char *parent = NULL;
    if (path_parent(&parent, path, NULL) == B10_REASON_OK &&
        holder_make(&place->holder, parent, NULL) == B10_REASON_OK) {
        if (holder_reaches(&place->holder, path, NULL) == B10_REASON_OK)
            return;
        holder_release(&place->holder);
    }
    if (holder_make(&place->holder, path, NULL) != B10_REASON_OK)
        place->holder = (struct holder)HOLDER_NONE;
}

/* Everything in it was loaded. */
static enum b10_reason empty_root(struct place *place, const char *path, struct b10_error *error)
{
    SCOPED(dirs_names) struct dirs_names names = {0};
    SCOPED(fd) int fd = -1;
    if (renameat(place->holder.place, path_base(path), place->holder.fd, "root") == 0)
        return B10_REASON_OK;
    TRY(io_open(&fd, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, path, error));
    TRY(dirs_list(&names, fd, path, error));
    for (size_t i = 0; i < names.count; i++)
        if (strcmp(names.names[i], place->holder.name) != 0)
            TRY(take_away(place, fd, names.names[i], error));
    return B10_REASON_OK;
}

static enum b10_reason unload_root(struct unload *unload, size_t root, const char *path,
                                   struct b10_error *error)
{
    const struct spot spot = {.path = path, .root = root, .root_size = strlen(path) + 1};
    SCOPED(place) struct place place = {.unload = unload, .holder = HOLDER_NONE};
    enum content content;
    struct stat stat;
    if (lstat(path, &stat) != 0 || !S_ISDIR(stat.st_mode))
        return B10_REASON_OK;
    make_holder(&place, path);
    TRY(sort_directory(&place, AT_FDCWD, path, &spot, &content, error));
    return content == CONTENT_LOADED ? empty_root(&place, path, error) : B10_REASON_OK;
}

/* ---- one archive ---- */

static const char *own_path(const struct settings *settings, size_t root)
{
    return root == 0 ? settings->local_dir : settings->roots[root - 1].path;
}

static void find_roots(struct unload *unload, const struct manifest *manifest)
{
    const struct settings *settings = unload->settings;
    for (size_t i = 0; i <= settings->root_count; i++) {
        const char *name = i == 0 ? settings->kind : settings->roots[i - 1].name;
        unload->roots[i] = (int)manifest_find_root(manifest, name, strlen(name));
    }
}

static enum b10_reason unload_archive(void *user, const struct volume *volume, const char *key,
                                      const struct reader *archive, bool *done,
                                      struct b10_error *error)
{
    struct unload *unload = user;
    struct b10_report *report = unload->report;
    const uint64_t before = report->files;
    const bool is_exact = strcmp(key, report->environment_key) == 0;
    if (!is_exact && before > 0) {
        *done = true;
        return B10_REASON_OK;
    }
    unload->seen = true;
    find_roots(unload, &archive->manifest);
    TRY(read_index(unload, archive, error));
    for (size_t i = unload->settings->root_count + 1; i-- > 0;) /* main root last */
        TRY(unload_root(unload, i, own_path(unload->settings, i), error));
    if (report->files == before)
        return B10_REASON_OK;
    report_archive(report, volume, key);
    report_token(report, archive->manifest.token);
    log_info(unload->log, "took %" PRIu64 " files of '%s' out of '%s'", report->files - before,
             archive->name, unload->settings->local_dir);
    return B10_REASON_OK;
}

/* ---- all of it ---- */

static void unload_guard(struct unload *unload)
{
    name_set_release(&unload->files);
    free(unload->roots);
}

enum b10_reason unload_cache(const struct settings *settings, struct log *log,
                             struct progress *progress, struct b10_report *report,
                             struct b10_error *error)
{
    SCOPED(identity) struct identity identity = IDENTITY_NONE;
    SCOPED(volumes) struct volumes volumes = {0};
    SCOPED(unload)
    struct unload unload = {.settings = settings,
                            .log = log,
                            .progress = progress,
                            .report = report};
    report_destination(report, settings->local_dir);
    TRY(identity_collect(&identity, settings, error));
    report_key(report, identity.key.text);
    unload.roots = calloc(settings->root_count + 1, sizeof(*unload.roots));
    if (unload.roots == NULL)
        return error_no_memory(error);
    TRY(volumes_open(&volumes, settings, log, progress, error));
    TRY(candidates_visit(&volumes, &identity, unload_archive, &unload, error));
    if (!unload.seen)
        return error_set(error, B10_REASON_ABSENT, "there is no archive of this environment");
    if (report->files == 0)
        return error_set(error, B10_REASON_NOTHING_LOCAL, "nothing in '%s' was loaded",
                         settings->local_dir);
    return B10_REASON_OK;
}
