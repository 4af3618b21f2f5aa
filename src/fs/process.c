#include "fs/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/guard.h"
#include "fs/io.h"

/* Files of /proc that fit; the rest of a longer one does not matter. */
enum { TEXT_SIZE = 1024 };

static bool read_text(char text[TEXT_SIZE], const char *path)
{
    SCOPED(fd) int fd = -1;
    size_t size = 0;
    if (io_open(&fd, AT_FDCWD, path, O_RDONLY, 0, path, NULL) != B10_REASON_OK ||
        io_pread(fd, text, TEXT_SIZE - 1, 0, &size, path, NULL) != B10_REASON_OK)
        return false;
    text[size] = '\0';
    return true;
}

/* ---- /proc/PID/stat ---- */

struct stat_line {
    uint64_t pid; /* as /proc counts: another pid namespace's /proc names others */
    char state;
    uint64_t threads;
    uint64_t start_ticks;
};

/* The name in parentheses may hold anything, so what follows is counted from the last one. */
static bool parse_stat(struct stat_line *line, const char *text)
{
    const char *rest = strrchr(text, ')');
    return rest != NULL && sscanf(text, "%" SCNu64 " (", &line->pid) == 1 &&
           sscanf(rest,
                  ") %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64
                  " %*s %" SCNu64,
                  &line->state, &line->threads, &line->start_ticks) == 3;
}

static bool read_stat(struct stat_line *line, const char *path)
{
    char text[TEXT_SIZE];
    return read_text(text, path) && parse_stat(line, text);
}

/* ---- this process ---- */

static void read_host(char host[PROCESS_HOST_SIZE])
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    struct utsname names;
    if (uname(&names) != 0 || names.nodename[0] == '\0')
        memcpy(names.nodename, "-", sizeof("-"));
    snprintf(host, PROCESS_HOST_SIZE, "%.64s", names.nodename);
    for (char *c = host + strspn(host, allowed); *c != '\0'; c += strspn(c, allowed))
        *c = '_';
}

static void read_boot(char boot[PROCESS_BOOT_SIZE])
{
    char text[TEXT_SIZE];
    const size_t length = PROCESS_BOOT_SIZE - 1;
    if (!read_text(text, "/proc/sys/kernel/random/boot_id") ||
        strspn(text, "0123456789abcdef-") != length)
        memcpy(text, "-", sizeof("-"));
    snprintf(boot, PROCESS_BOOT_SIZE, "%.36s", text);
}

static uint64_t read_namespace(void)
{
    char link[64];
    uint64_t number = 0;
    ssize_t length = readlink("/proc/self/ns/pid", link, sizeof(link) - 1);
    if (length <= 0)
        return 0;
    link[length] = '\0';
    return sscanf(link, "pid:[%" SCNu64 "]", &number) == 1 ? number : 0;
}

/* Start times and CLOCK_BOOTTIME are shifted in a time namespace with an offset. */
static bool has_hosts_clock(void)
{
    char text[TEXT_SIZE];
    long long seconds = 0;
    long long nanoseconds = 0;
    if (!read_text(text, "/proc/self/timens_offsets"))
        return true; /* a kernel without time namespaces */
    const char *line = strstr(text, "boottime");
    return line == NULL || (sscanf(line, "boottime %lld %lld", &seconds, &nanoseconds) == 2 &&
                            seconds == 0 && nanoseconds == 0);
}

void process_self(struct process *self)
{
    struct stat_line line;
    *self = (struct process){.pid = (uint64_t)getpid()};
    read_host(self->host);
    read_boot(self->boot);
    self->pid_namespace = read_namespace();
    self->clock_is_hosts = has_hosts_clock();
    if (self->clock_is_hosts && read_stat(&line, "/proc/self/stat") && line.pid == self->pid)
        self->start_ticks = line.start_ticks;
}

/* ---- another one ---- */

static bool ran_here(const struct process *other, const struct process *self)
{
    return strcmp(self->boot, "-") != 0 && strcmp(other->boot, self->boot) == 0 &&
           self->pid_namespace != 0 && other->pid_namespace == self->pid_namespace;
}

bool process_is_dead(const struct process *other, const struct process *self)
{
    char path[64];
    struct stat_line line;
    if (!ran_here(other, self) || other->pid == 0 || other->pid > INT32_MAX)
        return false;
    if (kill((pid_t)other->pid, 0) != 0 && errno == ESRCH)
        return true;
    /* Its number is in use. By itself? Without our own start time, /proc is none to ask. */
    snprintf(path, sizeof(path), "/proc/%" PRIu64 "/stat", other->pid);
    if (self->start_ticks == 0 || !read_stat(&line, path) || line.pid != other->pid)
        return false;
    if (other->start_ticks != 0 && line.start_ticks != other->start_ticks)
        return true;
    /* A zombie whose parent does not wait; one with threads is only its first thread's. */
    return (line.state == 'Z' || line.state == 'X') && line.threads <= 1;
}
