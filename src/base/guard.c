#include "base/guard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void fd_guard(int *fd)
{
    int kept = errno;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    errno = kept;
}

int fd_take(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

void heap_guard(void *pointer_to_pointer)
{
    void *pointer;
    memcpy(&pointer, pointer_to_pointer, sizeof(pointer));
    free(pointer);
}
