#include "fault/faultfs/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { RULES_MAX = 16, HANG_POLL_MS = 5 };

struct rule {
    char operation[16];
    long from;
    long count;
    char action[16];
    char value[32];
    char path[256];
    long seen; /* operations that matched */
};

static struct {
    pthread_mutex_t mutex;
    const char *file;
    struct stat read; /* the file that the rules were read from */
    struct rule rules[RULES_MAX];
    size_t count;
    int log; /* -1: none */
} state = {.mutex = PTHREAD_MUTEX_INITIALIZER, .log = -1};

void rules_init(const char *rules, const char *log)
{
    state.file = rules;
    if (log != NULL)
        state.log = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
}

static int errno_of(const char *name)
{
    for (int number = 1; number < 134; number++) {
        const char *known = strerrorname_np(number);
        if (known != NULL && strcmp(known, name) == 0)
            return number;
    }
    fprintf(stderr, "faultfs: no such error: %s\n", name);
    exit(2);
}

static void read_rules(void)
{
    char line[512];
    FILE *file = fopen(state.file, "re");
    state.count = 0;
    if (file == NULL)
        return;
    if (fstat(fileno(file), &state.read) != 0)
        memset(&state.read, 0, sizeof(state.read));
    while (state.count < RULES_MAX && fgets(line, sizeof(line), file) != NULL) {
        struct rule *rule = &state.rules[state.count];
        memset(rule, 0, sizeof(*rule));
        if (sscanf(line, "%15s %ld %ld %15s %31s %255s", rule->operation, &rule->from, &rule->count,
                   rule->action, rule->value, rule->path) >= 5)
            state.count++;
    }
    fclose(file);
}

static void read_rules_if_new(void)
{
    struct stat now;
    if (state.file == NULL || stat(state.file, &now) != 0)
        return;
    if (now.st_ino != state.read.st_ino || now.st_mtim.tv_sec != state.read.st_mtim.tv_sec ||
        now.st_mtim.tv_nsec != state.read.st_mtim.tv_nsec)
        read_rules();
}

static bool is_action(const struct rule *rule, const char *action)
{
    return strcmp(rule->action, action) == 0;
}

static bool matches(const struct rule *rule, const char *operation, const char *path, off_t offset,
                    size_t size)
{
    if (strcmp(rule->operation, "*") != 0 && strcmp(rule->operation, operation) != 0)
        return false;
    if (rule->path[0] != '\0' && strstr(path, rule->path) == NULL)
        return false;
    const off_t byte = (off_t)strtoll(rule->value, NULL, 10);
    return !is_action(rule, "flip") || (byte >= offset && byte < offset + (off_t)size);
}

static void apply(const struct rule *rule, struct fault *fault)
{
    if (is_action(rule, "errno")) {
        fault->error = errno_of(rule->value);
    } else if (is_action(rule, "late")) {
        fault->late = errno_of(rule->value);
    } else if (is_action(rule, "short")) {
        fault->is_short = true;
        fault->size = strtoul(rule->value, NULL, 10);
    } else if (is_action(rule, "flip")) {
        fault->is_flipped = true;
        fault->flipped = (off_t)strtoll(rule->value, NULL, 10);
    } else if (is_action(rule, "avail")) {
        fault->has_avail = true;
        fault->avail = strtoull(rule->value, NULL, 10);
    } else if (is_action(rule, "zero")) {
        fault->is_zero = true;
    } else if (is_action(rule, "skew")) {
        fault->skew_s = strtol(rule->value, NULL, 10);
    }
}

static void write_log(const char *operation, const char *path, const char *action)
{
    char line[512];
    if (state.log < 0)
        return;
    int length = snprintf(line, sizeof(line), "%s %s%s%s\n", operation, path,
                          action[0] != '\0' ? " " : "", action);
    if (length > 0 && (size_t)length < sizeof(line) && write(state.log, line, (size_t)length) < 0)
        perror("faultfs: log");
}

static void wait_ms(long ms)
{
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static bool some_rule_hangs(void)
{
    bool hangs = false;
    pthread_mutex_lock(&state.mutex);
    read_rules_if_new();
    for (size_t i = 0; i < state.count; i++)
        hangs = hangs || is_action(&state.rules[i], "hang");
    pthread_mutex_unlock(&state.mutex);
    return hangs;
}

struct fault rules_meet(const char *operation, const char *path, off_t offset, size_t size)
{
    struct fault fault = {0};
    const char *action = "";
    char fired[16] = "";
    long delay_ms = 0;
    pthread_mutex_lock(&state.mutex);
    read_rules_if_new();
    for (size_t i = 0; i < state.count; i++) {
        struct rule *rule = &state.rules[i];
        if (!matches(rule, operation, path, offset, size))
            continue;
        rule->seen++;
        if (rule->seen < rule->from || rule->seen - rule->from >= rule->count)
            continue;
        apply(rule, &fault);
        if (is_action(rule, "delay"))
            delay_ms = strtol(rule->value, NULL, 10);
        action = memcpy(fired, rule->action, sizeof(fired));
    }
    write_log(operation, path, action);
    pthread_mutex_unlock(&state.mutex);
    if (strcmp(action, "exit") == 0)
        _exit(1);
    wait_ms(delay_ms);
    while (strcmp(action, "hang") == 0 && some_rule_hangs())
        wait_ms(HANG_POLL_MS);
    return fault;
}
