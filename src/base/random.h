/* 128 random bits as a token: what makes temporary names and archives distinct on every host. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdint.h>

#include "base/error.h"

enum { TOKEN_TEXT_SIZE = 33 }; /* 32 hexadecimal digits and NUL */

/* Fresh random token as lower-case hexadecimal. Threads: any. */
MUST_CHECK enum b10_reason token_make(char text[TOKEN_TEXT_SIZE], struct b10_error *error);

/* Some number below `count`; 0 for 0, and where there is no randomness. Threads: any. */
uint32_t random_below(uint32_t count);

#endif
