#include "settings/host.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guard.h"
#include "fs/path.h"

/* ---- password database ---- */

enum passwd_field { PASSWD_NAME, PASSWD_HOME };

/* *out stays NULL when there is no entry, as for a container's arbitrary uid. */
static enum b10_reason read_passwd(char **out, enum passwd_field field, struct b10_error *error)
{
    enum { BUFFER_SIZE = 16384 };
    SCOPED(heap) char *buffer = malloc(BUFFER_SIZE);
    if (buffer == NULL)
        return error_no_memory(error);
    struct passwd entry;
    struct passwd *found = NULL;
    if (getpwuid_r(getuid(), &entry, buffer, BUFFER_SIZE, &found) != 0 || found == NULL)
        return B10_REASON_OK;
    const char *text = field == PASSWD_NAME ? found->pw_name : found->pw_dir;
    if (text == NULL || *text == '\0')
        return B10_REASON_OK;
    *out = strdup(text);
    return *out != NULL ? B10_REASON_OK : error_no_memory(error);
}

enum b10_reason host_registered_home(char **out, struct b10_error *error)
{
    *out = NULL;
    return read_passwd(out, PASSWD_HOME, error);
}

/* ---- home ---- */

static enum b10_reason find_home(struct host *host, const char *home, struct b10_error *error)
{
    SCOPED(heap) char *registered = NULL;
    if (home == NULL || *home == '\0') {
        TRY(read_passwd(&registered, PASSWD_HOME, error));
        home = registered;
    }
    if (home == NULL || *home != '/' || path_has_dotdot(home))
        return B10_REASON_OK;
    SCOPED(heap) char *resolved = NULL;
    struct b10_error ignored = ERROR_NONE;
    enum b10_reason reason = path_resolve(&resolved, home, &ignored);
    if (reason == B10_REASON_NO_MEMORY)
        return error_copy(error, &ignored);
    if (reason != B10_REASON_OK || strcmp(resolved, "/") == 0)
        return B10_REASON_OK;
    host->home_named = strdup(home);
    if (host->home_named == NULL)
        return error_no_memory(error);
    host->home_dir = HEAP_TAKE(resolved);
    return B10_REASON_OK;
}

/* ---- temporary directory ---- */

/* The resolved directory if it is one that this process may write, else NULL. */
static char *usable_directory(const char *path)
{
    if (path == NULL || *path == '\0')
        return NULL;
    SCOPED(heap) char *resolved = realpath(path, NULL);
    struct stat stat_now;
    if (resolved == NULL || stat(resolved, &stat_now) != 0 || !S_ISDIR(stat_now.st_mode))
        return NULL;
    if (faccessat(AT_FDCWD, resolved, W_OK | X_OK, AT_EACCESS) != 0)
        return NULL;
    return HEAP_TAKE(resolved);
}

static enum b10_reason find_temporary(struct host *host, const char *const *environment,
                                      struct b10_error *error)
{
    const char *candidates[HOST_TEMPORARY_COUNT + 2] = {environment[0], environment[1],
                                                        environment[2], "/tmp", "/var/tmp"};
    const char *named = NULL;
    for (size_t i = 0; i < HOST_TEMPORARY_COUNT + 2 && host->temporary_dir == NULL; i++) {
        named = candidates[i];
        host->temporary_dir = usable_directory(named);
    }
    /* None is usable: whoever needs one then fails on /tmp, with a message that names it. */
    if (host->temporary_dir == NULL)
        host->temporary_dir = strdup("/tmp");
    if (host->temporary_dir == NULL)
        return error_no_memory(error);
    if (named == NULL || *named != '/' || path_has_dotdot(named))
        named = host->temporary_dir;
    host->temporary_named = strdup(named);
    return host->temporary_named != NULL ? B10_REASON_OK : error_no_memory(error);
}

/* ---- user ---- */

static enum b10_reason find_user(struct host *host, const char *const *environment,
                                 struct b10_error *error)
{
    for (size_t i = 0; i < HOST_USER_COUNT && host->user == NULL; i++) {
        if (environment[i] == NULL || *environment[i] == '\0')
            continue;
        host->user = strdup(environment[i]);
        if (host->user == NULL)
            return error_no_memory(error);
    }
    if (host->user == NULL)
        TRY(read_passwd(&host->user, PASSWD_NAME, error));
    if (host->user == NULL) {
        char text[32];
        snprintf(text, sizeof(text), "uid_%lu", (unsigned long)getuid());
        host->user = strdup(text);
        if (host->user == NULL)
            return error_no_memory(error);
    }
    /* The characters that PyTorch replaces. */
    for (char *c = host->user; (c = strpbrk(c, "\\/:*?\"<>|")) != NULL; c++)
        *c = '_';
    return B10_REASON_OK;
}

/* ---- all ---- */

enum b10_reason host_read(struct host *host, const struct host_environment *environment,
                          struct b10_error *error)
{
    TRY(find_home(host, environment->home, error));
    TRY(find_temporary(host, environment->temporary, error));
    return find_user(host, environment->user, error);
}

enum b10_reason host_torch_dir(char **out, const struct host *host, struct b10_error *error)
{
    size_t size = strlen(host->temporary_named) + strlen(host->user) + sizeof("/torchinductor_");
    char *path = malloc(size);
    if (path == NULL)
        return error_no_memory(error);
    bool at_root = strcmp(host->temporary_named, "/") == 0;
    snprintf(path, size, "%s/torchinductor_%s", at_root ? "" : host->temporary_named, host->user);
    *out = path;
    return B10_REASON_OK;
}

void host_release(struct host *host)
{
    free(host->temporary_dir);
    free(host->temporary_named);
    free(host->home_dir);
    free(host->home_named);
    free(host->user);
    *host = (struct host)HOST_NONE;
}

void host_guard(struct host *host)
{
    host_release(host);
}
