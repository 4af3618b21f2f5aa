/* Monotonic time, which tests may replace. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Nanoseconds on CLOCK_MONOTONIC. Threads: any. */
uint64_t clock_now_ns(void);

/* Seconds since the epoch on CLOCK_REALTIME. */
int64_t clock_epoch_s(void);

#endif
