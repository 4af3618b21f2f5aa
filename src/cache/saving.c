#include "cache/saving.h"

#include <stdio.h>
#include <sys/stat.h>

#include "base/guard.h"
#include "cache/suspect.h"

void saving_guard(struct save *save)
{
    gather_release(&save->gather);
    watchdog_stop(save->watchdog);
    turn_release(&save->turn);
    identity_release(&save->identity);
    volume_close(&save->volume);
    manifest_release(&save->manifest);
    merge_release(&save->merge);
}

enum b10_reason saving_open_volume(struct save *save, struct b10_error *error)
{
    struct b10_error found = ERROR_NONE;
    enum b10_reason reason =
        volume_open(&save->volume, save->settings, true, save->progress, &found);
    if (reason == B10_REASON_ABSENT)
        found.code = B10_REASON_IO;
    return error_copy(error, &found);
}

enum b10_reason saving_make_way(struct save *save, struct b10_error *error)
{
    struct stat stat;
    bool done;
    if (volume_look(&save->volume, save->name, &stat) != 0 || !S_ISDIR(stat.st_mode))
        return B10_REASON_OK;
    return names_set_aside(&save->volume, save->identity.key.text, &stat, &done, error);
}

enum b10_reason saving_look(struct save *save, struct b10_error *error)
{
    struct reader *stored = &save->merge.stored;
    struct b10_error found = ERROR_NONE;
    char difference[512];
    bool suspect = false;
    save->replace = false;
    enum b10_reason reason =
        names_open_archive(stored, &save->volume, save->identity.key.text, &found);
    switch (reason) {
    case B10_REASON_ABSENT:
        return B10_REASON_OK;
    case B10_REASON_FORMAT:
        return error_set(error, B10_REASON_ALREADY_SAVED, "%s", found.message);
    case B10_REASON_CORRUPT:
    case B10_REASON_UNSAFE:
        if (!save->has_turn)
            return B10_REASON_OK;
        log_warn(save->log, "%s; it will be replaced", found.message);
        save->replace = true;
        return saving_make_way(save, error);
    case B10_REASON_OK:
        break;
    default:
        return error_copy(error, &found);
    }
    save->replace = true;
    TRY(suspect_is_marked(&save->volume, save->identity.key.text, &stored->manifest, &suspect,
                          error));
    if (suspect)
        snprintf(difference, sizeof(difference), "servers did not start with it");
    else if (identity_compare(&save->identity, &stored->manifest, difference, sizeof(difference)) ==
             MATCH_EXACT)
        return save->settings->save_mode == SAVE_MERGE
                   ? B10_REASON_OK
                   : error_set(error, B10_REASON_ALREADY_SAVED, "'%s' exists", stored->name);
    if (save->has_turn)
        log_warn(save->log, "'%s' is %s and will be replaced: %s", stored->name,
                 suspect ? "suspect" : "for another environment", difference);
    reader_close(stored);
    return B10_REASON_OK;
}

/* As long as the lock is held. */
static enum b10_reason watch(struct save *save, struct b10_error *error)
{
    const struct watchdog_ward ward = {.fds = &save->volume.dirfd,
                                       .fd_count = 1,
                                       .name = save->volume.path,
                                       .floor_bytes = save->settings->min_shared_bytes,
                                       .beat = turn_beat,
                                       .beat_user = &save->turn,
                                       .beat_ms = turn_beat_ms(&save->turn)};
    return watchdog_start(&save->watchdog, &ward, save->log, save->progress, error);
}

enum b10_reason saving_take_turn(struct save *save, struct b10_error *error)
{
    TRY(turn_take(&save->turn, &save->volume, save->identity.key.text, save->settings, save->log,
                  error));
    save->has_turn = true;
    TRY(watch(save, error));
    return turn_tidy(&save->turn, error);
}
