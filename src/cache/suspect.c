#include "cache/suspect.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/guard.h"
#include "fs/dirs.h"
#include "fs/io.h"
#include "fs/process.h"

enum b10_reason suspect_mark(const struct volume *volume, const char *key, const char *token,
                             struct b10_error *error)
{
    struct process self;
    char name[NAMES_SIZE];
    process_self(&self);
    if (strlen(self.boot) < NAMES_SUSPECT_BOOT)
        return error_set(error, B10_REASON_IO, "cannot tell which boot this is");
    names_suspect(name, key, token, self.boot);
    SCOPED(fd)
    int fd =
        openat(volume->dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    const int failed = fd >= 0 ? 0 : errno;
    TRY(progress_step(volume->progress, error));
    if (failed != 0 && failed != EEXIST)
        return error_errno(error, failed, "cannot create '%s/%s'", volume->path, name);
    return B10_REASON_OK;
}

/* Whether the name is a mark of the key, and *meant: it means the archive. */
static bool is_mark(const char *name, const char *key, const struct manifest *manifest, bool *meant)
{
    char found_key[B10_KEY_SIZE];
    char found_token[TOKEN_TEXT_SIZE];
    if (names_classify(name, found_key, found_token) != NAMES_SUSPECT ||
        strcmp(found_key, key) != 0)
        return false;
    *meant = manifest_descends_from(manifest, found_token, NAMES_SUSPECT_TOKEN);
    return true;
}

/* The boots whose word it is. */
struct accusers {
    const char *boots[SUSPECT_BOOTS]; /* borrowed from the names */
    size_t count;
};

static void add_accuser(struct accusers *accusers, const char *mark)
{
    const char *boot = mark + strlen(mark) - NAMES_SUSPECT_BOOT;
    for (size_t i = 0; i < accusers->count; i++)
        if (strcmp(accusers->boots[i], boot) == 0)
            return;
    if (accusers->count < SUSPECT_BOOTS)
        accusers->boots[accusers->count++] = boot;
}

enum b10_reason suspect_is_marked(const struct volume *volume, const char *key,
                                  const struct manifest *manifest, bool *marked,
                                  struct b10_error *error)
{
    SCOPED(dirs_names) struct dirs_names names = {0};
    struct b10_error found = ERROR_NONE;
    struct accusers accusers = {.count = 0};
    bool meant;
    *marked = false;
    SCOPED(fd) int fd = -1;
    enum b10_reason reason =
        io_open(&fd, volume->dirfd, ".", O_RDONLY | O_DIRECTORY, 0, volume->path, &found);
    if (reason == B10_REASON_OK)
        reason = dirs_read(&names, fd, volume->path, &found);
    TRY(progress_step(volume->progress, error));
    if (reason == B10_REASON_NO_MEMORY)
        return error_copy(error, &found);
    for (size_t i = 0; reason == B10_REASON_OK && i < names.count; i++)
        if (is_mark(names.names[i], key, manifest, &meant) && meant)
            add_accuser(&accusers, names.names[i]);
    *marked = accusers.count == SUSPECT_BOOTS;
    return B10_REASON_OK;
}

void suspect_forget(const struct volume *volume, const struct dirs_names *names, const char *key,
                    const struct manifest *manifest)
{
    bool meant;
    for (size_t i = 0; i < names->count; i++) {
        if (!is_mark(names->names[i], key, manifest, &meant) || meant)
            continue;
        if (progress_step(volume->progress, NULL) != B10_REASON_OK)
            return;
        (void)!unlinkat(volume->dirfd, names->names[i], 0);
    }
}
