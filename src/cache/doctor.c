#include "cache/doctor.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/guard.h"
#include "base/random.h"
#include "fs/space.h"

enum { FEW_INODES = 10000 }; /* a large cache has that many files */

enum b10_reason doctor_name(char name[DOCTOR_NAME_SIZE], struct b10_error *error)
{
    char token[TOKEN_TEXT_SIZE];
    TRY(token_make(token, error));
    snprintf(name, DOCTOR_NAME_SIZE, ".b10-doctor-probe.%s.tmp", token);
    return B10_REASON_OK;
}

static void judge_bytes(struct findings *findings, const char *side, const struct space *space,
                        uint64_t floor_bytes, const char *floor_name, const char *then)
{
    const double mib = 1024.0 * 1024.0;
    char name[64];
    snprintf(name, sizeof(name), "%s.space", side);
    if (space->free_bytes == UINT64_MAX) {
        findings_add(findings, name, B10_VERDICT_WARN,
                     "does not tell its free space: a full one is noticed only when writing fails, "
                     "and %s cannot be kept free",
                     floor_name);
        return;
    }
    if (space->free_bytes < floor_bytes)
        findings_add(findings, name, B10_VERDICT_FAIL,
                     "free space is below %s (%.0f MiB): %s with NO_SPACE", floor_name,
                     (double)floor_bytes / mib, then);
    else
        findings_add(findings, name, B10_VERDICT_OK, "free; %s (%.0f MiB) of it stays free",
                     floor_name, (double)floor_bytes / mib);
    findings_measure(findings, (double)space->free_bytes / mib, "MiB");
}

static void judge_inodes(struct findings *findings, const char *side, const struct space *space,
                         const char *then)
{
    char name[64];
    snprintf(name, sizeof(name), "%s.inodes", side);
    if (space->free_inodes == UINT64_MAX) {
        findings_add(findings, name, B10_VERDICT_OK, "does not count inodes");
        return;
    }
    if (space->free_inodes == 0)
        findings_add(findings, name, B10_VERDICT_FAIL, "no inode is free: %s with NO_SPACE", then);
    else if (space->free_inodes < FEW_INODES)
        findings_add(findings, name, B10_VERDICT_WARN,
                     "few are free: a large cache has more files than that");
    else
        findings_add(findings, name, B10_VERDICT_OK, "free");
    findings_measure(findings, (double)space->free_inodes, "inodes");
}

enum b10_reason doctor_space(struct findings *findings, const char *side, int fd,
                             uint64_t floor_bytes, const char *floor_name, const char *then,
                             struct progress *progress, struct b10_error *error)
{
    struct space space;
    struct b10_error found = ERROR_NONE;
    char name[64];
    const enum b10_reason reason = space_read(&space, fd, side, &found);
    TRY(progress_step(progress, error));
    if (reason != B10_REASON_OK) {
        snprintf(name, sizeof(name), "%s.space", side);
        findings_add(findings, name, B10_VERDICT_FAIL, "%s", found.message);
        return B10_REASON_OK;
    }
    judge_bytes(findings, side, &space, floor_bytes, floor_name, then);
    judge_inodes(findings, side, &space, then);
    return B10_REASON_OK;
}

enum b10_reason doctor_examine(const struct settings *settings, struct b10_check_list **list,
                               struct progress *progress, struct b10_error *error)
{
    SCOPED(heap) struct findings *findings = findings_new();
    if (findings == NULL)
        return error_no_memory(error);
    findings->list.b10fs_enabled = settings->enabled;
    snprintf(findings->list.shared_directory, sizeof(findings->list.shared_directory), "%s",
             settings->shared_dir);
    if (settings->enabled)
        findings_add(findings, "enabled", B10_VERDICT_OK, "BASETEN_FS_ENABLED is on");
    else
        findings_add(findings, "enabled", B10_VERDICT_WARN,
                     "BASETEN_FS_ENABLED is off: nothing is loaded or saved until it is on");
    TRY(doctor_volume(findings, settings, progress, error));
    TRY(doctor_search(findings, settings, progress, error));
    TRY(doctor_host(findings, settings, progress, error));
    *list = &HEAP_TAKE(findings)->list;
    return B10_REASON_OK;
}
