#include "fault/faultfs/pace.h"

#include <time.h>

static double latency_s;
static double bytes_per_s; /* 0: no limit */

void pace_set(double latency_ms, double mb_per_s)
{
    latency_s = latency_ms / 1e3;
    bytes_per_s = mb_per_s * 1e6;
}

void pace_init(struct pace *pace)
{
    pthread_mutex_init(&pace->mutex, NULL);
    pace->busy_until_s = 0;
}

static double now_s(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void sleep_s(double seconds)
{
    const time_t whole = (time_t)seconds;
    const struct timespec time = {whole, (long)((seconds - (double)whole) * 1e9)};
    if (seconds > 0)
        nanosleep(&time, NULL);
}

void pace_operation(void)
{
    sleep_s(latency_s);
}

void pace_transfer(struct pace *pace, size_t size)
{
    if (bytes_per_s <= 0)
        return;
    pthread_mutex_lock(&pace->mutex);
    const double now = now_s();
    const double begin = pace->busy_until_s > now ? pace->busy_until_s : now;
    const double end = begin + (double)size / bytes_per_s;
    pace->busy_until_s = end;
    pthread_mutex_unlock(&pace->mutex);
    sleep_s(end - now);
}
