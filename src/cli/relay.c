#include "cli/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 64 * 1024 };

/* ---- the relay's process ---- */

struct stream {
    int from; /* -1: ended */
    int to;
    struct refusal refusal;
};

/* One word on the pipe to our maker. */
struct saying {
    enum relay_word word;
    char reason[REFUSAL_REASON];
};

static void say(int fd, enum relay_word word, const char *reason)
{
    struct saying saying;
    memset(&saying, 0, sizeof saying);
    saying.word = word;
    memcpy(saying.reason, reason, strnlen(reason, REFUSAL_REASON - 1));
    (void)!write(fd, &saying, sizeof saying); /* less than PIPE_BUF: whole or not at all */
}

/* Whoever shares the other end may have made it non-blocking. */
static bool write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        const ssize_t written = write(fd, data, size);
        if (written > 0) {
            data += written;
            size -= (size_t)written;
        } else if (written < 0 && errno == EAGAIN) {
            struct pollfd writable = {.fd = fd, .events = POLLOUT};
            (void)!poll(&writable, 1, -1);
        } else if (written == 0 || errno != EINTR) {
            return false;
        }
    }
    return true;
}

static void end_stream(struct stream *stream)
{
    close(stream->from);
    stream->from = -1;
}

/* True: there was something. */
static bool pass_on(struct stream *stream, char *buffer, int tell)
{
    char reason[REFUSAL_REASON] = "";
    const ssize_t got = stream->from < 0 ? 0 : read(stream->from, buffer, PIECE);
    if (stream->from < 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)))
        return false;
    if (got <= 0 || !write_all(stream->to, buffer, (size_t)got)) {
        end_stream(stream);
        return false;
    }
    if (refusal_feed(&stream->refusal, buffer, (size_t)got, reason))
        say(tell, RELAY_REFUSED, reason);
    return true;
}

/* Our maker asks, or has gone: then nobody will ask. */
static void answer(struct pollfd *asked, struct stream streams[2], char *buffer, int tell)
{
    char letter;
    if (read(asked->fd, &letter, 1) != 1) {
        asked->fd = -1;
        return;
    }
    while (pass_on(&streams[0], buffer, tell) || pass_on(&streams[1], buffer, tell))
        ;
    say(tell, RELAY_DRAINED, "");
}

static _Noreturn void be_relay(struct stream streams[2], int ask, int tell)
{
    static char buffer[PIECE];
    struct pollfd ready[3] = {{.events = POLLIN},
                              {.events = POLLIN},
                              {.fd = ask, .events = POLLIN}};
    while (streams[0].from >= 0 || streams[1].from >= 0) {
        for (int i = 0; i < 2; i++)
            ready[i].fd = streams[i].from; /* poll passes over what is negative */
        if (poll(ready, 3, -1) < 0)
            continue;
        for (int i = 0; i < 2; i++)
            if (ready[i].fd >= 0 && ready[i].revents != 0)
                (void)pass_on(&streams[i], buffer, tell);
        if (ready[2].fd >= 0 && ready[2].revents != 0)
            answer(&ready[2], streams, buffer, tell);
    }
    _exit(0);
}

/* ---- ours ---- */

static bool is_one_file(void)
{
    struct stat out;
    struct stat err;
    return fstat(STDOUT_FILENO, &out) == 0 && fstat(STDERR_FILENO, &err) == 0 &&
           out.st_dev == err.st_dev && out.st_ino == err.st_ino;
}

/* The pipe's write end becomes relay->streams[index], its read end that of the stream. */
static bool open_stream(struct relay *relay, struct stream *stream, int index)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    (void)!fcntl(ends[0], F_SETFL, O_NONBLOCK);
    relay->streams[index] = ends[1];
    *stream = (struct stream){.from = ends[0], .to = STDOUT_FILENO + index};
    return true;
}

static bool open_streams(struct relay *relay, struct stream streams[2])
{
    const bool out = isatty(STDOUT_FILENO) == 0;
    const bool err = isatty(STDERR_FILENO) == 0;
    streams[0].from = streams[1].from = -1;
    if (out && !open_stream(relay, &streams[0], 0))
        return false;
    if (!err)
        return true;
    if (!out || !is_one_file())
        return open_stream(relay, &streams[1], 1);
    relay->streams[1] = fcntl(relay->streams[0], F_DUPFD_CLOEXEC, 3);
    return relay->streams[1] >= 0;
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void relay_leave(struct relay *relay)
{
    close_one(&relay->streams[0]);
    close_one(&relay->streams[1]);
    close_one(&relay->told);
    close_one(&relay->ask);
}

/* The ends that the relay has: a copy of ours would keep it alive. */
static void fork_relay(struct relay *relay, struct stream streams[2], int ask, int tell)
{
    relay->pid = fork();
    if (relay->pid == 0) {
        setpgid(0, 0); /* a signal to our group is not meant for it */
        relay_leave(relay);
        close_one(&(int){STDIN_FILENO});
        be_relay(streams, ask, tell);
    }
}

void relay_start(struct relay *relay)
{
    struct stream streams[2] = {{.from = -1}, {.from = -1}};
    int ask[2] = {-1, -1};
    int tell[2] = {-1, -1};
    *relay = (struct relay)RELAY_NONE;
    if (open_streams(relay, streams) && (streams[0].from >= 0 || streams[1].from >= 0) &&
        pipe2(ask, O_CLOEXEC) == 0 && pipe2(tell, O_CLOEXEC | O_NONBLOCK) == 0) {
        relay->ask = ask[1];
        relay->told = tell[0];
        fork_relay(relay, streams, ask[0], tell[1]);
    }
    close_one(&streams[0].from);
    close_one(&streams[1].from);
    close_one(&ask[0]);
    close_one(&tell[1]);
    if (relay->pid <= 0) {
        relay_leave(relay);
        relay->pid = 0;
    }
}

void relay_put_in_place(const struct relay *relay)
{
    for (int i = 0; i < 2; i++)
        if (relay->streams[i] >= 0)
            (void)!dup2(relay->streams[i], STDOUT_FILENO + i);
}

enum relay_word relay_read(struct relay *relay, char reason[REFUSAL_REASON])
{
    struct saying saying;
    const ssize_t got = relay->told < 0 ? 0 : read(relay->told, &saying, sizeof saying);
    if (got < 0)
        return RELAY_NOTHING;
    if (got != (ssize_t)sizeof saying) {
        close_one(&relay->told);
        return RELAY_GONE;
    }
    memcpy(reason, saying.reason, REFUSAL_REASON);
    reason[REFUSAL_REASON - 1] = '\0';
    return saying.word;
}

void relay_ask(struct relay *relay)
{
    if (relay->ask >= 0)
        (void)!write(relay->ask, "?", 1);
}
