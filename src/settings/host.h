/* What the defaults of settings are computed from: the user's name, home and temporary directory,
 * found as Python's tempfile and getpass find them, because PyTorch names its default directories
 * with these.
 *
 * The environment comes in as strings (config.c reads it); the password database is asked only
 * where they say nothing.
 * Threads: any.
 */
#ifndef SETTINGS_HOST_H
#define SETTINGS_HOST_H

#include "base/error.h"

enum { HOST_TEMPORARY_COUNT = 3, HOST_USER_COUNT = 4 };

/* Values of environment variables; NULL where unset. */
struct host_environment {
    const char *home;                            /* HOME */
    const char *temporary[HOST_TEMPORARY_COUNT]; /* TMPDIR, TEMP, TMP */
    const char *user[HOST_USER_COUNT];           /* LOGNAME, USER, LNAME, USERNAME */
};

struct host {
    char *temporary_dir; /* owned: resolved */
    char
        *temporary_named; /* owned: absolute, as it was named: what PyTorch writes into its files */
    char *home_dir;       /* owned: resolved, NULL if there is none or it is "/" */
    char *home_named;     /* owned: the same, as it was named */
    char *user;           /* owned: fit for a directory's name */
};

#define HOST_NONE                                                                                  \
    {                                                                                              \
        NULL, NULL, NULL, NULL, NULL                                                               \
    }

MUST_CHECK enum b10_reason host_read(struct host *host, const struct host_environment *environment,
                                     struct b10_error *error);

/* *out = "<tmp>/torchinductor_<user>", PyTorch's default, no symlink resolved; to be freed. */
MUST_CHECK enum b10_reason host_torch_dir(char **out, const struct host *host,
                                          struct b10_error *error);

/* *out = home of this user in the password database, NULL if there is none; to be freed. */
MUST_CHECK enum b10_reason host_registered_home(char **out, struct b10_error *error);

void host_release(struct host *host);
void host_guard(struct host *host);

#endif
