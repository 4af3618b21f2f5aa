/* doctor_latency.c: how long each operation of a load or a save takes on the volume. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/guard.h"
#include "cache/doctor.h"
#include "fs/dirs.h"

enum { ROUNDS = 5 };

enum timed { CREATE, WRITE, SYNC, STAT, READ, RENAME, LIST, REMOVE, TIMED_COUNT };

struct timing {
    struct findings *findings;
    const struct volume *volume;
    char name[DOCTOR_NAME_SIZE];
    char renamed[DOCTOR_NAME_SIZE];
    uint64_t began_ns;
    uint64_t ns[TIMED_COUNT][ROUNDS];
    size_t counts[TIMED_COUNT];
};

/* Since the last look: what `timed` took, if it succeeded. */
static enum b10_reason took(struct timing *timing, enum timed timed, bool ok,
                            struct b10_error *error)
{
    const uint64_t now = clock_now_ns();
    if (ok && timing->counts[timed] < ROUNDS)
        timing->ns[timed][timing->counts[timed]++] = now - timing->began_ns;
    TRY(progress_step(timing->volume->progress, error));
    timing->began_ns = clock_now_ns();
    return B10_REASON_OK;
}

static bool list_once(const struct timing *timing)
{
    SCOPED(dirs_names) struct dirs_names names = {0};
    return dirs_list(&names, timing->volume->dirfd, "", NULL) == B10_REASON_OK;
}

static bool read_once(const struct timing *timing, char buffer[4096])
{
    SCOPED(fd) int fd = openat(timing->volume->dirfd, timing->name, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && pread(fd, buffer, 4096, 0) == 4096;
}

static enum b10_reason time_reading(struct timing *timing, struct b10_error *error)
{
    struct stat stat;
    timing->began_ns = clock_now_ns();
    TRY(took(timing, STAT, fstatat(timing->volume->dirfd, ".", &stat, 0) == 0, error));
    return took(timing, LIST, list_once(timing), error);
}

static enum b10_reason time_writing(struct timing *timing, struct b10_error *error)
{
    const int dirfd = timing->volume->dirfd;
    const char *name = timing->name;
    char buffer[4096] = {0};
    timing->began_ns = clock_now_ns();
    SCOPED(fd) int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    TRY(took(timing, CREATE, fd >= 0, error));
    if (fd < 0)
        return B10_REASON_OK;
    TRY(took(timing, WRITE, write(fd, buffer, sizeof(buffer)) > 0, error));
    TRY(took(timing, SYNC, fsync(fd) == 0, error));
    TRY(took(timing, READ, read_once(timing, buffer), error));
    const bool renamed = renameat(dirfd, name, dirfd, timing->renamed) == 0;
    TRY(took(timing, RENAME, renamed, error));
    const bool removed = unlinkat(dirfd, renamed ? timing->renamed : name, 0) == 0;
    return took(timing, REMOVE, removed, error);
}

static int by_duration(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void judge_latencies(struct timing *timing)
{
    static const char *const names[TIMED_COUNT] = {
        [CREATE] = "create", [WRITE] = "write",   [SYNC] = "fsync", [STAT] = "stat",
        [READ] = "read",     [RENAME] = "rename", [LIST] = "list",  [REMOVE] = "remove"};
    for (size_t i = 0; i < TIMED_COUNT; i++) {
        const size_t count = timing->counts[i];
        if (count == 0)
            continue;
        qsort(timing->ns[i], count, sizeof(timing->ns[i][0]), by_duration);
        const size_t middle = count / 2;
        const double ms = (double)timing->ns[i][middle] / 1e6;
        char name[64];
        snprintf(name, sizeof(name), "latency.%s", names[i]);
        findings_add(timing->findings, name,
                     ms > DOCTOR_SLOW_MS ? B10_VERDICT_WARN : B10_VERDICT_OK, "%s",
                     ms > DOCTOR_SLOW_MS
                         ? "slow: loads and saves work, and spend their time waiting"
                         : "median of a few");
        findings_measure(timing->findings, ms, "ms");
    }
}

/* Nothing stays behind, however it ended. */
static void timing_guard(struct timing *timing)
{
    if (timing->name[0] != '\0')
        (void)!unlinkat(timing->volume->dirfd, timing->name, 0);
    if (timing->renamed[0] != '\0')
        (void)!unlinkat(timing->volume->dirfd, timing->renamed, 0);
}

enum b10_reason doctor_latency(struct findings *findings, const struct volume *volume,
                               bool writable, struct b10_error *error)
{
    SCOPED(timing) struct timing timing = {.findings = findings, .volume = volume};
    if (writable) {
        TRY(doctor_name(timing.name, error));
        TRY(doctor_name(timing.renamed, error));
    }
    for (size_t i = 0; i < ROUNDS; i++) {
        TRY(time_reading(&timing, error));
        if (writable)
            TRY(time_writing(&timing, error));
    }
    judge_latencies(&timing);
    return B10_REASON_OK;
}
