/* Waiting for a condition with a deadline that no change of the wall clock moves. */
#ifndef PAR_MONOTONIC_H
#define PAR_MONOTONIC_H

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

/* A condition whose timed waits count on CLOCK_MONOTONIC. False: out of memory. */
bool monotonic_cond_init(pthread_cond_t *condition);

/* That clock's time in `ms` milliseconds. */
struct timespec monotonic_after_ms(unsigned ms);

#endif
