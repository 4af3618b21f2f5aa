#include "base/utf8.h"

size_t utf8_character(const char *text)
{
    static const struct {
        unsigned char first, last; /* of the first byte */
        unsigned char second_first, second_last;
        size_t length;
    } forms[] = {{0x01, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2},
                 {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
                 {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
                 {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
                 {0xf4, 0xf4, 0x80, 0x8f, 4}};
    const unsigned char *bytes = (const unsigned char *)text;
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
        if (bytes[0] < forms[i].first || bytes[0] > forms[i].last)
            continue;
        if (forms[i].length > 1 &&
            (bytes[1] < forms[i].second_first || bytes[1] > forms[i].second_last))
            return 0;
        for (size_t k = 2; k < forms[i].length; k++)
            if (bytes[k] < 0x80 || bytes[k] > 0xbf)
                return 0;
        return forms[i].length;
    }
    return 0;
}

static bool is_control(const unsigned char *character)
{
    return character[0] < 0x20 || character[0] == 0x7f ||
           (character[0] == 0xc2 && character[1] < 0xa0);
}

static bool holds(const char *text, bool controls)
{
    while (*text != '\0') {
        size_t length = utf8_character(text);
        if (length == 0 || (!controls && is_control((const unsigned char *)text)))
            return false;
        text += length;
    }
    return true;
}

bool utf8_is_valid(const char *text)
{
    return holds(text, true);
}

bool utf8_is_printable(const char *text)
{
    return holds(text, false);
}
