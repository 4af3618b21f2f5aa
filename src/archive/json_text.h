/* Paths in JSON: a string where the bytes are valid UTF-8, else {"bytes": "<hex>"}. jansson's values, so only manifest.c and
 * index.c include this.
 */
#ifndef ARCHIVE_JSON_TEXT_H
#define ARCHIVE_JSON_TEXT_H

#include <jansson.h>
#include <stdbool.h>

/* New reference, NULL when out of memory. */
json_t *json_text_from(const char *bytes);

/* *text is a malloc'ed copy; false: not such a value, or NUL inside, or out of memory. */
bool json_text_to(const json_t *value, char **text);

#endif
