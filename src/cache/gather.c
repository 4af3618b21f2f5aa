#include "cache/gather.h"

#include "archive/same.h"

static enum b10_reason find(struct gather *gather, struct b10_error *error)
{
    const struct settings *settings = gather->settings;
    TRY(scan_roots(settings, &gather->tree, &gather->scanned, gather->log, &gather->stop,
                   gather->progress, error));
    return gather->compares ? same_find(&gather->tree, settings->threads, &gather->stop,
                                        gather->progress, error)
                            : B10_REASON_OK;
}

static void find_aside(void *user)
{
    struct gather *gather = user;
    progress_thread(gather->progress, 1);
    gather->reason = find(gather, &gather->failure);
    progress_thread(gather->progress, -1);
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
                              .failure = ERROR_NONE};
    TRY(progress_phase(progress, "scan", 0, 0, error));
    if (progress->handed_over && background_start(&gather->background, find_aside, gather, NULL) ==
                                     B10_REASON_OK)
        return B10_REASON_OK;
    return find(gather, error);
}

enum b10_reason gather_wait(struct gather *gather, struct b10_error *error)
{
    background_free(gather->background);
    gather->background = NULL;
    if (gather->reason != B10_REASON_OK)
        return error_copy(error, &gather->failure);
    return B10_REASON_OK;
}

void gather_release(struct gather *gather)
{
    struct b10_error why = ERROR_NONE;
    if (gather->background != NULL) {
        error_set(&why, B10_REASON_CANCELLED, "nobody waits for it");
        cancel_trip(&gather->stop, &why);
        background_free(gather->background);
    }
    tree_release(&gather->tree);
    *gather = (struct gather)GATHER_NONE;
}
