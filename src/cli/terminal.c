#include "cli/terminal.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static int open_terminal(void)
{
    return open("/dev/tty", O_RDWR | O_CLOEXEC);
}

bool terminal_exists(void)
{
    const int fd = open_terminal();
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

bool terminal_is_of(pid_t group)
{
    const int fd = open_terminal();
    if (fd < 0)
        return false;
    const pid_t foreground = tcgetpgrp(fd);
    close(fd);
    return foreground == group;
}

void terminal_give(pid_t group)
{
    const int fd = open_terminal();
    if (fd < 0)
        return;
    (void)!tcsetpgrp(fd, group);
    close(fd);
}

/* What is blocked waits until it is not. */
static void stop(pid_t whom, int number)
{
    sigset_t one;
    sigset_t before;
    sigemptyset(&one);
    sigaddset(&one, number);
    kill(whom, number);
    sigprocmask(SIG_UNBLOCK, &one, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

void terminal_stop_group(int number)
{
    stop(0, number);
}

void terminal_stop_self(int number)
{
    stop(getpid(), number);
}
