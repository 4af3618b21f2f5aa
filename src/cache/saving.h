/* What the steps of one save share, and the steps before anything is written: what is on the volume
 * already, and whose turn it is.
 *
 *     saving_open_volume ──▶ saving_look ──▶ saving_take_turn ──▶ saving_look again ──▶ (write, publish) ──▶ released
 *
 * A look before the turn costs little and is mostly the last.
 * Threads: one at a time.
 */
#ifndef CACHE_SAVING_H
#define CACHE_SAVING_H

#include "cache/gather.h"
#include "cache/identity.h"
#include "cache/merge.h"
#include "cache/turn.h"
#include "cache/watchdog.h"

struct save {
    const struct settings *settings;
    struct log *log;
    struct progress *progress;
    struct b10_report *report;
    struct identity identity;  /* owned */
    struct volume volume;      /* owned */
    struct turn turn;          /* owned: the right to write, once it was taken */
    struct watchdog *watchdog; /* owned: as long as that */
    struct gather gather;      /* owned: what is here */
    struct manifest manifest;  /* owned: what is written */
    struct merge merge;        /* owned: with what is there */
    char name[NAMES_SIZE];     /* of the archive */
    bool has_turn;
    bool is_offered; /* publishing has begun: a failure from then on is that of what was written */
    bool replace;    /* an archive is there, and it is to be replaced */
    bool outdated;   /* mode merge: it is not the one that was looked at any more */
    int damage;      /* mode merge: times that the one of token `damaged` was found to be that */
    char damaged[33];
};

/* A shared directory that cannot be there is, for a save, a volume that failed. */
MUST_CHECK enum b10_reason saving_open_volume(struct save *save, struct b10_error *error);

/* Looks at the archive that is there. ALREADY_SAVED: it is usable, i.e. its tail is valid, its facts
 * are this host's and it is not suspect, or it is of a newer format; merging, a usable one stays open in save->merge
 * instead. One that cannot be read at all is never replaced: the fault may be this host's. What to
 * do about any other is for who has the turn. */
MUST_CHECK enum b10_reason saving_look(struct save *save, struct b10_error *error);

/* A directory in the archive's place cannot be replaced by a rename: it is moved aside. */
MUST_CHECK enum b10_reason saving_make_way(struct save *save, struct b10_error *error);

/* IN_PROGRESS, BUSY (turn.h). From then on the watchdog beats. Whatever was known of the stored archive
 * may have changed until then. */
MUST_CHECK enum b10_reason saving_take_turn(struct save *save, struct b10_error *error);

void saving_guard(struct save *save);

#endif
