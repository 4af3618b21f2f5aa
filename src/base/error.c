#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/line.h"

enum { MESSAGE_SIZE = sizeof(((struct b10_error *)0)->message), SYSTEM_TEXT_SIZE = 128 };

static const char *gnu_text(const char *text, const char *buffer)
{
    (void)buffer;
    return text;
}

static const char *xsi_text(int failed, const char *buffer)
{
    return failed == 0 ? buffer : "unknown error";
}

/* strerror_r returns a text with glibc and an int with musl. */
#define STRERROR(number, buffer, size)                                                             \
    _Generic(strerror_r(0, buffer, size), char * : gnu_text, int : xsi_text)(                      \
        strerror_r(number, buffer, size), buffer)

/* `message` may quote the record's own message: it is a copy by now. */
static enum b10_reason fill(struct b10_error *error, enum b10_reason reason, int sys_errno,
                            const char *message)
{
    error->code = (uint32_t)reason;
    error->sys_errno = sys_errno;
    memcpy(error->message, message, strlen(message) + 1);
    line_clean(error->message);
    return reason;
}

enum b10_reason error_set(struct b10_error *error, enum b10_reason reason, const char *format, ...)
{
    if (error == NULL)
        return reason;
    char message[MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    return fill(error, reason, 0, message);
}

enum b10_reason error_errno(struct b10_error *error, int sys_errno, const char *format, ...)
{
    enum b10_reason reason = error_reason_of(sys_errno);
    if (error == NULL)
        return reason;
    char buffer[SYSTEM_TEXT_SIZE] = "";
    const char *text = STRERROR(sys_errno, buffer, sizeof(buffer));
    size_t text_size = strnlen(text, SYSTEM_TEXT_SIZE);

    /* A long path is cut, never the system's text behind it. */
    char message[MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message) - text_size - 2, format, arguments);
    va_end(arguments);
    size_t size = strlen(message);
    snprintf(message + size, sizeof(message) - size, ": %s", text);
    return fill(error, reason, sys_errno, message);
}

enum b10_reason error_reason_of(int sys_errno)
{
    switch (sys_errno) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return B10_REASON_NO_SPACE;
    case EACCES:
    case EPERM:
    case EROFS:
        return B10_REASON_DENIED;
    case ENOMEM:
        return B10_REASON_NO_MEMORY;
    default:
        return B10_REASON_IO;
    }
}

enum b10_reason error_no_memory(struct b10_error *error)
{
    return error == NULL ? B10_REASON_NO_MEMORY
                         : fill(error, B10_REASON_NO_MEMORY, ENOMEM, "out of memory");
}

void error_complete(struct b10_error *error, enum b10_reason reason)
{
    if (error->code != (uint32_t)reason)
        error_set(error, reason, "no details are known");
}

void error_clear(struct b10_error *error)
{
    if (error != NULL)
        fill(error, B10_REASON_OK, 0, "");
}

enum b10_reason error_copy(struct b10_error *to, const struct b10_error *from)
{
    if (to != NULL && to != from) {
        const size_t start = offsetof(struct b10_error, code);
        size_t size = to->struct_size < sizeof(*from) ? to->struct_size : sizeof(*from);
        if (size > start)
            memcpy((char *)to + start, (const char *)from + start, size - start);
        if (size > offsetof(struct b10_error, message))
            ((char *)to)[size - 1] = '\0';
    }
    return (enum b10_reason)from->code;
}

/* ---- names ---- */

static const char *const reason_names[] = {
    [B10_REASON_OK] = "OK",
    [B10_REASON_DISABLED] = "DISABLED",
    [B10_REASON_CONFIG] = "CONFIG",
    [B10_REASON_LOCAL_PRESENT] = "LOCAL_PRESENT",
    [B10_REASON_ABSENT] = "ABSENT",
    [B10_REASON_NO_SPACE] = "NO_SPACE",
    [B10_REASON_TOO_LARGE] = "TOO_LARGE",
    [B10_REASON_CORRUPT] = "CORRUPT",
    [B10_REASON_UNSAFE] = "UNSAFE",
    [B10_REASON_FORMAT] = "FORMAT",
    [B10_REASON_READ_ONLY] = "READ_ONLY",
    [B10_REASON_NOTHING_LOCAL] = "NOTHING_LOCAL",
    [B10_REASON_ALREADY_SAVED] = "ALREADY_SAVED",
    [B10_REASON_IO] = "IO",
    [B10_REASON_DENIED] = "DENIED",
    [B10_REASON_NO_MEMORY] = "NO_MEMORY",
    [B10_REASON_CANCELLED] = "CANCELLED",
    [B10_REASON_INTERNAL] = "INTERNAL",
    [B10_REASON_NO_KEY] = "NO_KEY",
    [B10_REASON_IN_PROGRESS] = "IN_PROGRESS",
    [B10_REASON_BUSY] = "BUSY",
    [B10_REASON_CHURN] = "CHURN",
    [B10_REASON_TIMEOUT] = "TIMEOUT",
    [B10_REASON_FORKED] = "FORKED",
};

const char *error_name(uint32_t reason)
{
    return reason < sizeof(reason_names) / sizeof(reason_names[0]) ? reason_names[reason]
                                                                   : "UNKNOWN";
}
