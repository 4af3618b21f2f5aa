/* gpu_helper_ask: cuInit in a process of its own, which may hang or die without harm. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/guard.h"
#include "env/gpu.h"
#include "env/gpu_line.h"

static const char program_name[] = "b10-gpu-probe";

enum { ANSWER_MS = 5000, DEATH_MS = 1000 };

struct deadline {
    uint64_t ns;
};

static struct deadline deadline_in(uint64_t ms)
{
    return (struct deadline){clock_now_ns() + ms * 1000000U};
}

/* Milliseconds that are left, rounded up; 0 when it has passed. */
static int deadline_left(struct deadline deadline)
{
    uint64_t now = clock_now_ns();
    return now < deadline.ns ? (int)((deadline.ns - now + 999999) / 1000000) : 0;
}

/* ---- where it is ---- */

/* Directory of the object that this code is in. A name that is not absolute was relative to a
 * working directory of the past, or is only argv[0]: then the executable's. */
static bool own_directory(char *path, size_t size)
{
    static const char here = 0;
    Dl_info info;
    if (dladdr(&here, &info) != 0 && info.dli_fname != NULL && info.dli_fname[0] == '/') {
        int length = snprintf(path, size, "%s", info.dli_fname);
        if (length < 0 || (size_t)length >= size)
            return false;
    } else {
        ssize_t length = readlink("/proc/self/exe", path, size);
        if (length <= 0 || (size_t)length >= size || path[0] != '/')
            return false;
        path[length] = '\0';
    }
    *strrchr(path, '/') = '\0';
    return true;
}

static bool is_there(char *path, size_t size, const char *directory, const char *way)
{
    int length = snprintf(path, size, "%s/%s%s", directory, way, program_name);
    return length > 0 && (size_t)length < size && access(path, X_OK) == 0;
}

static bool find_program(char *path, size_t size)
{
    /* build tree and wheel; <prefix>/lib; <prefix>/lib/x86_64-linux-gnu */
    static const char *const ways[] = {"", "../libexec/b10transfer/", "../../libexec/b10transfer/"};
    char directory[PATH_MAX];
    if (own_directory(directory, sizeof(directory))) {
        for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
            if (is_there(path, size, directory, ways[i]))
                return true;
        }
    }
#ifdef B10_LIBEXEC_DIR
    return is_there(path, size, B10_LIBEXEC_DIR, "");
#else
    return false;
#endif
}

/* ---- its start ---- */

struct plan {
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
};

static void plan_release(struct plan *plan)
{
    posix_spawn_file_actions_destroy(&plan->actions);
    posix_spawnattr_destroy(&plan->attributes);
}

/* Nothing of the host's signals; a group of its own, so that what it starts dies with it. */
static int plan_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    int failed = posix_spawnattr_setsigmask(attributes, &none);
    if (failed == 0)
        failed = posix_spawnattr_setsigdefault(attributes, &all);
    if (failed == 0)
        failed = posix_spawnattr_setpgroup(attributes, 0);
    if (failed == 0)
        failed =
            posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                     POSIX_SPAWN_SETSIGDEF);
    return failed;
}

/* The output first: in a host without standard descriptors the pipe may be one of them. */
static int plan_actions(posix_spawn_file_actions_t *actions, int output)
{
    int failed = posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
    if (failed == 0)
        failed = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (failed == 0)
        failed = posix_spawn_file_actions_addopen(actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    return failed;
}

static int plan_init(struct plan *plan, int output)
{
    int failed = posix_spawnattr_init(&plan->attributes);
    if (failed != 0)
        return failed;
    failed = posix_spawn_file_actions_init(&plan->actions);
    if (failed != 0) {
        posix_spawnattr_destroy(&plan->attributes);
        return failed;
    }
    failed = plan_attributes(&plan->attributes);
    if (failed == 0)
        failed = plan_actions(&plan->actions, output);
    if (failed != 0)
        plan_release(plan);
    return failed;
}

static int spawn(pid_t *pid, const char *path, int output)
{
    struct plan plan;
    char name[sizeof(program_name)];
    memcpy(name, program_name, sizeof(name));
    char *arguments[] = {name, NULL};
    int failed = plan_init(&plan, output);
    if (failed != 0)
        return failed;
    failed = posix_spawn(pid, path, &plan.actions, &plan.attributes, arguments, environ);
    plan_release(&plan);
    return failed;
}

/* Whoever reads *output meets its end when the helper dies. */
static bool start(pid_t *pid, int *output, struct gpu_said *said)
{
    char path[PATH_MAX];
    int ends[2];
    if (!find_program(path, sizeof(path)))
        return gpu_mute(said, "%s is not installed", program_name);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return gpu_mute(said, "cannot make a pipe (errno %d)", errno);
    SCOPED(fd) int read_end = ends[0];
    SCOPED(fd) int write_end = ends[1];
    int failed = spawn(pid, path, write_end);
    if (failed != 0)
        return gpu_mute(said, "cannot start %s (errno %d)", program_name, failed);
    *output = fd_take(&read_end);
    return true;
}

/* ---- its answer ---- */

enum answer { ANSWER_LINE, ANSWER_END, ANSWER_TOO_LONG, ANSWER_LATE };

/* More bytes, or why there will be none. */
static enum answer read_more(int fd, char *line, size_t *size, struct deadline deadline)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    for (;;) {
        int left = deadline_left(deadline);
        if (left == 0)
            return ANSWER_LATE;
        if (poll(&poller, 1, left) <= 0)
            continue;
        ssize_t got = read(fd, line + *size, GPU_LINE_SIZE - 1 - *size);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got <= 0)
            return ANSWER_END;
        *size += (size_t)got;
        return ANSWER_LINE;
    }
}

/* Up to a newline; what it prints after that nobody reads. */
static enum answer read_line(int fd, char line[GPU_LINE_SIZE])
{
    struct deadline deadline = deadline_in(ANSWER_MS);
    size_t size = 0;
    while (size < GPU_LINE_SIZE - 1) {
        size_t before = size;
        enum answer answer = read_more(fd, line, &size, deadline);
        if (answer != ANSWER_LINE)
            return answer;
        char *end = memchr(line + before, '\n', size - before);
        if (end != NULL) {
            end[1] = '\0';
            return ANSWER_LINE;
        }
    }
    return ANSWER_TOO_LONG;
}

/* ---- its end ---- */

/* Kills what is left of its group, and waits for the helper a moment: in a system call that never
 * returns it dies when it can, and its host's own waiting takes it. -1 if the host took it, or it
 * is still there. */
static int end(pid_t pid)
{
    siginfo_t info;
    int status;
    /* As long as it is ours, dead or alive, no other group can have its number. */
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
        kill(-pid, SIGKILL);
    struct deadline deadline = deadline_in(DEATH_MS);
    for (;;) {
        pid_t done = waitpid(pid, &status, WNOHANG);
        if (done == pid)
            return status;
        if (done < 0 && errno != EINTR)
            return -1;
        if (deadline_left(deadline) == 0)
            return -1;
        poll(NULL, 0, 1);
    }
}

static bool say_silence(struct gpu_said *said, enum answer answer, int status)
{
    if (answer == ANSWER_LATE)
        return gpu_mute(said, "%s did not answer within %d s", program_name, ANSWER_MS / 1000);
    if (answer == ANSWER_TOO_LONG)
        return gpu_mute(said, "%s printed a line that is too long", program_name);
    if (status >= 0 && WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
        return gpu_mute(said, "%s died of signal %d", program_name, WTERMSIG(status));
    if (status >= 0 && WIFEXITED(status))
        return gpu_mute(said, "%s printed nothing and ended with status %d", program_name,
                        WEXITSTATUS(status));
    return gpu_mute(said, "%s printed nothing", program_name);
}

bool gpu_helper_ask(struct gpus *gpus, struct gpu_said *said)
{
    char line[GPU_LINE_SIZE];
    SCOPED(fd) int output = -1;
    pid_t pid = -1;
    if (!start(&pid, &output, said))
        return false;
    enum answer answer = read_line(output, line);
    int status = end(pid);
    if (answer != ANSWER_LINE)
        return say_silence(said, answer, status);
    return gpu_line_read(gpus, line, said);
}
