/* One operation in a process of its own, for tests that kill it.
 *
 *     driver save|load|verify|clear LOCAL VOLUME THREADS
 *
 * THREADS 0: no thread can be had, and the library does everything on the calling one (strace counts
 * system calls per thread).
 *
 * Prints "STATUS REASON"; the exit code is the status. No further roots, floors 0.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "b10transfer.h"

static bool may_have_threads;

/* In place of the C library's, also for the library. */
__attribute__((visibility("default"))) int pthread_create(pthread_t *thread,
                                                          const pthread_attr_t *attributes,
                                                          void *(*run)(void *), void *argument)
{
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (!may_have_threads)
        return EAGAIN;
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    return real(thread, attributes, run, argument);
}

static void set(b10_config *config, const char *key, const char *value)
{
    b10_error error = B10_INIT(b10_error);
    if (b10_config_set(config, key, value, &error) == B10_SUCCESS)
        return;
    fprintf(stderr, "%s\n", error.message);
    exit(99);
}

static OperationStatus verify(const b10_config *config, b10_error *error)
{
    b10_cache_info *info = calloc(1, sizeof(*info));
    if (info == NULL)
        return B10_ERROR;
    info->struct_size = (uint32_t)sizeof(*info);
    OperationStatus status = b10_info(config, NULL, info, error);
    if (status == B10_SUCCESS)
        status = b10_verify(config, NULL, info->environment_key, NULL, error);
    free(info);
    return status;
}

int main(int count, char **words)
{
    b10_error error = B10_INIT(b10_error);
    b10_config *config = b10_config_new();
    OperationStatus status = B10_ERROR;
    if (count != 5 || config == NULL)
        return 99;
    may_have_threads = strcmp(words[4], "0") != 0;
    set(config, "baseten_fs_enabled", "1");
    set(config, "b10_local_prefixes", "any");
    set(config, "torchinductor_cache_dir", words[2]);
    set(config, "b10fs_cache_dir", words[3]);
    set(config, "b10_threads", may_have_threads ? words[4] : "1");
    set(config, "b10_cache_roots", "none");
    set(config, "min_local_space_mb", "0");
    set(config, "min_b10fs_space_mb", "0");
    if (strcmp(words[1], "save") == 0)
        status = b10_save(config, NULL, NULL, &error);
    else if (strcmp(words[1], "load") == 0)
        status = b10_load(config, NULL, NULL, &error);
    else if (strcmp(words[1], "clear") == 0)
        status = b10_clear(config, NULL, NULL, &error);
    else if (strcmp(words[1], "verify") == 0)
        status = verify(config, &error);
    printf("%s %s\n", b10_status_name(status), b10_reason_name(error.code));
    if (error.message[0] != '\0')
        fprintf(stderr, "%s\n", error.message);
    b10_config_free(config);
    return (int)status;
}
