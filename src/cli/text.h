/* Text for people: every byte that a terminal or a log could misread is escaped, numbers carry
 * their unit.
 *
 * Escapes, the same on the terminal and in --json: a byte that is not part of valid UTF-8
 * becomes \xHH and a backslash becomes two, so that the original can be told back; on the
 * terminal control characters become \n, \t, \r or \xHH too.
 */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum text_rule {
    TEXT_TERMINAL, /* control characters are escaped */
    TEXT_JSON      /* control characters are kept: JSON has its own escapes for them */
};

enum { TEXT_UNIT_SIZE = 16, TEXT_SIZE = 32 };

/* One character of **at, escaped, into `unit`; returns its length there, 0 at the end. *at moves
 * behind it. */
size_t text_unit(const char **at, enum text_rule rule, char unit[TEXT_UNIT_SIZE]);

/* `text` escaped for a terminal. Failures stay in the stream's error flag. */
void text_put(FILE *stream, const char *text);

/* The next line of *cursor, without its newline, and its length; *cursor moves behind it. NULL at the
 * end. */
const char *text_line(const char **cursor, size_t *length);

/* `text` in words wrapped at 80 columns, every line indented by `indent` spaces. */
void text_wrap(FILE *stream, size_t indent, const char *text);

/* "156.4 MiB": always MiB, as in the settings. "2026-01-31 23:59:59 UTC" or "unknown" for 0. */
const char *text_size(uint64_t bytes, char out[TEXT_SIZE]);
const char *text_time(int64_t time, char out[TEXT_SIZE]);

/* "1 file", "2 files". `things` is the plural, `thing` the singular. */
const char *text_count(uint64_t count, const char *thing, const char *things, char out[TEXT_SIZE]);

#endif
