/* Other savers on a volume, as they look from here: their locks and what they left, with time that
 * only a test moves.
 *
 * Replaces the clocks and the pause: a test that links this has them in its hands. Include it in one
 * file per test program.
 */
#ifndef SUPPORT_SAVERS_H
#define SUPPORT_SAVERS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/boottime.h"
#include "base/clock.h"
#include "base/pause.h"
#include "cache/turn.h"
#include "support/scratch.h"

static struct {
    uint64_t now_ms;
    unsigned pauses;
    void (*at_pause)(unsigned pause);
} moment;

uint64_t clock_now_ns(void)
{
    return moment.now_ms * 1000000;
}

int64_t clock_epoch_s(void)
{
    return 0;
}

uint64_t boottime_ms(void)
{
    return moment.now_ms;
}

void pause_ms(unsigned ms)
{
    moment.now_ms += ms;
    if (++moment.pauses > 100000)
        fail_msg("waits for ever");
    if (moment.at_pause != NULL)
        moment.at_pause(moment.pauses);
}

/* A saver here: volume/ and tmp/ below the scratch directory. */
struct saver {
    const struct scratch *scratch;
    struct settings settings;
    struct volume volume;
    struct turn turn;
    char log[4096];
    struct log to_log;
    char temporary_dir[512];
};

static void savers_log(void *user, uint32_t level, const char *line)
{
    struct saver *saver = user;
    (void)level;
    size_t size = strlen(saver->log);
    snprintf(saver->log + size, sizeof(saver->log) - size, "%s\n", line);
}

static void saver_init(struct saver *saver, const struct scratch *scratch)
{
    memset(saver, 0, sizeof(*saver));
    saver->scratch = scratch;
    scratch_mkdir(scratch, "volume");
    scratch_mkdir(scratch, "tmp");
    snprintf(saver->temporary_dir, sizeof(saver->temporary_dir), "%s",
             scratch_path(scratch, "tmp"));
    saver->settings.temporary_dir = saver->temporary_dir;
    saver->settings.max_concurrent_saves = 50;
    saver->settings.lock_timeout_s = 30;
    saver->settings.incomplete_timeout_s = 60;
    saver->to_log = (struct log){.fn = savers_log, .user = saver, .level = B10_LOG_DEBUG};
    snprintf(saver->volume.path, sizeof(saver->volume.path), "%s", scratch_path(scratch, "volume"));
    saver->volume.dirfd = open(saver->volume.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(saver->volume.dirfd >= 0);
    saver->turn = (struct turn)TURN_NONE;
}

static void saver_release(struct saver *saver)
{
    turn_release(&saver->turn);
    close(saver->volume.dirfd);
}

static enum b10_reason saver_take(struct saver *saver, const char *key)
{
    return turn_take(&saver->turn, &saver->volume, key, &saver->settings, &saver->to_log, NULL);
}

/* A process elsewhere, of which nothing can be known. */
static struct process savers_elsewhere(void)
{
    return (struct process){.host = "elsewhere",
                            .boot = "11111111-2222-3333-4444-555555555555",
                            .pid = 1,
                            .pid_namespace = 4026531836,
                            .start_ticks = 77};
}

/* A process of this host that is dead. */
static struct process savers_dead(void)
{
    struct process process;
    process_self(&process);
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    process.pid = (uint64_t)child;
    assert_int_equal(waitpid(child, NULL, 0), child);
    return process;
}

static void savers_put_lock(const struct scratch *scratch, const char *key,
                            const struct process *holder, uint64_t counter)
{
    char text[LOCK_TEXT_SIZE + 1];
    char name[300];
    struct lock_text lock = {.holder = *holder, .counter = counter};
    memset(lock.token, 'a', sizeof(lock.token) - 1);
    lock_text_format(text, &lock);
    snprintf(name, sizeof(name), "volume/.%s.lock", key);
    scratch_write(scratch, name, text, LOCK_TEXT_SIZE);
}

#endif
