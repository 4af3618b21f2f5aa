#include "server/settle.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/pause.h"
#include "support/scratch.h"
#include "support/stop.h"

/* Time passes only while the code under test pauses; then somebody may write. */
static uint64_t now_ns;
static void (*meanwhile)(const struct scratch *scratch);
static const struct scratch *where;

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
    if (meanwhile != NULL)
        meanwhile(where);
}

static const uint64_t second = 1000000000;

static char local[600];
static char further[600];
static struct settings_root roots[1] = {{.name = (char *)(uintptr_t) "headers", .path = further}};

static struct settings settings_of(const struct scratch *scratch)
{
    now_ns = 1000 * second;
    where = scratch;
    meanwhile = NULL;
    snprintf(local, sizeof(local), "%s", scratch_path(scratch, "local"));
    snprintf(further, sizeof(further), "%s", scratch_path(scratch, "further"));
    return (
        struct settings){.kind = "inductor", .local_dir = local, .roots = roots, .root_count = 1};
}

/* Seconds until it was quiet, or given up. */
static uint64_t settle(const struct settings *settings, bool quiet)
{
    struct settled settled;
    const uint64_t begun_ns = now_ns;
    assert_int_equal(settle_wait(settings, &settled, NULL, NULL), B10_REASON_OK);
    assert_int_equal(settled.quiet, quiet);
    return (now_ns - begun_ns) / second;
}

static void a_quiet_cache_takes_five_seconds(void **state)
{
    const struct settings settings = settings_of(*state);
    assert_int_equal(settle(&settings, true), SETTLE_QUIET_S); /* not even there */
    scratch_text(*state, "local/a", "one");
    assert_int_equal(settle(&settings, true), SETTLE_QUIET_S);
}

static unsigned written;

static void write_for_20_s(const struct scratch *scratch)
{
    char name[64];
    if (now_ns >= 1020 * second)
        return;
    snprintf(name, sizeof(name), "local/a%u", written++);
    scratch_text(scratch, name, "");
}

static void grow_for_20_s(const struct scratch *scratch)
{
    static char text[4096];
    if (now_ns >= 1020 * second)
        return;
    memset(text, 'x', written++ % 4000 + 1);
    text[written % 4000] = '\0';
    scratch_text(scratch, "further/a", text);
}

static void touch_for_20_s(const struct scratch *scratch)
{
    const struct timespec times[2] = {{.tv_sec = 0},
                                      {.tv_sec = 4000000000 + written++, .tv_nsec = 5}};
    if (now_ns < 1020 * second)
        assert_int_equal(utimensat(scratch->fd, "local/a", times, 0), 0);
}

static void every_change_counts(void **state)
{
    void (*const changes[])(const struct scratch *) = {write_for_20_s, grow_for_20_s,
                                                       touch_for_20_s};
    for (size_t i = 0; i < 3; i++) {
        const struct settings settings = settings_of(*state);
        scratch_text(*state, "local/a", "one");
        scratch_text(*state, "further/a", "");
        meanwhile = changes[i];
        const uint64_t took = settle(&settings, true);
        assert_in_range(took, 24, 27);
    }
}

static void write_for_ever(const struct scratch *scratch)
{
    char name[64];
    snprintf(name, sizeof(name), "local/b%u", written++ % 3000);
    scratch_text(scratch, name, "");
}

static void what_never_ends_is_waited_for_two_minutes(void **state)
{
    const struct settings settings = settings_of(*state);
    scratch_text(*state, "local/a", "one");
    written = 0;
    meanwhile = write_for_ever;
    assert_in_range(settle(&settings, false), SETTLE_LIMIT_S, SETTLE_LIMIT_S + 2);
}

static void write_locks(const struct scratch *scratch)
{
    char name[64];
    snprintf(name, sizeof(name), "local/a%u.lock", written++);
    scratch_text(scratch, name, "");
}

/* Directories' own times change; they are no part of what is compared unless they are new. */
static void what_is_not_packed_does_not_count(void **state)
{
    const struct settings settings = settings_of(*state);
    scratch_text(*state, "local/a", "one");
    meanwhile = write_locks;
    assert_int_equal(settle(&settings, true), SETTLE_QUIET_S);
}

static void a_stop_ends_it(void **state)
{
    struct cancel sign = CANCEL_CLEAR;
    struct progress progress = {.stop = &sign};
    struct settled settled;
    const struct settings settings = settings_of(*state);
    stop_for(&sign, B10_REASON_CANCELLED);
    assert_int_equal(settle_wait(&settings, &settled, &progress, NULL), B10_REASON_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_quiet_cache_takes_five_seconds, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(every_change_counts, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(what_never_ends_is_waited_for_two_minutes, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(what_is_not_packed_does_not_count, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(a_stop_ends_it, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
