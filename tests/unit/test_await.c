#include "server/await.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pause.h"
#include "support/scratch.h"
#include "support/stop.h"

/* Time passes only while the code under test pauses; then the host looks at its desk. */
static uint64_t now_ns;
static struct desk desk;
static int (*host)(void *user);

uint64_t clock_now_ns(void)
{
    return now_ns;
}

int64_t clock_epoch_s(void)
{
    return 0;
}

void pause_ms(unsigned ms)
{
    now_ns += (uint64_t)ms * 1000000;
    if (host != NULL)
        desk_look(&desk, host, &desk);
}

static const uint64_t second = 1000000000;

static struct settings settings_of(char *url)
{
    now_ns = 1000 * second;
    host = NULL;
    atomic_store(&desk.open, false);
    return (struct settings){.server_url = url,
                             .server_token = (char *)(uintptr_t) "",
                             .wait_timeout_s = 60,
                             .wait_interval_s = 2};
}

static int is_open(void *user)
{
    return user == &desk && now_ns >= 1020 * second;
}

static int is_hopeless(void *user)
{
    (void)user;
    return now_ns >= 1020 * second ? -1 : 0;
}

static int never(void *user)
{
    (void)user;
    return 0;
}

static enum b10_reason ask_host(int (*answers)(void *user), struct awaited *awaited,
                                struct b10_error *error)
{
    const struct settings settings = settings_of((char *)(uintptr_t) "http://127.0.0.1:1/");
    struct log silent = {.level = B10_LOG_ERROR};
    struct progress progress = {.stop = NULL};
    *awaited = (struct awaited){0};
    host = answers;
    atomic_store(&desk.open, true);
    return await_server(&settings, &desk, &silent, &progress, awaited, error);
}

static void the_host_is_asked_every_interval(void **state)
{
    (void)state;
    struct awaited awaited;
    assert_int_equal(ask_host(is_open, &awaited, NULL), B10_REASON_OK);
    assert_in_range(awaited.tries, 9, 12);
    assert_in_range((now_ns - 1000 * second) / second, 20, 23);
}

static int look_at_desk(void *user, const struct b10_progress *progress)
{
    (void)progress;
    desk_look(user, is_open, &desk);
    return 0;
}

/* Where no thread can be had the host is asked between two steps, as it is told the progress. */
static void without_a_thread_the_host_is_asked_all_the_same(void **state)
{
    (void)state;
    const struct settings settings = settings_of((char *)(uintptr_t) "http://127.0.0.1:1/");
    struct log silent = {.level = B10_LOG_ERROR};
    struct progress progress = {.fn = look_at_desk, .user = &desk};
    struct awaited awaited = {0};
    atomic_store(&desk.open, true);
    assert_int_equal(await_server(&settings, &desk, &silent, &progress, &awaited, NULL),
                     B10_REASON_OK);
    assert_in_range((now_ns - 1000 * second) / second, 20, 23);
}

static void a_host_without_hope_ends_it(void **state)
{
    (void)state;
    struct awaited awaited;
    struct b10_error error = ERROR_NONE;
    assert_int_equal(ask_host(is_hopeless, &awaited, &error), B10_REASON_CANCELLED);
    assert_non_null(strstr(error.message, "host"));
}

static void the_time_is_limited(void **state)
{
    (void)state;
    struct awaited awaited;
    struct b10_error error = ERROR_NONE;
    assert_int_equal(ask_host(never, &awaited, &error), B10_REASON_TIMEOUT);
    assert_in_range((now_ns - 1000 * second) / second, 59, 61);
    assert_non_null(strstr(error.message, "not yet"));
    assert_int_equal(ask_host(NULL, &awaited, &error), B10_REASON_TIMEOUT); /* nobody answers */
    assert_in_range((now_ns - 1000 * second) / second, 59, 61);
}

/* A port that nobody listens on. */
static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void the_message_says_what_the_last_try_came_to(void **state)
{
    (void)state;
    char url[100];
    struct awaited awaited = {0};
    struct b10_error error = ERROR_NONE;
    struct log silent = {.level = B10_LOG_ERROR};
    struct progress progress = {.stop = NULL};
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/health?key=secret", free_port());
    const struct settings settings = settings_of(url);
    assert_int_equal(await_server(&settings, &desk, &silent, &progress, &awaited, &error),
                     B10_REASON_TIMEOUT);
    assert_non_null(strstr(error.message, "refused"));
    assert_non_null(strstr(error.message, "/health"));
    assert_null(strstr(error.message, "secret"));
    assert_in_range(awaited.tries, 25, 31);
}

static void a_stop_ends_it(void **state)
{
    (void)state;
    struct cancel sign = CANCEL_CLEAR;
    struct progress progress = {.stop = &sign};
    struct log silent = {.level = B10_LOG_ERROR};
    struct awaited awaited = {0};
    const struct settings settings = settings_of((char *)(uintptr_t) "http://127.0.0.1:1/");
    stop_for(&sign, B10_REASON_CANCELLED);
    assert_int_equal(await_server(&settings, &desk, &silent, &progress, &awaited, NULL),
                     B10_REASON_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_host_is_asked_every_interval),
        cmocka_unit_test(without_a_thread_the_host_is_asked_all_the_same),
        cmocka_unit_test(a_host_without_hope_ends_it),
        cmocka_unit_test(the_time_is_limited),
        cmocka_unit_test(the_message_says_what_the_last_try_came_to),
        cmocka_unit_test(a_stop_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
