#include "cli/report_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/text.h"

enum { PATH_SIZE = 4096 };

static bool write_all(int fd, const char *line)
{
    char newline[] = "\n";
    for (size_t left = strlen(line); left > 0;) {
        const ssize_t written = write(fd, line, left);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        line += written;
        left -= (size_t)written;
    }
    return write(fd, newline, 1) == 1;
}

static bool write_and_close(int fd, const char *line)
{
    const bool ok = write_all(fd, line);
    const int problem = errno;
    if (close(fd) != 0)
        return false;
    errno = problem;
    return ok;
}

/* A device, a pipe or a link is written to, not replaced. */
static bool may_be_replaced(const char *path)
{
    struct stat stat;
    return lstat(path, &stat) != 0 || S_ISREG(stat.st_mode);
}

static bool write_beside(const char *path, const char *line)
{
    char name[PATH_SIZE];
    const int length = snprintf(name, sizeof name, "%s.%ld.tmp", path, (long)getpid());
    if (length < 0 || (size_t)length >= sizeof name || !may_be_replaced(path))
        return false;
    const int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return false;
    if (write_and_close(fd, line) && rename(name, path) == 0)
        return true;
    unlink(name);
    return false;
}

static bool write_plainly(const char *path, const char *line)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
    return fd >= 0 && write_and_close(fd, line);
}

bool report_file_write(const char *path, const char *line)
{
    if (write_beside(path, line) || write_plainly(path, line))
        return true;
    const int problem = errno;
    fputs("b10-compile-cache: error: cannot write the report '", stderr);
    text_put(stderr, path);
    fprintf(stderr, "': %s\n", strerror(problem));
    return false;
}
