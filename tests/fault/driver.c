/* One operation in a process of its own, for tests that kill it or let its volume fail.
 *
 *     driver save|load|verify|info|list|explain|clear LOCAL VOLUME THREADS [KEY=VALUE…]
 *
 * Prints "STATUS REASON"; the exit code is the status. No further roots, floors 0, then the settings given. THREADS 0:
 * no thread can be created, and the library does everything on the calling one; strace counts system calls per thread.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "b10transfer.h"

static bool has_threads = true;

/* The library finds this one before the real one. */
__attribute__((visibility("default"))) int pthread_create(pthread_t *thread,
                                                          const pthread_attr_t *attributes,
                                                          void *(*start)(void *), void *argument)
{
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (!has_threads)
        return EAGAIN;
    *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
    return create(thread, attributes, start, argument);
}

static void set(b10_config *config, const char *key, const char *value)
{
    b10_error error = B10_INIT(b10_error);
    if (b10_config_set(config, key, value, &error) == B10_SUCCESS)
        return;
    fprintf(stderr, "%s\n", error.message);
    exit(99);
}

/* "KEY=VALUE". */
static void set_pair(b10_config *config, char *pair)
{
    char *equals = strchr(pair, '=');
    if (equals == NULL)
        exit(99);
    *equals = '\0';
    set(config, pair, equals + 1);
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

static OperationStatus list(const b10_config *config, b10_error *error)
{
    b10_cache_list *found = NULL;
    OperationStatus status = b10_list(config, NULL, &found, error);
    b10_cache_list_free(found);
    return status;
}

static OperationStatus explain(const b10_config *config, b10_error *error)
{
    b10_comparison_list *found = NULL;
    OperationStatus status = b10_explain(config, NULL, &found, error);
    b10_comparison_list_free(found);
    return status;
}

static OperationStatus info(const b10_config *config, b10_error *error)
{
    b10_cache_info *found = calloc(1, sizeof(*found));
    if (found == NULL)
        return B10_ERROR;
    found->struct_size = (uint32_t)sizeof(*found);
    OperationStatus status = b10_info(config, NULL, found, error);
    free(found);
    return status;
}

static OperationStatus run(const char *operation, const b10_config *config, b10_error *error)
{
    if (strcmp(operation, "save") == 0)
        return b10_save(config, NULL, NULL, error);
    if (strcmp(operation, "load") == 0)
        return b10_load(config, NULL, NULL, error);
    if (strcmp(operation, "verify") == 0)
        return verify(config, error);
    if (strcmp(operation, "info") == 0)
        return info(config, error);
    if (strcmp(operation, "list") == 0)
        return list(config, error);
    if (strcmp(operation, "explain") == 0)
        return explain(config, error);
    if (strcmp(operation, "clear") == 0)
        return b10_clear(config, NULL, NULL, error);
    exit(99);
}

int main(int count, char **words)
{
    b10_error error = B10_INIT(b10_error);
    b10_config *config = b10_config_new();
    if (count < 5 || config == NULL)
        return 99;
    has_threads = strcmp(words[4], "0") != 0;
    set(config, "baseten_fs_enabled", "1");
    set(config, "b10_local_prefixes", "any");
    set(config, "torchinductor_cache_dir", words[2]);
    set(config, "b10fs_cache_dir", words[3]);
    set(config, "b10_threads", has_threads ? words[4] : "1");
    set(config, "b10_cache_roots", "none");
    set(config, "min_local_space_mb", "0");
    set(config, "min_b10fs_space_mb", "0");
    for (int i = 5; i < count; i++)
        set_pair(config, words[i]);
    OperationStatus status = run(words[1], config, &error);
    printf("%s %s\n", b10_status_name(status), b10_reason_name(error.code));
    if (error.message[0] != '\0')
        fprintf(stderr, "%s\n", error.message);
    b10_config_free(config);
    return (int)status;
}
