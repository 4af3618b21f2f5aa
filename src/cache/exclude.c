#include "cache/exclude.h"

#include <string.h>
#include <sys/stat.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool begins_with(const char *name, const char *start)
{
    return strncmp(name, start, strlen(start)) == 0;
}

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name);
    size_t tail = strlen(end);
    return length >= tail && strcmp(name + length - tail, end) == 0;
}

/* tmp.<uuid>*: eight, four, four, four and twelve hexadecimal digits with hyphens between. */
static bool is_uuid_temporary(const char *name)
{
    static const char form[] = "tmp.xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    for (size_t i = 0; form[i] != '\0'; i++) {
        if (form[i] == 'x' ? !is_hex(name[i]) : name[i] != form[i])
            return false;
    }
    return true;
}

/* One or more digits and a dot; the text behind them, else NULL. */
static const char *skip_number(const char *text)
{
    const char *end = text;
    while (is_digit(*end))
        end++;
    return end > text && *end == '.' ? end + 1 : NULL;
}

/* .<pid>.<tid>.tmp */
static bool is_thread_temporary(const char *name)
{
    const char *rest = name[0] == '.' ? skip_number(name + 1) : NULL;
    rest = rest != NULL ? skip_number(rest) : NULL;
    return rest != NULL && strcmp(rest, "tmp") == 0;
}

bool exclude_name(const char *name, mode_t mode)
{
    if (!S_ISREG(mode) && !S_ISDIR(mode) && !S_ISLNK(mode))
        return true;
    if (S_ISDIR(mode) && strcmp(name, "locks") == 0)
        return true;
    return ends_with(name, ".lock") || strcmp(name, "lock") == 0 || begins_with(name, "tmp.pid_") ||
           is_uuid_temporary(name) || is_thread_temporary(name) || ends_with(name, ".pkl.tmp") ||
           begins_with(name, ".b10transfer");
}
