#include "base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/guard.h"

enum { TOKEN_BYTES = 16 };

/* For kernels and filters without getrandom. */
static enum b10_reason read_urandom(unsigned char random[TOKEN_BYTES], struct b10_error *error)
{
    SCOPED(fd) int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(error, errno, "cannot open '/dev/urandom'");
    for (size_t done = 0; done < TOKEN_BYTES;) {
        ssize_t got = read(fd, random + done, TOKEN_BYTES - done);
        if (got > 0)
            done += (size_t)got;
        else if (got == 0 || errno != EINTR)
            return error_errno(error, got == 0 ? EIO : errno, "cannot read '/dev/urandom'");
    }
    return B10_REASON_OK;
}

enum b10_reason token_make(char text[TOKEN_TEXT_SIZE], struct b10_error *error)
{
    unsigned char random[TOKEN_BYTES];
    ssize_t got;
    do {
        got = getrandom(random, sizeof(random), 0);
    } while (got < 0 && errno == EINTR);
    if (got != TOKEN_BYTES)
        TRY(read_urandom(random, error));
    hex_encode(text, random, sizeof(random));
    return B10_REASON_OK;
}

uint32_t random_below(uint32_t count)
{
    char token[TOKEN_TEXT_SIZE];
    if (count == 0 || token_make(token, NULL) != B10_REASON_OK)
        return 0;
    token[8] = '\0';
    return (uint32_t)(strtoul(token, NULL, 16) % count);
}
