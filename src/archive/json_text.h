/* JSON in the archive's tail: written as text by hand, read with jansson a value at a time, so that
 * the memory a hostile document can claim does not depend on how long it is.
 *
 * Paths are bytes: a string where they are valid UTF-8, else {"bytes": "<hex>"}. jansson's values,
 * so only manifest.c and index.c include this.
 */
#ifndef ARCHIVE_JSON_TEXT_H
#define ARCHIVE_JSON_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* A value with everything in it may be this long as text. */
enum { JSON_VALUE_LIMIT = 1 << 20 };

/* A place in a document. */
struct json_cursor {
    const char *text; /* borrowed */
    size_t size;
    size_t at;
};

/* Takes the mark (one of {}[],:) if it is what comes next, white space before it skipped. */
bool json_take(struct json_cursor *cursor, char mark);

/* Nothing but white space is left. */
bool json_at_end(struct json_cursor *cursor);

/* Reasons below come without a message: OK, NO_MEMORY (which says nothing about the document), or
 * CORRUPT. */

/* *value is the next value, whatever type, as a new reference; the cursor moves behind it. CORRUPT
 * (and NULL) if there is none, if it is longer than JSON_VALUE_LIMIT or has a key twice. */
MUST_CHECK enum b10_reason json_value(struct json_cursor *cursor, json_t **value);

void json_guard(json_t **value);

/* *text is a malloc'ed copy of a path. CORRUPT: not such a value, or NUL inside. */
MUST_CHECK enum b10_reason json_text_to(const json_t *value, char **text);

/* An integer from 0 to `most`. */
bool json_u64_to(const json_t *value, uint64_t most, uint64_t *number);

/* Exactly `size` bytes from their lower-case hexadecimal digits. */
bool json_hex_to(const json_t *value, unsigned char *data, size_t size);

#endif
