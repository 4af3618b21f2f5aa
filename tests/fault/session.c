/* A process that uses the library for a while, told what to do line by line: for tests in which a volume stops answering.
 *
 *     session LIBRARY        commands on standard input, one answer line each on standard output
 *
 *     set KEY VALUE          "ok"
 *     load | save | info | list | explain | verify | clear      "STATUS REASON MILLISECONDS THREADS_LEFT"
 *     cancel MILLISECONDS    "ok"; a signal handler cancels the next operation that late
 *     threads, descriptors   how many this process has
 *     dlclose                "ok"; nothing of the library can be called any more
 *     exit                   exit(0)
 *
 * The library is found by dlopen, as by a runtime that loads it as a plugin. THREADS_LEFT is -1 where there is no report.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "b10transfer.h"

static struct {
    void *handle;
    __typeof__(b10_config_new) *config_new;
    __typeof__(b10_config_set) *config_set;
    __typeof__(b10_load) *load;
    __typeof__(b10_save) *save;
    __typeof__(b10_info) *info;
    __typeof__(b10_list) *list;
    __typeof__(b10_cache_list_free) *list_free;
    __typeof__(b10_explain) *explain;
    __typeof__(b10_comparison_list_free) *comparison_free;
    __typeof__(b10_verify) *verify;
    __typeof__(b10_clear) *clear;
    __typeof__(b10_cancel) *cancel;
    __typeof__(b10_cancel_token_new) *token_new;
    __typeof__(b10_cancel_token_free) *token_free;
    __typeof__(b10_status_name) *status_name;
    __typeof__(b10_reason_name) *reason_name;
} b10;

static b10_config *config;
static b10_cancel_token *token; /* of the operation that runs */

static void find(void *function, const char *name)
{
    *(void **)function = dlsym(b10.handle, name);
    if (*(void **)function != NULL)
        return;
    fprintf(stderr, "%s\n", dlerror());
    exit(99);
}

static void open_library(const char *path)
{
    b10.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (b10.handle == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(99);
    }
    find(&b10.config_new, "b10_config_new");
    find(&b10.config_set, "b10_config_set");
    find(&b10.load, "b10_load");
    find(&b10.save, "b10_save");
    find(&b10.info, "b10_info");
    find(&b10.list, "b10_list");
    find(&b10.list_free, "b10_cache_list_free");
    find(&b10.explain, "b10_explain");
    find(&b10.comparison_free, "b10_comparison_list_free");
    find(&b10.verify, "b10_verify");
    find(&b10.clear, "b10_clear");
    find(&b10.cancel, "b10_cancel");
    find(&b10.token_new, "b10_cancel_token_new");
    find(&b10.token_free, "b10_cancel_token_free");
    find(&b10.status_name, "b10_status_name");
    find(&b10.reason_name, "b10_reason_name");
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void set(const char *key, const char *value)
{
    b10_error error = B10_INIT(b10_error);
    OperationStatus status = b10.config_set(config, key, value, &error);
    printf("%s\n", status == B10_SUCCESS ? "ok" : error.message);
}

/* ---- operations ---- */

static OperationStatus verify(const b10_options *options, b10_error *error)
{
    b10_cache_info info = B10_INIT(b10_cache_info);
    OperationStatus status = b10.info(config, options, &info, error);
    if (status == B10_SUCCESS)
        status = b10.verify(config, options, info.environment_key, NULL, error);
    return status;
}

static OperationStatus look(const char *operation, const b10_options *options, b10_error *error)
{
    OperationStatus status;
    if (strcmp(operation, "info") == 0) {
        b10_cache_info info = B10_INIT(b10_cache_info);
        status = b10.info(config, options, &info, error);
    } else if (strcmp(operation, "list") == 0) {
        b10_cache_list *list = NULL;
        status = b10.list(config, options, &list, error);
        b10.list_free(list);
    } else if (strcmp(operation, "explain") == 0) {
        b10_comparison_list *found = NULL;
        status = b10.explain(config, options, &found, error);
        b10.comparison_free(found);
    } else if (strcmp(operation, "verify") == 0) {
        status = verify(options, error);
    } else {
        printf("unknown: %s\n", operation);
        exit(99);
    }
    return status;
}

static void operate(const char *operation)
{
    b10_error error = B10_INIT(b10_error);
    b10_report report = B10_INIT(b10_report);
    b10_options options = B10_INIT(b10_options);
    OperationStatus status;
    int left = 0;
    const int64_t begin = now_ms();
    options.cancel = token;
    if (strcmp(operation, "load") == 0) {
        status = b10.load(config, &options, &report, &error);
    } else if (strcmp(operation, "save") == 0) {
        status = b10.save(config, &options, &report, &error);
    } else if (strcmp(operation, "clear") == 0) {
        status = b10.clear(config, &options, &report, &error);
    } else {
        left = -1;
        status = look(operation, &options, &error);
    }
    const int64_t taken = now_ms() - begin;
    if (left == 0)
        left = (int)report.threads_left;
    printf("%s %s %" PRId64 " %d\n", b10.status_name(status), b10.reason_name(error.code), taken,
           left);
    if (error.message[0] != '\0')
        fprintf(stderr, "%s\n", error.message);
}

/* ---- signals, threads, descriptors ---- */

static void on_alarm(int number)
{
    (void)number;
    b10.cancel(token);
}

static void cancel_in(long ms)
{
    const struct itimerval timer = {.it_value = {ms / 1000, ms % 1000 * 1000}};
    b10.token_free(token);
    token = b10.token_new();
    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &timer, NULL);
    puts("ok");
}

static void count_entries(const char *path)
{
    int count = 0;
    DIR *directory = opendir(path);
    while (directory != NULL && readdir(directory) != NULL)
        count++;
    closedir(directory);
    printf("%d\n", count - 2);
}

static void obey(char *line)
{
    char *save = NULL;
    const char *command = strtok_r(line, " \n", &save);
    const char *first = strtok_r(NULL, " \n", &save);
    const char *second = strtok_r(NULL, "\n", &save);
    if (command == NULL)
        return;
    if (strcmp(command, "set") == 0 && second != NULL) {
        set(first, second);
    } else if (strcmp(command, "cancel") == 0 && first != NULL) {
        cancel_in(strtol(first, NULL, 10));
    } else if (strcmp(command, "threads") == 0) {
        count_entries("/proc/self/task");
    } else if (strcmp(command, "descriptors") == 0) {
        count_entries("/proc/self/fd");
    } else if (strcmp(command, "dlclose") == 0) {
        puts(dlclose(b10.handle) == 0 ? "ok" : dlerror());
    } else if (strcmp(command, "exit") == 0) {
        exit(0);
    } else {
        operate(command);
    }
}

int main(int count, char **words)
{
    char line[8192];
    if (count != 2)
        return 99;
    open_library(words[1]);
    config = b10.config_new();
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof(line), stdin) != NULL)
        obey(line);
    return 0;
}
