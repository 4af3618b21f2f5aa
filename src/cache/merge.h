/* What a save in mode `merge` does about the archive that is there.
 *
 *     reader of that archive ──▶ merge_plan ──▶ ADD ──▶ append ──▶ pack ──▶ merge_end ──▶ merge_confirm ──▶ publish
 *                                            ├─▶ AFRESH   everything that is here, in its place
 *                                            └─▶ ALONE    what it lacks, in its place: together they would be too large
 *
 * Afresh after MERGES_LIMIT merges, and when a large file that the archive holds only as void is
 * here: dropping that member would mean other numbers for every frame behind it, and what is here
 * was loaded from that archive, so writing it once afresh loses little and cannot go wrong.
 * Threads: one at a time.
 */
#ifndef CACHE_MERGE_H
#define CACHE_MERGE_H

#include "archive/missing.h"
#include "archive/writer.h"
#include "base/progress.h"
#include "cache/names.h"

enum {
    MERGES_LIMIT = 8,        /* then the archive is written afresh */
    MERGE_CHURN_PERCENT = 2, /* added is what was added the last time, as far as this */
};

enum merge_plan { MERGE_AFRESH, MERGE_ADD, MERGE_ALONE };

struct merge {
    enum merge_plan plan;
    struct reader stored;          /* owned; closed: there is no archive to go by */
    struct bytes index;            /* owned: of it */
    struct manifest_totals before; /* of it */
    struct missing missing;
};

#define MERGE_NONE                                                                                 \
    {                                                                                              \
        .stored = READER_CLOSED, .index = BYTES_EMPTY                                              \
    }

/* Compares the tree with merge->stored, which is open. ALREADY_SAVED: it holds everything that is
 * here. CHURN: what it lacks is what the last merge added, under other names. CORRUPT, UNSAFE: it
 * is damaged. */
MUST_CHECK enum b10_reason merge_plan(struct merge *merge, struct tree *tree, uint64_t size_limit,
                                      struct progress *progress, struct b10_error *error);

/* The sum was too large after all: ALONE from now on. */
void merge_go_alone(struct merge *merge, struct tree *tree);

/* ADD: what the archive has goes into the manifest, before anything else does (append.h). */
void merge_take_books(struct merge *merge, struct manifest *manifest);

/* ADD: behind the last packed member. ALREADY_SAVED: none was packed. */
MUST_CHECK enum b10_reason merge_end(const struct merge *merge, struct manifest *manifest,
                                     struct b10_error *error);

/* *same: the archive of `key` on the volume still is the one that was planned with. Asked by name,
 * afresh. */
MUST_CHECK enum b10_reason merge_confirm(const struct merge *merge, const struct volume *volume,
                                         const char *key, bool *same, struct b10_error *error);

void merge_release(struct merge *merge); /* harmless on MERGE_NONE, also twice */
void merge_guard(struct merge *merge);

#endif
