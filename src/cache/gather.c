#include "cache/gather.h"

#include "archive/same.h"

static enum b10_reason find(void *user, struct b10_error *error)
{
    struct gather *gather = user;
    const struct settings *settings = gather->settings;
    TRY(scan_roots(settings, &gather->tree, &gather->scanned, gather->log, &gather->stop,
                   gather->progress, error));
    return gather->compares
               ? same_find(&gather->tree, settings->threads, &gather->stop, gather->progress, error)
               : B10_REASON_OK;
}

enum b10_reason gather_begin(struct gather *gather, const struct settings *settings, bool compares,
                             struct log *log, struct progress *progress, struct b10_error *error)
{
    *gather = (struct gather){.settings = settings,
                              .log = log,
                              .progress = progress,
                              .compares = compares,
                              .tree = TREE_EMPTY,
                              .stop = CANCEL_BELOW(progress->stop),
                              .aside = ASIDE_NONE};
    TRY(progress_phase(progress, "scan", 0, 0, error));
    aside_begin(&gather->aside, progress->handed_over, find, gather, progress);
    return B10_REASON_OK;
}

enum b10_reason gather_wait(struct gather *gather, struct b10_error *error)
{
    return aside_wait(&gather->aside, error);
}

void gather_release(struct gather *gather)
{
    struct b10_error why = ERROR_NONE;
    if (aside_is_going_on(&gather->aside)) {
        error_set(&why, B10_REASON_CANCELLED, "nobody waits for it");
        cancel_trip(&gather->stop, &why);
    }
    aside_guard(&gather->aside);
    tree_release(&gather->tree);
    *gather = (struct gather)GATHER_NONE;
}
