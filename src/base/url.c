#include "base/url.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

static bool is_printable(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text <= ' ' || *text > '~' || *text == '\\')
            return false;
    }
    return true;
}

/* NULL, or behind the scheme. */
static const char *parse_scheme(struct url *url, const char *text)
{
    static const struct {
        const char *text;
        bool tls;
    } schemes[] = {{"http://", false}, {"https://", true}};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
        const size_t length = strlen(schemes[i].text);
        url->tls = schemes[i].tls;
        if (strncmp(text, schemes[i].text, length) == 0)
            return text + length;
    }
    return NULL;
}

/* The host's end: the ':' before the port, or the authority's end. NULL: it is no host. */
static const char *parse_host(struct url *url, const char *text, size_t size)
{
    const char *allowed = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.-_";
    const bool address = *text == '[';
    if (address) {
        allowed = "0123456789ABCDEFabcdef:.";
        text++;
        size--;
    }
    const size_t length = strspn(text, allowed);
    if (length == 0 || length > size || length >= sizeof(url->host) ||
        (address && text[length] != ']'))
        return NULL;
    memcpy(url->host, text, length);
    url->host[length] = '\0';
    return text + length + address;
}

static bool parse_port(struct url *url, const char *text, size_t size)
{
    uint64_t port;
    if (size == 0) {
        snprintf(url->port, sizeof(url->port), "%s", url->tls ? "443" : "80");
        return true;
    }
    if (*text != ':' || size < 2 || size - 1 >= sizeof(url->port))
        return false;
    memcpy(url->port, text + 1, size - 1);
    url->port[size - 1] = '\0';
    return parse_u64(url->port, &port) && port >= 1 && port <= 65535;
}

static void write_authority(struct url *url)
{
    const bool address = strchr(url->host, ':') != NULL;
    const bool usual = strcmp(url->port, url->tls ? "443" : "80") == 0;
    snprintf(url->authority, sizeof(url->authority), "%s%s%s%s%s", address ? "[" : "", url->host,
             address ? "]" : "", usual ? "" : ":", usual ? "" : url->port);
}

static void write_target(struct url *url, const char *rest)
{
    const size_t length = strcspn(rest, "#");
    snprintf(url->target, sizeof(url->target), "%s%.*s", *rest == '/' ? "" : "/", (int)length,
             rest);
    snprintf(url->shown, sizeof(url->shown), "%s://%.270s%.*s", url->tls ? "https" : "http",
             url->authority, (int)strcspn(url->target, "?"), url->target);
}

const char *url_parse(struct url *url, const char *text)
{
    *url = (struct url){.tls = false};
    if (strlen(text) > URL_LIMIT - 272) /* `shown` may get a port more */
        return "is too long";
    if (!is_printable(text))
        return "holds a space or a character that is not printable ASCII";
    const char *authority = parse_scheme(url, text);
    if (authority == NULL)
        return "must begin with http:// or https://";
    const size_t size = strcspn(authority, "/?#");
    if (memchr(authority, '@', size) != NULL)
        return "must not hold a user name; a key goes into B10_TRANSFER_VLLM_API_KEY";
    const char *port = parse_host(url, authority, size);
    if (port == NULL)
        return "names no host";
    if (!parse_port(url, port, (size_t)(authority + size - port)))
        return "has no valid port";
    write_authority(url);
    write_target(url, authority + size);
    return NULL;
}
