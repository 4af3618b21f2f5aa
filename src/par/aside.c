#include "par/aside.h"

static void run(void *user)
{
    struct aside *aside = user;
    progress_thread(aside->progress, 1);
    aside->reason = aside->step(aside->user, &aside->failure);
    progress_thread(aside->progress, -1);
}

void aside_begin(struct aside *aside, bool is_beside, aside_fn step, void *user,
                 struct progress *progress)
{
    *aside =
        (struct aside){.step = step, .user = user, .progress = progress, .failure = ERROR_NONE};
    if (is_beside && background_start(&aside->background, run, aside, NULL) == B10_REASON_OK)
        return;
    aside->reason = step(user, &aside->failure);
}

bool aside_is_going_on(const struct aside *aside)
{
    return aside->background != NULL;
}

enum b10_reason aside_wait(struct aside *aside, struct b10_error *error)
{
    aside_guard(aside);
    return aside->reason == B10_REASON_OK ? B10_REASON_OK : error_copy(error, &aside->failure);
}

void aside_guard(struct aside *aside)
{
    background_free(aside->background);
    aside->background = NULL;
}
