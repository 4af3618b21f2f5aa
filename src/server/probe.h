/* Is the server ready? One question, asked once, answered within a limit.
 *
 *     http    GET over a socket of our own: status line, at most 8 KiB read      probe.c
 *     https   the same through libcurl, opened at run time                       probe_tls.c
 *
 * Ready is status 200 and a whole answer. 401 and 403 mean that a server is there but wants a key.
 * Everything else is "not yet": refused, reset, hung, half an answer, garbage, 503, a redirect. No
 * proxy, no redirect followed, nothing kept between two questions.
 *
 * The names of hosts are looked up by the system's resolver, which takes the time that it takes: on
 * a thread that may be left behind (par/job.h) that holds nobody.
 * Threads: any.
 */
#ifndef SERVER_PROBE_H
#define SERVER_PROBE_H

#include "base/progress.h"
#include "base/url.h"

enum {
    PROBE_LIMIT_MS = 5000,      /* of one question in all */
    PROBE_READ_LIMIT = 8 * 1024 /* bytes of an answer */
};

enum probe_answer { PROBE_NOT_YET, PROBE_READY, PROBE_WANTS_KEY };

/* All borrowed. */
struct probe {
    const struct url *url;
    const char *token;   /* sent as a bearer token; "": none */
    const char *ca_file; /* https: certificates to trust; NULL: libcurl's own */
    const char *curl;    /* https: the library's name */
    unsigned limit_ms;
    struct progress *progress;
};

#define PROBE_CURL "libcurl.so.4"

struct probe_said {
    enum probe_answer answer;
    int status;      /* HTTP; 0: none */
    char words[200]; /* why not: "refused: …"; never the token */
};

/* OK whatever the server says. CONFIG: no libcurl for https; else why the operation must stop. */
MUST_CHECK enum b10_reason probe_try(const struct probe *probe, struct probe_said *said,
                                     struct b10_error *error);

/* probe_tls.c: the same for https. */
MUST_CHECK enum b10_reason probe_try_tls(const struct probe *probe, struct probe_said *said,
                                         struct b10_error *error);

/* What a status means. */
void probe_judge(struct probe_said *said, int status);
void probe_not_yet(struct probe_said *said, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
