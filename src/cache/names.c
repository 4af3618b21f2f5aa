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
#include "fs/lock_seen.h"
#include "fs/path.h"

static const char archive_suffix[] = ".v1.tar.zst";
static const char set_aside_suffix[] = ".bad";
static const char suspect_infix[] = ".suspect-";

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

void names_suspect(char name[NAMES_SIZE], const char *key, const char *token, const char *boot)
{
    snprintf(name, NAMES_SIZE, ".%.200s%s%.*s-%.*s", key, suspect_infix, NAMES_SUSPECT_TOKEN, token,
             NAMES_SUSPECT_BOOT, boot);
}

/* The suffixes of hidden names; all but the lock's follow a token. None ends another. */
static const struct form {
    const char *suffix;
    enum names_kind kind;
} forms[] = {
    {".tmp", NAMES_TEMPORARY},         {set_aside_suffix, NAMES_SET_ASIDE},
    {LOCK_SUFFIX, NAMES_LOCK},         {LOCK_NEW_SUFFIX, NAMES_LOCK_NEW},
    {LOCK_OLD_SUFFIX, NAMES_LOCK_OLD},
};

static const struct form *find_form(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        size_t tail = strlen(forms[i].suffix);
        if (length > tail && strcmp(name + length - tail, forms[i].suffix) == 0)
            return &forms[i];
    }
    return NULL;
}

/* `.KEY` and, unless it is a lock, `.<32 hex>`. */
static bool split(const char *name, size_t length, bool has_token, char key[B10_KEY_SIZE],
                  char token[TOKEN_TEXT_SIZE])
{
    const size_t token_length = TOKEN_TEXT_SIZE - 1;
    if (has_token) {
        if (length <= 1 + token_length || name[length - token_length - 1] != '.' ||
            strspn(name + length - token_length, "0123456789abcdef") < token_length)
            return false;
        memcpy(token, name + length - token_length, token_length);
        token[token_length] = '\0';
        length -= token_length + 1;
    }
    if (name[0] != '.' || length < 2 || length > B10_KEY_SIZE)
        return false;
    memcpy(key, name + 1, length - 1);
    key[length - 1] = '\0';
    return key_is_valid(key);
}

static bool is_hex(const char *text, size_t length)
{
    return strspn(text, "0123456789abcdef") >= length;
}

/* `.KEY.suspect-<16 hex>-<8 hex>`; the token is the first of the two. */
static bool split_suspect(const char *name, size_t length, char key[B10_KEY_SIZE],
                          char token[TOKEN_TEXT_SIZE])
{
    const size_t infix = sizeof(suspect_infix) - 1;
    const size_t tail = infix + NAMES_SUSPECT_TOKEN + 1 + NAMES_SUSPECT_BOOT;
    if (length <= tail || memcmp(name + length - tail, suspect_infix, infix) != 0)
        return false;
    const char *marked = name + length - tail + infix;
    if (!is_hex(marked, NAMES_SUSPECT_TOKEN) || marked[NAMES_SUSPECT_TOKEN] != '-' ||
        !is_hex(marked + NAMES_SUSPECT_TOKEN + 1, NAMES_SUSPECT_BOOT) ||
        !split(name, length - tail, false, key, token))
        return false;
    memcpy(token, marked, NAMES_SUSPECT_TOKEN);
    token[NAMES_SUSPECT_TOKEN] = '\0';
    return true;
}

enum names_kind names_classify(const char *name, char key[B10_KEY_SIZE],
                               char token[TOKEN_TEXT_SIZE])
{
    const size_t length = strlen(name);
    key[0] = token[0] = '\0';
    if (names_parse(name, key))
        return NAMES_ARCHIVE;
    const struct form *form = find_form(name, length);
    if (form != NULL &&
        split(name, length - strlen(form->suffix), form->kind != NAMES_LOCK, key, token))
        return form->kind;
    if (split_suspect(name, length, key, token))
        return NAMES_SUSPECT;
    key[0] = token[0] = '\0';
    return NAMES_FOREIGN;
}

static bool is_set_aside(const char *name, const char *key)
{
    char found[B10_KEY_SIZE];
    char token[TOKEN_TEXT_SIZE];
    return names_classify(name, found, token) == NAMES_SET_ASIDE && strcmp(found, key) == 0;
}

/* ---- archives ---- */

enum b10_reason names_open_archive(struct reader *reader, const struct volume *volume,
                                   const char *key, struct b10_error *error)
{
    char name[NAMES_SIZE];
    names_archive(name, key);
    SCOPED(heap) char *path = NULL;
    TRY(path_join(&path, volume->path, name, error));
    struct b10_error found = ERROR_NONE;
    unsigned looks = 0;
    enum b10_reason reason;
    do
        reason = reader_open(reader, volume->dirfd, name, path, &found);
    while (reason == B10_REASON_IO && found.sys_errno == ESTALE &&
           volume_wait_a_moment(volume, &looks));
    TRY(progress_step(volume->progress, error));
    return reason == B10_REASON_OK ? B10_REASON_OK : error_copy(error, &found);
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
