#include "cache/names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/random.h"
#include "fs/dirs.h"
#include "fs/io.h"
#include "fs/path.h"

static const char archive_suffix[] = ".v1.tar.zst";
static const char set_aside_suffix[] = ".bad";

/* ---- names ---- */

void names_archive(char name[NAMES_SIZE], const char *key)
{
    snprintf(name, NAMES_SIZE, "%.200s%s", key, archive_suffix);
}

bool names_parse(const char *name, char key[B10_KEY_SIZE])
{
    size_t length = strlen(name);
    size_t tail = sizeof(archive_suffix) - 1;
    if (length <= tail || length - tail >= B10_KEY_SIZE)
        return false;
    if (strcmp(name + length - tail, archive_suffix) != 0)
        return false;
    memcpy(key, name, length - tail);
    key[length - tail] = '\0';
    return key_is_valid(key);
}

/* .KEY.<32 hex>.bad */
static bool is_set_aside(const char *name, const char *key)
{
    size_t key_length = strlen(key);
    size_t token_length = TOKEN_TEXT_SIZE - 1;
    if (name[0] != '.' || strncmp(name + 1, key, key_length) != 0 || name[1 + key_length] != '.')
        return false;
    const char *token = name + 2 + key_length;
    return strspn(token, "0123456789abcdef") == token_length &&
           strcmp(token + token_length, set_aside_suffix) == 0;
}

/* ---- the directory ---- */

static enum b10_reason open_directory(struct volume *volume, struct b10_error *error)
{
    struct b10_error found = ERROR_NONE;
    enum b10_reason reason = io_open(&volume->dirfd, AT_FDCWD, volume->path, O_RDONLY | O_DIRECTORY,
                                     0, volume->path, &found);
    if (reason != B10_REASON_OK && found.sys_errno == ENOENT)
        return error_set(error, B10_REASON_ABSENT, "there is no directory '%s'", volume->path);
    if (reason != B10_REASON_OK)
        return error_copy(error, &found);
    if (fstat(volume->dirfd, &volume->stat) != 0)
        return error_errno(error, errno, "cannot examine '%s'", volume->path);
    return B10_REASON_OK;
}

/* Only the last component: a volume that is not mounted must not come into being on the container's
 * own disk. */
static enum b10_reason make_directory(const struct volume *volume, struct b10_error *error)
{
    if (mkdir(volume->path, 0777) == 0 || errno == EEXIST)
        return B10_REASON_OK;
    if (errno == ENOENT)
        return error_set(error, B10_REASON_ABSENT, "there is no directory to create '%s' in",
                         volume->path);
    return error_errno(error, errno, "cannot create directory '%s'", volume->path);
}

/* Symlinks and mounts may lead where the text of the setting does not. */
static enum b10_reason refuse_overlap(const struct volume *volume, const struct settings *settings,
                                      struct b10_error *error)
{
    SCOPED(heap) char *resolved = NULL;
    TRY(path_resolve(&resolved, volume->path, error));
    const char *local = settings->local_dir;
    struct stat stat_local;
    bool same = volume->dirfd >= 0 && stat(local, &stat_local) == 0 &&
                io_same_file(&stat_local, &volume->stat);
    if (same || path_is_within(resolved, local) || path_is_within(local, resolved))
        return error_set(error, B10_REASON_CONFIG,
                         "B10FS_CACHE_DIR='%s': must be neither inside the local cache directory "
                         "'%s' nor around it",
                         volume->path, local);
    for (size_t i = 0; i < settings->root_count; i++) {
        if (path_is_within(resolved, settings->roots[i].path))
            return error_set(error, B10_REASON_CONFIG,
                             "B10FS_CACHE_DIR='%s': must not be inside the root '%s' (%s)",
                             volume->path, settings->roots[i].name, settings->roots[i].path);
    }
    return B10_REASON_OK;
}

enum b10_reason volume_open(struct volume *volume, const struct settings *settings, bool create,
                            struct progress *progress, struct b10_error *error)
{
    SCOPED(volume) struct volume opened = VOLUME_CLOSED;
    int length = snprintf(opened.path, sizeof(opened.path), "%s", settings->shared_dir);
    opened.progress = progress;
    if (length < 0 || (size_t)length >= sizeof(opened.path))
        return error_set(error, B10_REASON_CONFIG, "B10FS_CACHE_DIR is too long");
    struct b10_error found = ERROR_NONE;
    enum b10_reason reason = open_directory(&opened, &found);
    if (reason == B10_REASON_ABSENT && create) {
        TRY(refuse_overlap(&opened, settings, error)); /* before anything is created there */
        TRY(make_directory(&opened, error));
        reason = open_directory(&opened, &found);
    }
    if (reason != B10_REASON_OK)
        return error_copy(error, &found);
    TRY(refuse_overlap(&opened, settings, error));
    TRY(progress_step(progress, error));
    *volume = opened;
    opened.dirfd = -1;
    return B10_REASON_OK;
}

enum b10_reason volume_confirm(const struct volume *volume, struct b10_error *error)
{
    struct stat now;
    if (stat(volume->path, &now) != 0)
        return error_set(error, B10_REASON_IO, "'%s' is gone: the volume was unmounted meanwhile",
                         volume->path);
    if (!io_same_file(&volume->stat, &now))
        return error_set(error, B10_REASON_IO,
                         "'%s' is another directory now: the volume was unmounted meanwhile",
                         volume->path);
    return B10_REASON_OK;
}

void volume_close(struct volume *volume)
{
    fd_guard(&volume->dirfd);
    volume->dirfd = -1;
}

void volume_guard(struct volume *volume)
{
    volume_close(volume);
}

/* ---- archives in it ---- */

enum b10_reason names_open_archive(struct reader *reader, const struct volume *volume,
                                   const char *key, struct b10_error *error)
{
    char name[NAMES_SIZE];
    names_archive(name, key);
    SCOPED(heap) char *path = NULL;
    TRY(path_join(&path, volume->path, name, error));
    TRY(reader_open(reader, volume->dirfd, name, path, error));
    return progress_step(volume->progress, error);
}

/* The file that was judged, by everything that a rename leaves as it is. */
static bool is_judged(const struct stat *judged, const struct stat *now)
{
    return io_same_file(judged, now) && judged->st_size == now->st_size &&
           judged->st_mtim.tv_sec == now->st_mtim.tv_sec &&
           judged->st_mtim.tv_nsec == now->st_mtim.tv_nsec;
}

/* Older ones of the key; whatever stands in the way stays. */
static void remove_older(const struct volume *volume, const char *key, const char *kept)
{
    struct b10_error ignored = ERROR_NONE;
    SCOPED(dirs_names) struct dirs_names found = {0};
    if (dirs_list(&found, volume->dirfd, volume->path, &ignored) != B10_REASON_OK)
        return;
    for (size_t i = 0; i < found.count; i++) {
        if (is_set_aside(found.names[i], key) && strcmp(found.names[i], kept) != 0)
            (void)!dirs_remove_tree(volume->dirfd, found.names[i], NULL, &ignored);
    }
}

/* What was renamed is another archive, published in the meantime: back with it. If its name is
 * taken again by then, the newer one is as good, and this one goes. */
static enum b10_reason put_back(const struct volume *volume, const char *aside, const char *name,
                                struct b10_error *error)
{
    int failed = io_rename_noreplace(volume->dirfd, aside, volume->dirfd, name, false);
    if (failed == EEXIST)
        failed = unlinkat(volume->dirfd, aside, 0) == 0 ? 0 : errno;
    if (failed != 0)
        return error_errno(error, failed, "cannot rename '%s/%s' back to '%s'", volume->path, aside,
                           name);
    return B10_REASON_OK;
}

/* 1. Look: another file under the name is left alone.
 * 2. Rename it aside. Between the two a saver may have published a whole archive under the name,
 * 3. so look again at what was renamed, and put another file back. */
enum b10_reason names_set_aside(const struct volume *volume, const char *key,
                                const struct stat *judged, bool *done, struct b10_error *error)
{
    char name[NAMES_SIZE];
    char aside[NAMES_SIZE];
    char token[TOKEN_TEXT_SIZE];
    struct stat now;
    *done = false;
    TRY(token_make(token, error));
    names_archive(name, key);
    snprintf(aside, sizeof(aside), ".%.200s.%s%s", key, token, set_aside_suffix);
    if (fstatat(volume->dirfd, name, &now, AT_SYMLINK_NOFOLLOW) != 0 || !is_judged(judged, &now))
        return B10_REASON_OK;
    TRY(progress_step(volume->progress, error));
    if (renameat(volume->dirfd, name, volume->dirfd, aside) != 0) {
        enum b10_reason reason = error_reason_of(errno);
        if (errno == ENOENT || reason == B10_REASON_DENIED)
            return B10_REASON_OK;
        return error_errno(error, errno, "cannot rename '%s/%s' to '%s'", volume->path, name,
                           aside);
    }
    if (fstatat(volume->dirfd, aside, &now, AT_SYMLINK_NOFOLLOW) != 0)
        return error_errno(error, errno, "cannot examine '%s/%s'", volume->path, aside);
    if (!is_judged(judged, &now))
        return put_back(volume, aside, name, error);
    *done = true;
    remove_older(volume, key, aside);
    return B10_REASON_OK;
}
