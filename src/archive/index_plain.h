/* A line of the index read without a JSON parser, where it is as this library writes it and its names
 * are plain: printable ASCII without quotes and backslashes. Nine of ten are; the parser takes ten
 * times as long.
 *
 * Threads: any.
 */
#ifndef ARCHIVE_INDEX_PLAIN_H
#define ARCHIVE_INDEX_PLAIN_H

#include "archive/index.h"

/* Names inside the line. */
struct index_plain {
    const char *path;
    size_t path_length;
    const char *target; /* NULL: none */
    size_t target_length;
};

/* False for every other line, right or wrong: that is for the parser. Sets all of *line but the
 * names. */
bool index_plain_read(const char *text, size_t size, struct index_line *line,
                      struct index_plain *names);

#endif
