/* Against servers that say what a script tells them. */
#include "server/probe.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "support/scratch.h"
#include "support/stop.h"

enum { LIMIT_MS = 400 };

enum ending { CLOSES, HANGS, RESETS };

struct script {
    const char *says;
    size_t size;
    unsigned drip_ms; /* between two bytes; 0: all at once */
    enum ending ending;
    bool deaf; /* accepts nobody */
};

struct server {
    struct script script;
    int listener;
    int port;
    pthread_t thread;
    atomic_bool over;
    char heard[8192];
};

static void doze(unsigned ms)
{
    const struct timespec moment = {.tv_nsec = (long)ms * 1000000};
    nanosleep(&moment, NULL);
}

static void say(struct server *server, int fd)
{
    const struct script *script = &server->script;
    const size_t step = script->drip_ms > 0 ? 1 : script->size;
    for (size_t at = 0; at < script->size && !atomic_load(&server->over); at += step) {
        if (send(fd, script->says + at, step, MSG_NOSIGNAL) < 0)
            return;
        if (script->drip_ms > 0)
            doze(script->drip_ms);
    }
}

static void *serve(void *user)
{
    struct server *server = user;
    struct pollfd ready = {.fd = server->listener, .events = POLLIN};
    while (!atomic_load(&server->over) && poll(&ready, 1, 20) == 0)
        continue;
    if (atomic_load(&server->over))
        return NULL;
    const int fd = accept(server->listener, NULL, NULL);
    ssize_t size = recv(fd, server->heard, sizeof(server->heard) - 1, 0);
    server->heard[size > 0 ? size : 0] = '\0';
    say(server, fd);
    while (server->script.ending == HANGS && !atomic_load(&server->over))
        doze(5);
    if (server->script.ending == RESETS) {
        const struct linger hard = {.l_onoff = 1};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    }
    close(fd);
    return NULL;
}

static void start_at(struct server *server, int family)
{
    struct sockaddr_storage address = {.ss_family = (sa_family_t)family};
    socklen_t size = sizeof(address);
    if (family == AF_INET6)
        ((struct sockaddr_in6 *)&address)->sin6_addr = in6addr_loopback;
    else
        ((struct sockaddr_in *)&address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listener < 0 || bind(server->listener, (struct sockaddr *)&address, size) != 0)
        skip();
    assert_int_equal(listen(server->listener, 1), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &size), 0);
    server->port = ntohs(((struct sockaddr_in *)&address)->sin_port);
    if (!server->script.deaf)
        assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void stop(struct server *server)
{
    atomic_store(&server->over, true);
    if (!server->script.deaf)
        pthread_join(server->thread, NULL);
    close(server->listener);
}

static struct probe probe_of(const struct url *url)
{
    return (struct probe){.url = url, .token = "", .curl = PROBE_CURL, .limit_ms = LIMIT_MS};
}

static struct url url_of(const char *host, int port)
{
    struct url url;
    char text[200];
    snprintf(text, sizeof(text), "http://%s:%d/health?deep=1", host, port);
    assert_null(url_parse(&url, text));
    return url;
}

/* What one question to such a server comes to. */
static struct probe_said ask(struct server *server, const struct script *script)
{
    struct probe_said said;
    server->script = *script;
    start_at(server, AF_INET);
    const struct url url = url_of("127.0.0.1", server->port);
    const struct probe probe = probe_of(&url);
    assert_int_equal(probe_try(&probe, &said, NULL), B10_REASON_OK);
    stop(server);
    return said;
}

static void expect_at(const struct script *script, enum probe_answer answer, int status,
                      const char *words, int line)
{
    struct server server = {.port = 0};
    const struct probe_said said = ask(&server, script);
    if (said.answer != answer || said.status != status || strstr(said.words, words) == NULL)
        fail_msg("line %d: answer %d, status %d, '%s'", line, (int)said.answer, said.status,
                 said.words);
}

#define expect(text, ends, answer, status, words)                                                  \
    expect_at(&(struct script){.says = (text), .size = sizeof(text) - 1, .ending = (ends)},        \
              answer, status, words, __LINE__)

static void status_200_is_ready(void **state)
{
    (void)state;
    expect("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", HANGS, PROBE_READY, 200, "");
    expect("HTTP/1.1 200 OK\r\n\r\nuntil the end", CLOSES, PROBE_READY, 200, "");
    expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", HANGS,
           PROBE_READY, 200, "");
}

static void the_question_is_a_plain_get(void **state)
{
    (void)state;
    struct server server = {.port = 0};
    char host[64];
    (void)ask(&server, &(struct script){.says = "", .size = 0});
    snprintf(host, sizeof(host), "\r\nHost: 127.0.0.1:%d\r\n", server.port);
    assert_int_equal(strncmp(server.heard, "GET /health?deep=1 HTTP/1.1\r\n", 29), 0);
    assert_non_null(strstr(server.heard, host));
    assert_non_null(strstr(server.heard, "\r\nConnection: close\r\n"));
    assert_null(strstr(server.heard, "Authorization"));
    assert_string_equal(server.heard + strlen(server.heard) - 4, "\r\n\r\n");
}

static void the_key_is_sent_and_not_told(void **state)
{
    (void)state;
    static const char says[] = "HTTP/1.1 401 Unauthorized\r\n\r\n";
    struct server server = {.script = {.says = says, .size = sizeof(says) - 1}};
    struct probe_said said;
    start_at(&server, AF_INET);
    const struct url url = url_of("127.0.0.1", server.port);
    struct probe probe = probe_of(&url);
    probe.token = "sesame";
    assert_int_equal(probe_try(&probe, &said, NULL), B10_REASON_OK);
    stop(&server);
    assert_non_null(strstr(server.heard, "\r\nAuthorization: Bearer sesame\r\n"));
    assert_int_equal(said.answer, PROBE_WANTS_KEY);
    assert_null(strstr(said.words, "sesame"));
}

static void a_server_that_wants_a_key_is_told_apart(void **state)
{
    (void)state;
    expect("HTTP/1.1 401 Unauthorized\r\n\r\n", CLOSES, PROBE_WANTS_KEY, 401, "401");
    expect("HTTP/1.1 403 Forbidden\r\n\r\n", HANGS, PROBE_WANTS_KEY, 403, "403");
}

static void every_other_status_is_not_yet(void **state)
{
    (void)state;
    expect("HTTP/1.1 503 Service Unavailable\r\n\r\n", CLOSES, PROBE_NOT_YET, 503, "503");
    expect("HTTP/1.1 204 No Content\r\n\r\n", CLOSES, PROBE_NOT_YET, 204, "204");
    expect("HTTP/1.1 404 Not Found\r\n\r\n", CLOSES, PROBE_NOT_YET, 404, "404");
    expect("HTTP/1.1 301 Moved\r\nLocation: /v1\r\n\r\n", CLOSES, PROBE_NOT_YET, 301, "redirect");
}

static void half_an_answer_is_not_yet(void **state)
{
    (void)state;
    expect("", CLOSES, PROBE_NOT_YET, 0, "closed without an answer");
    expect("", HANGS, PROBE_NOT_YET, 0, "no answer in time");
    expect("", RESETS, PROBE_NOT_YET, 0, "reset");
    expect("HTTP/1.1 20", CLOSES, PROBE_NOT_YET, 0, "half an answer");
    expect("HTTP/1.1 200 OK\r\nContent-", CLOSES, PROBE_NOT_YET, 200, "half an answer");
    expect("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", CLOSES, PROBE_NOT_YET, 200, "half");
    expect("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", HANGS, PROBE_NOT_YET, 200, "in time");
    expect("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", RESETS, PROBE_NOT_YET, 200, "reset");
}

static void garbage_is_not_yet(void **state)
{
    (void)state;
    expect("SSH-2.0-OpenSSH_9.2p1\r\n", HANGS, PROBE_NOT_YET, 0, "no HTTP/1");
    expect("\x15\x03\x03\x00\x02\x02\x28", CLOSES, PROBE_NOT_YET, 0, "https://");
}

static void a_drip_does_not_outlast_the_limit(void **state)
{
    (void)state;
    static const char says[] = "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n";
    struct timespec begun;
    struct timespec ended;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    expect_at(&(struct script){.says = says, .size = sizeof(says) - 1, .drip_ms = 100},
              PROBE_NOT_YET, 0, "in time", __LINE__);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    assert_true(ended.tv_sec - begun.tv_sec <= 3);
}

static void a_head_without_end_is_not_yet(void **state)
{
    (void)state;
    static char says[3 * PROBE_READ_LIMIT];
    memset(says, 'x', sizeof(says));
    memcpy(says, "HTTP/1.1 200 OK\r\nX: ", 20);
    expect_at(&(struct script){.says = says, .size = sizeof(says), .ending = HANGS}, PROBE_NOT_YET,
              200, "longer than", __LINE__);
}

static void a_long_body_need_not_be_read(void **state)
{
    (void)state;
    static char says[3 * PROBE_READ_LIMIT];
    memset(says, 'x', sizeof(says));
    memcpy(says, "HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", 43);
    expect_at(&(struct script){.says = says, .size = sizeof(says), .ending = HANGS}, PROBE_READY,
              200, "", __LINE__);
}

static void nobody_there_is_not_yet(void **state)
{
    (void)state;
    struct server server = {.script = {.deaf = true}};
    struct probe_said said;
    start_at(&server, AF_INET);
    const struct url url = url_of("127.0.0.1", server.port);
    const struct probe probe = probe_of(&url);
    stop(&server);
    assert_int_equal(probe_try(&probe, &said, NULL), B10_REASON_OK);
    assert_int_equal(said.answer, PROBE_NOT_YET);
    assert_non_null(strstr(said.words, "refused"));
}

static void a_server_that_accepts_nobody_is_not_yet(void **state)
{
    (void)state;
    expect_at(&(struct script){.deaf = true}, PROBE_NOT_YET, 0, "in time", __LINE__);
}

/* As an address behind a firewall that drops everything: nobody answers the first packet. */
static void a_connection_that_is_never_made_is_not_yet(void **state)
{
    (void)state;
    struct server server = {.script = {.deaf = true}};
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct timespec begun;
    struct timespec ended;
    struct probe_said said;
    int fillers[4];
    start_at(&server, AF_INET);
    assert_int_equal(listen(server.listener, 0), 0);
    address.sin_port = htons((uint16_t)server.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (size_t i = 0; i < 4; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)!connect(fillers[i], (struct sockaddr *)&address, sizeof(address));
    }
    const struct url url = url_of("127.0.0.1", server.port);
    const struct probe probe = probe_of(&url);
    clock_gettime(CLOCK_MONOTONIC, &begun);
    assert_int_equal(probe_try(&probe, &said, NULL), B10_REASON_OK);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    for (size_t i = 0; i < 4; i++)
        close(fillers[i]);
    stop(&server);
    assert_int_equal(said.answer, PROBE_NOT_YET);
    assert_non_null(strstr(said.words, "timed out"));
    assert_true(ended.tv_sec - begun.tv_sec <= 3);
}

static void names_and_ipv6_are_found(void **state)
{
    (void)state;
    static const char says[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    static const struct {
        const char *host;
        int family;
    } cases[] = {{"localhost", AF_INET}, {"[::1]", AF_INET6}};
    for (size_t i = 0; i < 2; i++) {
        struct server server = {.script = {.says = says, .size = sizeof(says) - 1}};
        struct probe_said said;
        start_at(&server, cases[i].family);
        const struct url url = url_of(cases[i].host, server.port);
        const struct probe probe = probe_of(&url);
        assert_int_equal(probe_try(&probe, &said, NULL), B10_REASON_OK);
        stop(&server);
        assert_int_equal(said.answer, PROBE_READY);
    }
}

static void a_name_that_nobody_knows_is_not_yet(void **state)
{
    (void)state;
    const struct url url = url_of("no-such-host.invalid", 80);
    const struct probe probe = probe_of(&url);
    struct probe_said said;
    assert_int_equal(probe_try(&probe, &said, NULL), B10_REASON_OK);
    assert_int_equal(said.answer, PROBE_NOT_YET);
    assert_non_null(strstr(said.words, "name"));
}

static void a_stop_ends_the_question(void **state)
{
    (void)state;
    struct cancel sign = CANCEL_CLEAR;
    struct progress progress = {.stop = &sign};
    struct server server = {.script = {.deaf = true}};
    struct probe_said said;
    start_at(&server, AF_INET);
    const struct url url = url_of("127.0.0.1", server.port);
    struct probe probe = probe_of(&url);
    probe.progress = &progress;
    probe.limit_ms = 100000;
    stop_for(&sign, B10_REASON_CANCELLED);
    assert_int_equal(probe_try(&probe, &said, NULL), B10_REASON_CANCELLED);
    stop(&server);
}

static void https_without_libcurl_is_a_setting_to_change(void **state)
{
    (void)state;
    static const struct {
        const char *library, *words;
    } cases[] = {{"libcurl-is-not-here.so.4", "libcurl-is-not-here.so.4"},
                 {"libc.so.6", "no libcurl"}};
    struct url url;
    assert_null(url_parse(&url, "https://127.0.0.1:1/"));
    for (size_t i = 0; i < 2; i++) {
        struct b10_error error = ERROR_NONE;
        struct probe_said said;
        struct probe probe = probe_of(&url);
        probe.curl = cases[i].library;
        assert_int_equal(probe_try(&probe, &said, &error), B10_REASON_CONFIG);
        assert_non_null(strstr(error.message, cases[i].words));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_200_is_ready),
        cmocka_unit_test(the_question_is_a_plain_get),
        cmocka_unit_test(the_key_is_sent_and_not_told),
        cmocka_unit_test(a_server_that_wants_a_key_is_told_apart),
        cmocka_unit_test(every_other_status_is_not_yet),
        cmocka_unit_test(half_an_answer_is_not_yet),
        cmocka_unit_test(garbage_is_not_yet),
        cmocka_unit_test(a_drip_does_not_outlast_the_limit),
        cmocka_unit_test(a_head_without_end_is_not_yet),
        cmocka_unit_test(a_long_body_need_not_be_read),
        cmocka_unit_test(nobody_there_is_not_yet),
        cmocka_unit_test(a_server_that_accepts_nobody_is_not_yet),
        cmocka_unit_test(a_connection_that_is_never_made_is_not_yet),
        cmocka_unit_test(names_and_ipv6_are_found),
        cmocka_unit_test(a_name_that_nobody_knows_is_not_yet),
        cmocka_unit_test(a_stop_ends_the_question),
        cmocka_unit_test(https_without_libcurl_is_a_setting_to_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
