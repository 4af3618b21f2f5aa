#include "base/parse.h"

#include <string.h>
#include <strings.h>

bool parse_u64(const char *text, uint64_t *value)
{
    uint64_t sum = 0;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        uint64_t digit = (uint64_t)(*text - '0');
        if (sum > (UINT64_MAX - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *value = sum;
    return true;
}

static bool is_one_of(const char *text, const char *const words[4])
{
    for (size_t i = 0; i < 4; i++) {
        if (strcasecmp(text, words[i]) == 0)
            return true;
    }
    return false;
}

bool parse_bool(const char *text, bool *value)
{
    static const char *const yes[4] = {"1", "true", "yes", "on"};
    static const char *const no[4] = {"0", "false", "no", "off"};
    bool is_yes = is_one_of(text, yes);
    if (!is_yes && *text != '\0' && !is_one_of(text, no))
        return false;
    *value = is_yes;
    return true;
}

bool parse_item(const char **cursor, const char **item, size_t *length)
{
    const char *start = *cursor;
    if (*start == '\0')
        return false;
    const char *end = start + strcspn(start, ",");
    *cursor = *end == ',' ? end + 1 : end;
    while (start < end && *start == ' ')
        start++;
    while (end > start && end[-1] == ' ')
        end--;
    *item = start;
    *length = (size_t)(end - start);
    return true;
}
