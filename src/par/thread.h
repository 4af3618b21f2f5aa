/* A thread that the host does not notice: every signal blocked, so that its handlers never run
 * there, and a stack of THREAD_STACK_SIZE.
 * Threads: any.
 */
#ifndef PAR_THREAD_H
#define PAR_THREAD_H

#include <pthread.h>
#include <stdbool.h>

enum { THREAD_STACK_SIZE = 512 * 1024 };

/* False where no thread can be had. */
bool thread_start(pthread_t *thread, void *(*run)(void *argument), void *argument);

#endif
