/* Readers of settings that are no paths: switches, numbers, choices, tags, the key. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/url.h"
#include "env/facts.h"
#include "env/gpu.h"
#include "env/key.h"
#include "settings/setting.h"

enum { TOKEN_LIMIT = 4096 };

static const uint64_t bytes_per_mb = UINT64_C(1) << 20;

enum b10_reason setting_read_enabled(struct reading *reading, const struct setting *row,
                                     const char *value, struct b10_error *error)
{
    if (!parse_bool(value, &reading->settings->enabled))
        return setting_bad(error, row, value, "must be %s", row->rule);
    return setting_text(reading, row, strdup(reading->settings->enabled ? "1" : "0"), error);
}

/* ---- sizes in MiB ---- */

static enum b10_reason number_text(struct reading *reading, const struct setting *row,
                                   uint64_t number, struct b10_error *error)
{
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    return setting_text(reading, row, strdup(text), error);
}

/* Beyond this no number of MiB is a size that a file system has, and 64 times it still fits 64 bits
 * of bytes. */
static const uint64_t largest_mb = UINT64_C(1) << 36;

/* Floors. */
enum b10_reason setting_read_size(struct reading *reading, const struct setting *row,
                                  const char *value, struct b10_error *error)
{
    struct settings *settings = reading->settings;
    uint64_t mb;
    if (!parse_u64(value, &mb))
        return setting_bad(error, row, value, "must be a whole number of MiB, 0 or more");
    if (mb > largest_mb)
        return setting_bad(error, row, value, "must be at most %llu",
                           (unsigned long long)largest_mb);
    if (setting_id(row) == SETTING_MIN_LOCAL_SPACE)
        settings->min_local_bytes = mb * bytes_per_mb;
    else
        settings->min_shared_bytes = mb * bytes_per_mb;
    return number_text(reading, row, mb, error);
}

/* ---- numbers with a cap, which is a row of its own ---- */

struct capped {
    enum setting_id id;
    enum setting_id cap;
    uint64_t cap_of_cap;
    const char *unit;
};

static const struct capped capped[] = {
    {SETTING_MAX_CACHE_SIZE, SETTING_MAX_CACHE_SIZE_CAP, UINT64_C(1) << 20, " of MiB"},
    {SETTING_CONCURRENT_SAVES, SETTING_CONCURRENT_SAVES_CAP, 10000, ""},
    {SETTING_LOCK_TIMEOUT, SETTING_LOCK_TIMEOUT_CAP, 86400, " of seconds"},
    {SETTING_INCOMPLETE_TIMEOUT, SETTING_INCOMPLETE_TIMEOUT_CAP, 86400, " of seconds"},
};

static const struct capped *find_capped(enum setting_id id)
{
    size_t i = 0;
    while (capped[i].id != id && capped[i].cap != id)
        i++;
    return &capped[i];
}

static void clamp(struct reading *reading, const struct setting *row, uint64_t *number,
                  uint64_t cap, const char *cap_name)
{
    if (*number <= cap)
        return;
    log_warn(reading->log, "%s=%llu is more than %s%llu; using %llu", row->name,
             (unsigned long long)*number, cap_name, (unsigned long long)cap,
             (unsigned long long)cap);
    *number = cap;
}

static enum b10_reason clamp_to_row(struct reading *reading, const struct setting *row,
                                    enum setting_id cap, uint64_t *number, struct b10_error *error)
{
    char name[64];
    if (reading->alone)
        return B10_REASON_OK;
    TRY(setting_need(reading, cap, error));
    snprintf(name, sizeof(name), "%s=", setting_row(cap)->name);
    clamp(reading, row, number, reading->caps[cap], name);
    return B10_REASON_OK;
}

static void keep_number(struct settings *settings, enum setting_id id, uint64_t number)
{
    if (id == SETTING_MAX_CACHE_SIZE)
        settings->max_cache_bytes = number * bytes_per_mb;
    else if (id == SETTING_CONCURRENT_SAVES)
        settings->max_concurrent_saves = (unsigned)number;
    else if (id == SETTING_LOCK_TIMEOUT)
        settings->lock_timeout_s = (unsigned)number;
    else
        settings->incomplete_timeout_s = (unsigned)number;
}

enum b10_reason setting_read_capped(struct reading *reading, const struct setting *row,
                                    const char *value, struct b10_error *error)
{
    const enum setting_id id = setting_id(row);
    const struct capped *rule = find_capped(id);
    uint64_t number;
    if (!parse_u64(value, &number) || number == 0)
        return setting_bad(error, row, value, "must be a whole number%s, at least 1", rule->unit);
    if (id == rule->cap) {
        clamp(reading, row, &number, rule->cap_of_cap, "");
        reading->caps[id] = number;
    } else {
        TRY(clamp_to_row(reading, row, rule->cap, &number, error));
        keep_number(reading->settings, id, number);
    }
    return number_text(reading, row, number, error);
}

/* ---- other numbers ---- */

struct numbered {
    enum setting_id id;
    uint64_t low;
    uint64_t high;
};

static const struct numbered numbered[] = {
    {SETTING_COMPRESSION_LEVEL, 1, 19}, {SETTING_THREADS, 0, 64},
    {SETTING_LOAD_TIMEOUT, 0, 86400},   {SETTING_SAVE_TIMEOUT, 0, 86400},
    {SETTING_WAIT_TIMEOUT, 1, 86400},   {SETTING_WAIT_INTERVAL, 1, 3600},
};

static void keep_numbered(struct settings *settings, enum setting_id id, unsigned number)
{
    if (id == SETTING_COMPRESSION_LEVEL)
        settings->compression_level = (int)number;
    else if (id == SETTING_THREADS)
        settings->threads = number;
    else if (id == SETTING_LOAD_TIMEOUT)
        settings->load_timeout_s = number;
    else if (id == SETTING_SAVE_TIMEOUT)
        settings->save_timeout_s = number;
    else if (id == SETTING_WAIT_TIMEOUT)
        settings->wait_timeout_s = number;
    else
        settings->wait_interval_s = number;
}

enum b10_reason setting_read_number(struct reading *reading, const struct setting *row,
                                    const char *value, struct b10_error *error)
{
    const struct numbered *rule = numbered;
    uint64_t number;
    while (rule->id != setting_id(row))
        rule++;
    if (!parse_u64(value, &number) || number < rule->low || number > rule->high)
        return setting_bad(error, row, value, "must be a whole number from %llu to %llu",
                           (unsigned long long)rule->low, (unsigned long long)rule->high);
    keep_numbered(reading->settings, rule->id, (unsigned)number);
    return number_text(reading, row, number, error);
}

/* ---- choices ---- */

struct choice {
    const char *text;
    enum setting_id id;
    int value;
};

static const struct choice choices[] = {
    {"inductor", SETTING_KIND, 0},
    {"vllm", SETTING_KIND, 0},
    {"sglang", SETTING_KIND, 0},
    {"if_absent", SETTING_SAVE_MODE, SAVE_IF_ABSENT},
    {"replace", SETTING_SAVE_MODE, SAVE_REPLACE},
    {"never", SETTING_SAVE_MODE, SAVE_NEVER},
    {"merge", SETTING_SAVE_MODE, SAVE_MERGE},
    {"if_empty", SETTING_LOAD_MODE, LOAD_IF_EMPTY},
    {"merge", SETTING_LOAD_MODE, LOAD_MERGE},
    {"error", SETTING_LOG_LEVEL, B10_LOG_ERROR},
    {"warn", SETTING_LOG_LEVEL, B10_LOG_WARN},
    {"info", SETTING_LOG_LEVEL, B10_LOG_INFO},
    {"debug", SETTING_LOG_LEVEL, B10_LOG_DEBUG},
};

static char lower(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c;
}

/* By ASCII letters, whatever the host's locale. */
static bool is_word(const char *value, const char *word)
{
    for (; *value != '\0' && lower(*value) == *word; value++)
        word++;
    return *value == '\0' && *word == '\0';
}

enum b10_reason setting_read_choice(struct reading *reading, const struct setting *row,
                                    const char *value, struct b10_error *error)
{
    enum setting_id id = setting_id(row);
    const struct choice *chosen = NULL;
    for (size_t i = 0; i < sizeof(choices) / sizeof(*choices); i++) {
        if (choices[i].id == id && is_word(value, choices[i].text))
            chosen = &choices[i];
    }
    if (chosen == NULL)
        return setting_bad(error, row, value, "must be one of: %s", row->rule);
    if (id == SETTING_KIND)
        reading->settings->kind = chosen->text;
    if (id == SETTING_SAVE_MODE)
        reading->settings->save_mode = (enum save_mode)chosen->value;
    if (id == SETTING_LOAD_MODE)
        reading->settings->load_mode = (enum load_mode)chosen->value;
    if (id == SETTING_LOG_LEVEL)
        reading->settings->log_level = chosen->value;
    return setting_text(reading, row, strdup(chosen->text), error);
}

/* ---- texts ---- */

enum b10_reason setting_read_ignored(struct reading *reading, const struct setting *row,
                                     const char *value, struct b10_error *error)
{
    return setting_text(reading, row, strdup(value), error);
}

static enum b10_reason keep(struct reading *reading, const struct setting *row, char **field,
                            const char *value, struct b10_error *error)
{
    free(*field);
    *field = strdup(value);
    if (*field == NULL)
        return error_no_memory(error);
    return setting_text(reading, row, strdup(value), error);
}

enum b10_reason setting_read_tags(struct reading *reading, const struct setting *row,
                                  const char *value, struct b10_error *error)
{
    struct b10_error cause = ERROR_NONE;
    enum b10_reason reason = facts_check_tags(value, &cause);
    if (reason == B10_REASON_CONFIG)
        return setting_bad(error, row, value, "%s", cause.message);
    if (reason != B10_REASON_OK)
        return error_copy(error, &cause);
    return keep(reading, row, &reading->settings->tags, value, error);
}

enum b10_reason setting_read_key(struct reading *reading, const struct setting *row,
                                 const char *value, struct b10_error *error)
{
    if (*value != '\0' && !key_is_valid(value))
        return setting_bad(error, row, value, "must be %s", row->rule);
    return keep(reading, row, &reading->settings->environment_key, value, error);
}

enum b10_reason setting_read_gpu_probe(struct reading *reading, const struct setting *row,
                                       const char *value, struct b10_error *error)
{
    struct b10_error cause = ERROR_NONE;
    enum b10_reason reason = gpu_parse_steps(&reading->settings->gpu_steps, value, &cause);
    if (reason == B10_REASON_CONFIG)
        return setting_bad(error, row, value, "%s", cause.message);
    if (reason != B10_REASON_OK)
        return error_copy(error, &cause);
    char *text = strdup(value);
    for (char *c = text; c != NULL && *c != '\0'; c++)
        *c = lower(*c);
    return setting_text(reading, row, text, error);
}

/* ---- the server ---- */

enum b10_reason setting_read_url(struct reading *reading, const struct setting *row,
                                 const char *value, struct b10_error *error)
{
    struct url url;
    const char *problem = url_parse(&url, value);
    if (problem != NULL) /* without the value: it may hold a password */
        return error_set(error, B10_REASON_CONFIG, "%s %s", row->name, problem);
    return keep(reading, row, &reading->settings->server_url, value, error);
}

static bool is_token(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~')
            return false;
    }
    return strlen(text) <= TOKEN_LIMIT;
}

/* vLLM's own variable is judged by vLLM; what cannot be sent is not. */
static const char *usual_token(const struct reading *reading, const struct setting *row)
{
    const char *token = reading->given->variables[GIVEN_VLLM_API_KEY];
    if (token == NULL || is_token(token))
        return token != NULL ? token : "";
    log_warn(reading->log, "VLLM_API_KEY is not used as %s: it is not %s", row->name, row->rule);
    return "";
}

/* Neither the text in force nor a message holds it. */
enum b10_reason setting_read_token(struct reading *reading, const struct setting *row,
                                   const char *value, struct b10_error *error)
{
    const char *token = value != NULL ? value : usual_token(reading, row);
    if (!is_token(token))
        return error_set(error, B10_REASON_CONFIG, "%s must be %s", row->name, row->rule);
    TRY(keep(reading, row, &reading->settings->server_token, token, error));
    return *token == '\0' ? B10_REASON_OK : setting_text(reading, row, strdup("(hidden)"), error);
}
