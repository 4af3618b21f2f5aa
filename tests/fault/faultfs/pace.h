/* How slow the volume is: a time added to every operation, and a bandwidth for each open file.
 * Threads: any, once pace_set has been called. */
#ifndef FAULTFS_PACE_H
#define FAULTFS_PACE_H

#include <pthread.h>
#include <stddef.h>

/* Of one open file: its transfers come one after the other. */
struct pace {
    pthread_mutex_t mutex;
    double busy_until_s;
};

/* 0: as fast as it can. */
void pace_set(double latency_ms, double mb_per_s);

void pace_init(struct pace *pace);

/* Return when the operation, the transfer would be done. */
void pace_operation(void);
void pace_transfer(struct pace *pace, size_t size);

#endif
