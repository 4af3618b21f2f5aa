/* An answer of a server from anywhere, and a URL from anywhere: what more bytes cannot change is settled, and what is
 * accepted as a URL says the same when it is put together again. */
#include <stdio.h>
#include <string.h>

#include "base/guard.h"
#include "base/url.h"
#include "fuzz.h"
#include "server/response.h"

static void read_answer(const char *bytes, size_t size)
{
    struct response half;
    struct response whole;
    const enum response_state first = response_look(&half, bytes, size / 2, false);
    const enum response_state last = response_look(&whole, bytes, size, false);
    HOLDS(first == RESPONSE_MORE || first == last);
    HOLDS(first != RESPONSE_WHOLE || half.status == whole.status);
    HOLDS(last != RESPONSE_WHOLE || (whole.status >= 200 && whole.status <= 999));
    HOLDS(!whole.head_is_whole || whole.status == 200);
    HOLDS(response_look(&half, bytes, size, true) != RESPONSE_MORE);
}

static void read_url(const char *text)
{
    struct url url;
    struct url again;
    char together[2 * URL_LIMIT];
    if (url_parse(&url, text) != NULL)
        return;
    HOLDS(strpbrk(url.target, " \r\n") == NULL && strpbrk(url.authority, " \r\n@/") == NULL);
    snprintf(together, sizeof(together), "%s://%s%s", url.tls ? "https" : "http", url.authority,
             url.target);
    if (strlen(together) > URL_LIMIT - 272)
        return;
    HOLDS(url_parse(&again, together) == NULL);
    HOLDS(strcmp(again.host, url.host) == 0 && strcmp(again.port, url.port) == 0);
    HOLDS(strcmp(again.target, url.target) == 0 && strcmp(again.shown, url.shown) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(heap) char *text = malloc(size + 1);
    HOLDS(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    read_answer(text, size);
    read_url(text);
    return 0;
}
