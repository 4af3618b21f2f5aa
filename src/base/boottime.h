/* Time since the kernel booted, which every process of the host shares and tests may replace. */
#ifndef BASE_BOOTTIME_H
#define BASE_BOOTTIME_H

#include <stdint.h>

/* Milliseconds on CLOCK_BOOTTIME: also while the host sleeps. Threads: any. */
uint64_t boottime_ms(void);

#endif
