/* Text from users into values; nothing here guesses. */
#ifndef BASE_PARSE_H
#define BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whole decimal number without sign, spaces or overflow; false otherwise. */
bool parse_u64(const char *text, uint64_t *value);

/* 1/true/yes/on, 0/false/no/off/empty, any case; false otherwise. */
bool parse_bool(const char *text, bool *value);

/* Next item of a comma-separated list: *cursor moves past it; item and length without surrounding
 * spaces. Empty items are returned too (length 0), but an empty text has none and a comma at the
 * end adds none. False at the end. */
bool parse_item(const char **cursor, const char **item, size_t *length);

#endif
