#include "cli/signals.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

static atomic_int caught; /* lock-free, hence safe in a handler */

static void remember(int number)
{
    atomic_store(&caught, number);
}

void signals_install(bool again_ends)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction stop;
    memset(&stop, 0, sizeof stop);
    stop.sa_handler = remember;
    stop.sa_flags = SA_RESTART | (again_ends ? (int)SA_RESETHAND : 0);
    sigemptyset(&stop.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction before;
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &stop, NULL);
    }
}

int signals_caught(void)
{
    return atomic_load(&caught);
}
