/* Failures: one code and one sentence, written by the function that saw the failure.
 *
 *     data broke a rule              return error_set(error, B10_REASON_CORRUPT, "frame %u …", i);
 *     the kernel said no             return error_errno(error, errno, "cannot open '%s'", path);
 *     forward what a callee wrote    TRY(io_pread_full(…, error));
 *
 * The message names the object, ends without a full stop, and is written once; callers forward it
 * unchanged. Every function that can fail returns enum b10_reason (0 is OK) and is MUST_CHECK.
 * `error` may be NULL.
 * Threads: a record belongs to one thread at a time; workers keep their own, the pool hands on the
 * first.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "b10transfer.h"

#define MUST_CHECK               __attribute__((warn_unused_result))
#define PRINTF_LIKE(text, first) __attribute__((__format__(__printf__, text, first)))

/* Evaluates to nothing if `expression` is OK, else returns its reason from the calling function. */
#define TRY(expression)                                                                            \
    do {                                                                                           \
        enum b10_reason try_reason_ = (expression);                                                \
        if (try_reason_ != B10_REASON_OK)                                                          \
            return try_reason_;                                                                    \
    } while (0)

/* A complete record on the stack of an internal caller. */
#define ERROR_NONE                                                                                 \
    {                                                                                              \
        .struct_size = (uint32_t)sizeof(struct b10_error)                                          \
    }

/* Fills the record, sys_errno 0; returns `reason`. */
enum b10_reason error_set(struct b10_error *error, enum b10_reason reason, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Fills the record from an errno value: reason by error_reason_of(), message + ": " + the system's
 * text. */
enum b10_reason error_errno(struct b10_error *error, int sys_errno, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* ENOSPC, EDQUOT, EFBIG: NO_SPACE. EACCES, EPERM, EROFS: DENIED. ENOMEM: NO_MEMORY. Anything else:
 * IO. */
enum b10_reason error_reason_of(int sys_errno);

/* "ABSENT"; "UNKNOWN" for what is none. Static storage. */
const char *error_name(uint32_t reason);

/* NO_MEMORY with a fixed message. */
enum b10_reason error_no_memory(struct b10_error *error);

/* An error that no callee put into words still has its reason. */
void error_complete(struct b10_error *error, enum b10_reason reason);

/* Code OK, empty message. */
void error_clear(struct b10_error *error);

/* Copies `from` into `to` (NULL allowed), honouring to's struct_size; returns from's code. */
enum b10_reason error_copy(struct b10_error *to, const struct b10_error *from);

#endif
