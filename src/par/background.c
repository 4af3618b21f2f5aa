#include "par/background.h"

#include <errno.h>
#include <stdlib.h>

#include "par/thread.h"

struct background {
    void (*run)(void *user);
    void *user;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool done;
};

static void *run(void *argument)
{
    struct background *background = argument;
    background->run(background->user);
    pthread_mutex_lock(&background->lock);
    background->done = true;
    pthread_cond_broadcast(&background->ended);
    pthread_mutex_unlock(&background->lock);
    return NULL;
}

static bool locks_init(struct background *background)
{
    if (pthread_mutex_init(&background->lock, NULL) != 0)
        return false;
    if (pthread_cond_init(&background->ended, NULL) == 0)
        return true;
    pthread_mutex_destroy(&background->lock);
    return false;
}

static void locks_release(struct background *background)
{
    pthread_cond_destroy(&background->ended);
    pthread_mutex_destroy(&background->lock);
}

enum b10_reason background_start(struct background **out, void (*function)(void *user), void *user,
                                 struct b10_error *error)
{
    struct background *background = calloc(1, sizeof(*background));
    *out = NULL;
    if (background == NULL || !locks_init(background)) {
        free(background);
        return error_no_memory(error);
    }
    background->run = function;
    background->user = user;
    if (!thread_start(&background->thread, run, background)) {
        locks_release(background);
        free(background);
        return error_set(error, B10_REASON_NO_MEMORY, "no thread can be started");
    }
    *out = background;
    return B10_REASON_OK;
}

bool background_is_done(struct background *background)
{
    pthread_mutex_lock(&background->lock);
    const bool done = background->done;
    pthread_mutex_unlock(&background->lock);
    return done;
}

void background_wait(struct background *background)
{
    pthread_mutex_lock(&background->lock);
    while (!background->done)
        pthread_cond_wait(&background->ended, &background->lock);
    pthread_mutex_unlock(&background->lock);
}

void background_free(struct background *background)
{
    if (background == NULL)
        return;
    pthread_join(background->thread, NULL);
    locks_release(background);
    free(background);
}

void background_abandon(struct background *background)
{
    free(background);
}
