/* An http or https URL, taken apart: where to connect and what to ask for.
 *
 * Narrow on purpose: printable ASCII, no user names, no escapes to undo. What is not clearly valid
 * is refused, so that nothing of it can end up in a header line where it does not belong.
 * Threads: any.
 */
#ifndef BASE_URL_H
#define BASE_URL_H

#include <stdbool.h>

enum { URL_LIMIT = 2000 };

struct url {
    bool tls;
    char host[256];      /* name or address, an IPv6 one without its brackets */
    char port[6];        /* decimal, never empty */
    char authority[272]; /* as a Host header has it: brackets; no port that is the scheme's */
    char target[URL_LIMIT + 2]; /* path and query, begins with '/' */
    char shown[URL_LIMIT + 2];  /* without its query, for messages */
};

/* NULL, or what is wrong with it: static storage. */
const char *url_parse(struct url *url, const char *text);

#endif
