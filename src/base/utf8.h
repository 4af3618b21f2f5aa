/* UTF-8 (RFC 3629: shortest form, no surrogates, up to U+10FFFF) in NUL-terminated texts.
 * Threads: any.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the character at `text`, 0 if it is not valid or the text ends here. */
size_t utf8_character(const char *text);

bool utf8_is_valid(const char *text);

/* Valid, and without control characters (C0, DEL, C1). */
bool utf8_is_printable(const char *text);

#endif
