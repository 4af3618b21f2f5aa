/* Preloaded: there are no processes to be had. The child of the command is made by fork, threads and helpers are not. */
#include <errno.h>
#include <sys/types.h>
#include <unistd.h>

pid_t fork(void)
{
    errno = EAGAIN;
    return -1;
}
