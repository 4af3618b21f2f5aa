/* measured [--sync FILE] COMMAND [ARGUMENT]...: runs one command and prints what it cost as one line of JSON.
 *
 *     {"status": 0, "seconds": 0.0123, "cpu": 0.0201, "peak": 4194304}
 *
 * Seconds of the whole process, CPU seconds of it and of the processes it waited for, and the peak memory in bytes of
 * the largest of them. This small program stands between the command and Python because a child begins with the peak
 * memory of the process that started it. --sync adds the time that the file system of FILE needs to be written out.
 * The command's output goes to standard error. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void die(const char *what)
{
    fprintf(stderr, "measured: %s: %s\n", what, strerror(errno));
    exit(125);
}

static pid_t start(char **command)
{
    pid_t child;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    errno = posix_spawnp(&child, command[0], &actions, NULL, command, environ);
    if (errno)
        die(command[0]);
    posix_spawn_file_actions_destroy(&actions);
    return child;
}

static void sync_file_system_of(const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || syncfs(file))
        die(path);
    close(file);
}

int main(int count, char **arguments)
{
    const char *synced = NULL;
    char **command = arguments + 1;
    if (count > 3 && !strcmp(command[0], "--sync")) {
        synced = command[1];
        command += 2;
    }
    if (command >= arguments + count)
        return 125;

    double began = now();
    pid_t child = start(command);
    int status;
    struct rusage usage;
    if (wait4(child, &status, 0, &usage) != child)
        die("wait4");
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (synced && code == 0)
        sync_file_system_of(synced);
    double took = now() - began;

    printf("{\"status\": %d, \"seconds\": %.6f, \"cpu\": %.6f, \"peak\": %ld}\n", code, took,
           seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss * 1024);
    return 0;
}
