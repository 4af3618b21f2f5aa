#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/line.h"

enum { LINE_SIZE = 4608 }; /* a longest path and a sentence around it */

static bool heard(const struct log *log, b10_log_level level)
{
    return log != NULL && log->fn != NULL && (int)level <= log->level;
}

PRINTF_LIKE(3, 0)
static void say(const struct log *log, b10_log_level level, const char *format, va_list arguments)
{
    char line[LINE_SIZE];
    vsnprintf(line, sizeof(line), format, arguments);
    line_clean(line);
    log->fn(log->user, level, line);
}

#define SAY(log, level, format)                                                                    \
    do {                                                                                           \
        if (heard(log, level)) {                                                                   \
            va_list arguments;                                                                     \
            va_start(arguments, format);                                                           \
            say(log, level, format, arguments);                                                    \
            va_end(arguments);                                                                     \
        }                                                                                          \
    } while (0)

void log_error(const struct log *log, const char *format, ...)
{
    SAY(log, B10_LOG_ERROR, format);
}

void log_warn(const struct log *log, const char *format, ...)
{
    SAY(log, B10_LOG_WARN, format);
}

void log_info(const struct log *log, const char *format, ...)
{
    SAY(log, B10_LOG_INFO, format);
}

void log_debug(const struct log *log, const char *format, ...)
{
    SAY(log, B10_LOG_DEBUG, format);
}
