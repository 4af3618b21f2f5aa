/* Alone in its file, so that a test which defines it replaces it. */
#include "base/boottime.h"

#include <time.h>

uint64_t boottime_ms(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
