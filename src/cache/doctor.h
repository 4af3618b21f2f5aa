/* Is this host fit for its cache? Tries on the shared directory what a load and a save will ask of
 * it, and looks at the local side, so that an operator reads in words what would fail later.
 *
 *     doctor_examine ──▶ doctor_volume: directory, every operation of a save, space ──▶ doctor_latency
 *                    ├─▶ doctor_search: the directories of B10_READ_DIRS
 *                    └─▶ doctor_host:   local directory, space, noexec, LOCAL_WORK_DIR, a compiler
 *
 * On the volume it makes files `.b10-doctor-probe.<32 hex>.tmp` and removes them on every path; those
 * of one that was killed are to the sweep the temporary files of a saver that died. A directory that
 * it had to make is removed as well.
 * Locally it makes nothing: a server may be at work there.
 * What is wrong is a finding; an error is only what keeps it from looking.
 * Threads: any.
 */
#ifndef CACHE_DOCTOR_H
#define CACHE_DOCTOR_H

#include "base/progress.h"
#include "cache/findings.h"
#include "cache/volume.h"
#include "settings/config.h"

/* *list is one block, to be freed; see b10_doctor. */
MUST_CHECK enum b10_reason doctor_examine(const struct settings *settings,
                                          struct b10_check_list **list, struct progress *progress,
                                          struct b10_error *error);

/* Its parts (doctor_volume.c, doctor_latency.c, doctor_search.c, doctor_host.c): they fail only when the operation must stop, out of
 * memory, or for a setting that contradicts another. */
MUST_CHECK enum b10_reason doctor_volume(struct findings *findings, const struct settings *settings,
                                         struct progress *progress, struct b10_error *error);
MUST_CHECK enum b10_reason doctor_search(struct findings *findings, const struct settings *settings,
                                         struct progress *progress, struct b10_error *error);
MUST_CHECK enum b10_reason doctor_host(struct findings *findings, const struct settings *settings,
                                       struct progress *progress, struct b10_error *error);

MUST_CHECK enum b10_reason doctor_latency(struct findings *findings, const struct volume *volume,
                                          bool writable, struct b10_error *error);

enum { DOCTOR_SLOW_MS = 100, DOCTOR_NAME_SIZE = 64 };

/* A fresh name for a file on the volume. */
MUST_CHECK enum b10_reason doctor_name(char name[DOCTOR_NAME_SIZE], struct b10_error *error);

/* Free bytes and inodes where `fd` lies, as `<side>.space` and `<side>.inodes`; what falls to the
 * floor fails with what `then` says. */
MUST_CHECK enum b10_reason doctor_space(struct findings *findings, const char *side, int fd,
                                        uint64_t floor_bytes, const char *floor_name,
                                        const char *then, struct progress *progress,
                                        struct b10_error *error);

#endif
