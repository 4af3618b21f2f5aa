/* Alone in its file, so that a test which defines it replaces it. */
#include "base/pause.h"

#include <errno.h>
#include <time.h>

void pause_ms(unsigned ms)
{
    struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}
