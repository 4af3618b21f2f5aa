#include "cli/aide.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/signals.h"
#include "cli/worker.h"

int64_t aide_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- the child ---- */

/* Beside a server's output a bar is out of place. */
static int on_progress(void *user, const b10_progress *progress)
{
    (void)user;
    (void)progress;
    return signals_caught();
}

/* The library compares with what is stored; that nothing of it was loaded `run` says itself. */
struct muffled {
    b10_log_fn log;
    void *user;
};

static void log_but_verdicts(void *user, b10_log_level level, const char *message)
{
    const struct muffled *muffled = user;
    if (strncmp(message, "warm: ", 6) != 0 && strncmp(message, "partly: ", 8) != 0)
        muffled->log(muffled->user, level, message);
}

/* Unless it is set in one way or another. */
static void set_default(b10_config *config, const char *name, const char *value)
{
    char text[64];
    const char *source = NULL;
    if (b10_config_get(config, name, text, sizeof text, &source, NULL) == B10_SUCCESS &&
        strcmp(source, "default") == 0)
        (void)b10_config_set(config, name, value, NULL);
}

/* limit_s 0: as the settings say. */
static void limit_save(b10_config *config, unsigned limit_s)
{
    char text[32] = "";
    (void)b10_config_get(config, "B10_SAVE_TIMEOUT_SECONDS", text, sizeof text, NULL, NULL);
    const unsigned long set_s = strtoul(text, NULL, 10);
    if (limit_s == 0 || (set_s > 0 && set_s <= limit_s))
        return;
    snprintf(text, sizeof text, "%u", limit_s);
    (void)b10_config_set(config, "B10_SAVE_TIMEOUT_SECONDS", text, NULL);
}

static void apply(const struct aide_order *order, b10_config *config)
{
    set_default(config, "B10_CACHE_KIND", "vllm");
    set_default(config, "B10_LOAD_MODE", "merge");
    set_default(config, "B10_SAVE_MODE", "merge");
    char mode[32] = "";
    (void)b10_config_get(config, "B10_SAVE_MODE", mode, sizeof mode, NULL, NULL);
    if (order->only_if_absent && strcmp(mode, "merge") == 0)
        (void)b10_config_set(config, "B10_SAVE_MODE", "if_absent", NULL);
    limit_save(config, order->limit_s);
}

static void flow(struct session *session, uint32_t phases, struct aide_result *result)
{
    session->callbacks.serve_phases = phases;
    result->serve.load = phases == B10_SERVE_LOAD ? &result->report : NULL;
    result->serve.save = phases == B10_SERVE_SAVE ? &result->report : NULL;
    result->status =
        b10_serve_flow(session->config, &session->callbacks, &result->serve, &result->error);
    result->serve.load = result->serve.save = NULL;
}

static void work(const struct aide_order *order, struct session *session,
                 struct aide_result *result)
{
    struct muffled muffled = {session->callbacks.log, session->callbacks.log_user};
    switch (order->work) {
    case AIDE_LOAD:
        flow(session, B10_SERVE_LOAD, result);
        break;
    case AIDE_WAIT:
        flow(session, B10_SERVE_WAIT, result);
        break;
    case AIDE_SETTLE:
        if (order->cold) {
            session->callbacks.log = log_but_verdicts;
            session->callbacks.log_user = &muffled;
        }
        flow(session, B10_SERVE_SETTLE, result);
        break;
    case AIDE_SAVE:
        flow(session, B10_SERVE_SAVE, result);
        break;
    case AIDE_UNLOAD:
        result->status =
            b10_unload(session->config, &session->callbacks, &result->report, &result->error);
        break;
    case AIDE_MARK:
        result->status = b10_mark_suspect(session->config, &session->callbacks,
                                          order->archive_token, &result->error);
        break;
    }
}

static void result_init(struct aide_result *result)
{
    memset(result, 0, sizeof *result);
    result->status = B10_ERROR;
    result->error = (b10_error)B10_INIT(b10_error);
    result->report = (b10_report)B10_INIT(b10_report);
    result->serve = (b10_serve_report)B10_INIT(b10_serve_report);
}

static void write_result(int fd, const struct aide_result *result)
{
    const char *next = (const char *)result;
    for (size_t left = sizeof *result; left > 0;) {
        const ssize_t written = write(fd, next, left);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        next += written;
        left -= (size_t)written;
    }
}

static _Noreturn void be_aide(const struct aide_order *order, const struct session *parent,
                              int tell)
{
    static struct aide_result result;
    struct session session;
    enum exit_code code;
    result_init(&result);
    if (session_open(&session, parent->command, parent->options, &code)) {
        session.callbacks.progress = on_progress;
        apply(order, session.config);
        work(order, &session, &result);
    }
    fflush(stderr);
    worker_leave_output();
    write_result(tell, &result);
    _exit(0); /* buffers that were the parent's are not written twice */
}

/* Whoever waits for the end of our output must not wait for one that hangs. */
static void take_output(int log)
{
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    (void)!dup2(null, STDIN_FILENO);
    (void)!dup2(null, STDOUT_FILENO);
    (void)!dup2(log, STDERR_FILENO);
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* ---- ours ---- */

bool aide_start(struct aide *aide, const struct aide_order *order, const struct session *session,
                const struct relay *relay, const sigset_t *mask)
{
    int ends[4] = {-1, -1, -1, -1}; /* of the word, of the log */
    const pid_t self = getpid();
    aide->order = *order;
    aide->begun_ms = aide_now_ms();
    aide->got = 0;
    result_init(&aide->result);
    snprintf(aide->result.error.message, sizeof aide->result.error.message,
             "the working process ended before its time");
    aide->result.error.code = B10_REASON_INTERNAL;
    if (pipe2(ends, O_CLOEXEC) != 0 || pipe2(ends + 2, O_CLOEXEC) != 0) {
        close_all(ends, 4);
        return false;
    }
    fflush(stdout);
    fflush(stderr);
    aide->pid = fork();
    if (aide->pid == 0) {
        struct relay unused = *relay;
        relay_leave(&unused);
        close(ends[0]);
        close(ends[2]);
        take_output(ends[3]);
        setpgid(0, 0);
        signals_install(true);
        worker_follow(self);
        sigprocmask(SIG_SETMASK, mask, NULL);
        be_aide(order, session, ends[1]);
    }
    close(ends[1]);
    close(ends[3]);
    if (aide->pid < 0) {
        close(ends[0]);
        close(ends[2]);
        aide->pid = 0;
        return false;
    }
    aide->fd = ends[0];
    aide->log = ends[2];
    (void)!fcntl(aide->fd, F_SETFL, O_NONBLOCK);
    (void)!fcntl(aide->log, F_SETFL, O_NONBLOCK);
    return true;
}

void aide_pass_log(const struct aide *aide)
{
    char lines[4096];
    ssize_t got;
    while (aide->log >= 0 && (got = read(aide->log, lines, sizeof lines)) > 0)
        fwrite(lines, 1, (size_t)got, stderr);
    fflush(stderr);
}

static void aide_end(struct aide *aide)
{
    aide_pass_log(aide);
    close(aide->fd);
    close(aide->log);
    aide->fd = aide->log = -1;
    aide->pid = 0;
}

bool aide_read(struct aide *aide)
{
    for (;;) {
        const ssize_t got = read(aide->fd, aide->word + aide->got, sizeof aide->word - aide->got);
        if (got < 0)
            return false;
        aide->got += (size_t)got;
        if (got > 0 && aide->got < sizeof aide->word)
            continue;
        if (aide->got == sizeof aide->word)
            memcpy(&aide->result, aide->word, sizeof aide->word);
        aide_end(aide);
        return true;
    }
}

void aide_stop(const struct aide *aide, int number)
{
    if (aide->pid > 0)
        kill(aide->pid, number);
}

void aide_leave(struct aide *aide)
{
    if (aide->pid <= 0)
        return;
    kill(aide->pid, SIGKILL);
    aide_end(aide);
}
