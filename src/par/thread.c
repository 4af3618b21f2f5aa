#include "par/thread.h"

#include <signal.h>

/* A host with very large thread-local storage needs more than our stack size: then the default
 * serves. */
static bool create(pthread_t *thread, void *(*run)(void *argument), void *argument)
{
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    (void)pthread_attr_setstacksize(&attributes, THREAD_STACK_SIZE);
    bool created = pthread_create(thread, &attributes, run, argument) == 0 ||
                   pthread_create(thread, NULL, run, argument) == 0;
    pthread_attr_destroy(&attributes);
    return created;
}

bool thread_start(pthread_t *thread, void *(*run)(void *argument), void *argument)
{
    sigset_t all;
    sigset_t kept;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &kept); /* a new thread inherits the mask */
    bool created = create(thread, run, argument);
    pthread_sigmask(SIG_SETMASK, &kept, NULL);
    return created;
}
