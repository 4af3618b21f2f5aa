/* https through libcurl: TLS is left to the library made for it, and no host gets it that does not ask for
 * it. Types and numbers are those of curl/curl.h; no header of theirs is needed to build.
 *
 * Once opened it stays (RTLD_NODELETE): the TLS library below it registers what runs at exit. */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/guard.h"
#include "server/probe.h"

enum { CURL_OK = 0, CURL_WRITE_ERROR = 23, CURL_ABORTED = 42 };

/* CURLOPT_*: numbers, pointers, functions */
enum {
    OPTION_NOPROGRESS = 43,
    OPTION_FOLLOWLOCATION = 52,
    OPTION_HTTP_VERSION = 84,
    OPTION_NOSIGNAL = 99,
    OPTION_TIMEOUT_MS = 155,
    OPTION_CONNECTTIMEOUT_MS = 156,
    OPTION_PROTOCOLS = 181,
    OPTION_WRITEDATA = 10001,
    OPTION_URL = 10002,
    OPTION_PROXY = 10004,
    OPTION_ERRORBUFFER = 10010,
    OPTION_USERAGENT = 10018,
    OPTION_HTTPHEADER = 10023,
    OPTION_HEADERDATA = 10029,
    OPTION_XFERINFODATA = 10057,
    OPTION_CAINFO = 10065,
    OPTION_WRITEFUNCTION = 20011,
    OPTION_HEADERFUNCTION = 20079,
    OPTION_XFERINFOFUNCTION = 20219
};
enum { INFO_RESPONSE_CODE = 0x200002, HTTP_1_1 = 2, PROTOCOL_HTTPS = 2, ERROR_BUFFER = 256 };

struct curl {
    void *library; /* owned */
    void *easy;    /* owned */
    void *headers; /* owned: list */
    void *(*easy_init)(void);
    int (*setopt)(void *, int, ...);
    int (*perform)(void *);
    int (*getinfo)(void *, int, ...);
    void (*easy_cleanup)(void *);
    void *(*slist_append)(void *, const char *);
    void (*slist_free_all)(void *);
};

static void curl_guard(struct curl *curl)
{
    if (curl->easy != NULL)
        curl->easy_cleanup(curl->easy);
    if (curl->headers != NULL)
        curl->slist_free_all(curl->headers);
    if (curl->library != NULL)
        dlclose(curl->library);
}

/* ---- the library ---- */

static bool find(const struct curl *curl, const char *name, void *function)
{
    void *symbol = dlsym(curl->library, name);
    memcpy(function, &symbol, sizeof(symbol));
    return symbol != NULL;
}

static enum b10_reason open_library(struct curl *curl, const char *name, struct b10_error *error)
{
    curl->library = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (curl->library == NULL)
        return error_set(error, B10_REASON_CONFIG,
                         "an https URL needs %s, which cannot be opened: install libcurl, or use a "
                         "http:// URL",
                         name);
    if (find(curl, "curl_easy_init", &curl->easy_init) &&
        find(curl, "curl_easy_setopt", &curl->setopt) &&
        find(curl, "curl_easy_perform", &curl->perform) &&
        find(curl, "curl_easy_getinfo", &curl->getinfo) &&
        find(curl, "curl_easy_cleanup", &curl->easy_cleanup) &&
        find(curl, "curl_slist_append", &curl->slist_append) &&
        find(curl, "curl_slist_free_all", &curl->slist_free_all))
        return B10_REASON_OK;
    return error_set(error, B10_REASON_CONFIG, "an https URL needs %s, and this one is no libcurl",
                     name);
}

/* ---- one question ---- */

struct answer {
    size_t head;
    size_t body;
    struct progress *progress;
};

static size_t take_head(char *bytes, size_t size, size_t count, void *user)
{
    struct answer *answer = user;
    (void)bytes;
    answer->head += size * count;
    return answer->head > PROBE_READ_LIMIT ? 0 : size * count;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *user)
{
    struct answer *answer = user;
    (void)bytes;
    answer->body += size * count;
    return answer->head + answer->body > PROBE_READ_LIMIT ? 0 : size * count;
}

static int must_stop(void *user, int64_t a, int64_t b, int64_t c, int64_t d)
{
    struct answer *answer = user;
    (void)a, (void)b, (void)c, (void)d;
    return progress_step(answer->progress, NULL) != B10_REASON_OK;
}

static enum b10_reason add_token(struct curl *curl, const char *token, struct b10_error *error)
{
    char line[4200];
    if (token[0] == '\0')
        return B10_REASON_OK;
    const int length = snprintf(line, sizeof(line), "Authorization: Bearer %s", token);
    if (length < 0 || (size_t)length >= sizeof(line))
        return error_set(error, B10_REASON_CONFIG, "B10_TRANSFER_VLLM_API_KEY is too long");
    curl->headers = curl->slist_append(NULL, line);
    memset(line, 0, sizeof(line));
    return curl->headers == NULL ? error_no_memory(error) : B10_REASON_OK;
}

static bool set_number(const struct curl *curl, int option, long value)
{
    return curl->setopt(curl->easy, option, value) == CURL_OK;
}

static bool set_text(const struct curl *curl, int option, const void *value)
{
    return value == NULL || curl->setopt(curl->easy, option, value) == CURL_OK;
}

static bool set_limits(const struct curl *curl, const struct probe *probe)
{
    return set_number(curl, OPTION_NOSIGNAL, 1) && set_number(curl, OPTION_FOLLOWLOCATION, 0) &&
           set_number(curl, OPTION_PROTOCOLS, PROTOCOL_HTTPS) &&
           set_number(curl, OPTION_HTTP_VERSION, HTTP_1_1) &&
           set_number(curl, OPTION_TIMEOUT_MS, (long)probe->limit_ms) &&
           set_number(curl, OPTION_CONNECTTIMEOUT_MS, (long)probe->limit_ms) &&
           set_number(curl, OPTION_NOPROGRESS, 0);
}

static bool set_question(const struct curl *curl, const struct probe *probe, const char *url,
                         char *words)
{
    return set_text(curl, OPTION_URL, url) && set_text(curl, OPTION_PROXY, "") &&
           set_text(curl, OPTION_CAINFO, probe->ca_file) &&
           set_text(curl, OPTION_USERAGENT, "b10transfer/" B10_VERSION_TEXT) &&
           set_text(curl, OPTION_HTTPHEADER, curl->headers) &&
           set_text(curl, OPTION_ERRORBUFFER, words);
}

static bool set_answer(const struct curl *curl, struct answer *answer)
{
    return set_text(curl, OPTION_HEADERDATA, answer) && set_text(curl, OPTION_WRITEDATA, answer) &&
           set_text(curl, OPTION_XFERINFODATA, answer) &&
           curl->setopt(curl->easy, OPTION_HEADERFUNCTION, take_head) == CURL_OK &&
           curl->setopt(curl->easy, OPTION_WRITEFUNCTION, take_body) == CURL_OK &&
           curl->setopt(curl->easy, OPTION_XFERINFOFUNCTION, must_stop) == CURL_OK;
}

static enum b10_reason set_up(struct curl *curl, const struct probe *probe, struct answer *answer,
                              char *words, struct b10_error *error)
{
    char url[URL_LIMIT + 300];
    snprintf(url, sizeof(url), "https://%s%s", probe->url->authority, probe->url->target);
    TRY(open_library(curl, probe->curl, error));
    TRY(add_token(curl, probe->token, error));
    curl->easy = curl->easy_init();
    if (curl->easy == NULL)
        return error_no_memory(error);
    if (set_limits(curl, probe) && set_question(curl, probe, url, words) &&
        set_answer(curl, answer))
        return B10_REASON_OK;
    return error_set(error, B10_REASON_CONFIG, "%s does not know what an https question needs",
                     probe->curl);
}

static void judge(const struct curl *curl, int code, const struct answer *answer, const char *words,
                  struct probe_said *said)
{
    long status = 0;
    if (curl->getinfo(curl->easy, INFO_RESPONSE_CODE, &status) != CURL_OK)
        status = 0;
    /* more than is read is no fault of the server's */
    const bool enough = code == CURL_WRITE_ERROR && answer->head <= PROBE_READ_LIMIT;
    said->status = (int)status;
    if (code == CURL_OK || enough || (status >= 200 && status != 200))
        probe_judge(said, (int)status);
    else if (code == CURL_WRITE_ERROR)
        probe_not_yet(said, "the answer's head is longer than %d bytes", PROBE_READ_LIMIT);
    else
        probe_not_yet(said, "%.150s", words[0] != '\0' ? words : "no answer");
}

enum b10_reason probe_try_tls(const struct probe *probe, struct probe_said *said,
                              struct b10_error *error)
{
    SCOPED(curl) struct curl curl = {.library = NULL};
    struct answer answer = {.progress = probe->progress};
    char words[ERROR_BUFFER] = "";
    TRY(set_up(&curl, probe, &answer, words, error));
    const int code = curl.perform(curl.easy);
    TRY(progress_step(probe->progress, error));
    judge(&curl, code, &answer, words, said);
    return B10_REASON_OK;
}
