/* The log of one operation: lines go to the callback the caller gave, and nowhere else.
 *
 * Threads: only the thread that made the call may log (workers report through counters and error
 * records).
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/error.h"

struct log {
    b10_log_fn fn; /* NULL: silent */
    void *user;
    int level; /* most verbose b10_log_level that is passed on */
};

void log_error(const struct log *log, const char *format, ...) PRINTF_LIKE(2, 3);
void log_warn(const struct log *log, const char *format, ...) PRINTF_LIKE(2, 3);
void log_info(const struct log *log, const char *format, ...) PRINTF_LIKE(2, 3);
void log_debug(const struct log *log, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
