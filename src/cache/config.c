#include "cache/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/guard.h"
#include "cache/setting.h"

/* Owned by the caller of b10_config_new. */
struct b10_config {
    char *values[SETTING_COUNT]; /* owned; NULL: not set here */
};

/* ---- where a value comes from ---- */

static const char *given_value(const struct b10_config *config, enum setting_id id,
                               const char **source)
{
    if (config != NULL && config->values[id] != NULL) {
        *source = "set";
        return config->values[id];
    }
    const char *value = getenv(setting_row(id)->name);
    *source = value != NULL ? "environment" : "default";
    return value;
}

static void read_environment(struct host_environment *environment)
{
    *environment = (struct host_environment){
        .home = getenv("HOME"),
        .temporary = {getenv("TMPDIR"), getenv("TEMP"), getenv("TMP")},
        .user = {getenv("LOGNAME"), getenv("USER"), getenv("LNAME"), getenv("USERNAME")},
    };
}

/* What CUDA obeys when it counts devices. */
static enum b10_reason read_cuda(struct settings *settings, struct b10_error *error)
{
    const struct {
        const char *name;
        char **to;
    } variables[] = {{"CUDA_VISIBLE_DEVICES", &settings->visible_devices},
                     {"CUDA_DEVICE_ORDER", &settings->device_order}};
    for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++) {
        const char *value = getenv(variables[i].name);
        if (value != NULL && (*variables[i].to = strdup(value)) == NULL)
            return error_no_memory(error);
    }
    return B10_REASON_OK;
}

/* ---- one reading ---- */

static enum b10_reason reading_begin(struct reading *reading, const struct b10_config *config,
                                     struct settings *settings, const struct log *log,
                                     struct b10_error *error)
{
    reading->config = config;
    reading->settings = settings;
    reading->log = log;
    settings->kind = "inductor";
    reading->virtual_env = getenv("VIRTUAL_ENV");
    struct host_environment environment;
    read_environment(&environment);
    return host_read(&reading->host, &environment, error);
}

static void reading_guard(struct reading *reading)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        free(reading->text[i]);
    free(reading->local_given);
    allowed_release(&reading->allowed);
    host_release(&reading->host);
}

enum b10_reason setting_need(struct reading *reading, enum setting_id id, struct b10_error *error)
{
    if (reading->done[id])
        return B10_REASON_OK;
    const struct setting *row = setting_row(id);
    const char *source;
    const char *value = given_value(reading->config, id, &source);
    TRY(row->read(reading, row, value != NULL ? value : row->default_value, error));
    reading->done[id] = true;
    return B10_REASON_OK;
}

static enum b10_reason read_recorded(struct settings *settings, struct b10_error *error)
{
    for (char **variable = environ; variable != NULL && *variable != NULL; variable++)
        TRY(recorded_take(&settings->recorded, *variable, error));
    if (*settings->python_prefix == '\0')
        return B10_REASON_OK;
    return recorded_add(&settings->recorded, setting_row(SETTING_PYTHON_PREFIX)->name,
                        settings->python_prefix, error);
}

/* Being off is said before any other variable is judged; the level counts for every warning. */
static enum b10_reason read_switches(struct reading *reading, enum settings_need need,
                                     struct log *log, struct b10_error *error)
{
    struct b10_error level_error = ERROR_NONE;
    enum b10_reason level = setting_need(reading, SETTING_LOG_LEVEL, &level_error);
    if (level == B10_REASON_OK)
        log->level = reading->settings->log_level;
    TRY(setting_need(reading, SETTING_ENABLED, error));
    if (need == SETTINGS_VOLUME && !reading->settings->enabled)
        return error_set(error, B10_REASON_DISABLED, "BASETEN_FS_ENABLED is off");
    return level == B10_REASON_OK ? B10_REASON_OK : error_copy(error, &level_error);
}

enum b10_reason settings_read(struct settings *settings, const struct b10_config *config,
                              enum settings_need need, struct log *log, struct b10_error *error)
{
    SCOPED(reading) struct reading reading = {0};
    SCOPED(settings) struct settings fresh = SETTINGS_NONE;
    TRY(reading_begin(&reading, config, &fresh, log, error));
    TRY(read_switches(&reading, need, log, error));
    for (size_t i = 0; i < SETTING_COUNT; i++)
        TRY(setting_need(&reading, (enum setting_id)i, error));
    TRY(read_cuda(&fresh, error));
    TRY(read_recorded(&fresh, error));
    fresh.temporary_dir = HEAP_TAKE(reading.host.temporary_dir);
    fresh.home_dir = HEAP_TAKE(reading.host.home_dir);
    *settings = fresh;
    fresh = (struct settings)SETTINGS_NONE;
    return B10_REASON_OK;
}

void settings_release(struct settings *settings)
{
    free(settings->local_dir);
    free(settings->shared_dir);
    free(settings->work_dir);
    free(settings->temporary_dir);
    free(settings->home_dir);
    free(settings->tags);
    free(settings->environment_key);
    free(settings->visible_devices);
    free(settings->device_order);
    free(settings->python_prefix);
    recorded_release(&settings->recorded);
    for (size_t i = 0; i < settings->root_count; i++) {
        free(settings->roots[i].name);
        free(settings->roots[i].path);
    }
    free(settings->roots);
    *settings = (struct settings)SETTINGS_NONE;
}

void settings_guard(struct settings *settings)
{
    settings_release(settings);
}

/* ---- b10_config ---- */

struct b10_config *config_new(void)
{
    return calloc(1, sizeof(struct b10_config));
}

void config_free(struct b10_config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < SETTING_COUNT; i++)
        free(config->values[i]);
    free(config);
}

static enum b10_reason find_row(const struct setting **row, const char *key,
                                struct b10_error *error)
{
    *row = setting_find(key);
    if (*row == NULL)
        return error_set(error, B10_REASON_CONFIG, "there is no setting '%.100s'", key);
    return B10_REASON_OK;
}

/* The form of one value; what depends on other settings is judged when all are read. */
static enum b10_reason check_value(const struct setting *row, const char *value,
                                   struct b10_error *error)
{
    SCOPED(reading) struct reading reading = {.alone = true};
    SCOPED(settings) struct settings unused = SETTINGS_NONE;
    const struct log silent = {.level = B10_LOG_ERROR};
    TRY(reading_begin(&reading, NULL, &unused, &silent, error));
    return row->read(&reading, row, value, error);
}

enum b10_reason config_set(struct b10_config *config, const char *key, const char *value,
                           struct b10_error *error)
{
    const struct setting *row;
    TRY(find_row(&row, key, error));
    SCOPED(heap) char *copy = NULL;
    if (value != NULL) {
        TRY(check_value(row, value, error));
        copy = strdup(value);
        if (copy == NULL)
            return error_no_memory(error);
    }
    free(config->values[setting_id(row)]);
    config->values[setting_id(row)] = HEAP_TAKE(copy);
    return B10_REASON_OK;
}

enum b10_reason config_get(const struct b10_config *config, const char *key, char *value,
                           size_t size, const char **source, struct b10_error *error)
{
    const struct setting *row;
    TRY(find_row(&row, key, error));
    SCOPED(reading) struct reading reading = {0};
    SCOPED(settings) struct settings unused = SETTINGS_NONE;
    const struct log silent = {.level = B10_LOG_ERROR};
    TRY(reading_begin(&reading, config, &unused, &silent, error));
    TRY(setting_need(&reading, setting_id(row), error));
    const char *text = reading.text[setting_id(row)];
    const char *from;
    given_value(config, setting_id(row), &from);
    if (source != NULL)
        *source = from;
    int length = snprintf(value, size, "%s", text);
    if (length < 0 || (size_t)length >= size)
        return error_set(error, B10_REASON_CONFIG, "the value of %s does not fit %zu bytes",
                         row->name, size);
    return B10_REASON_OK;
}

bool config_setting_at(size_t index, struct b10_setting *setting)
{
    if (index >= SETTING_COUNT)
        return false;
    const struct setting *row = setting_row((enum setting_id)index);
    *setting = (struct b10_setting){
        .struct_size = setting->struct_size,
        .name = row->name,
        .default_value = row->default_text != NULL ? row->default_text : row->default_value,
        .rule = row->rule,
        .description = row->description,
    };
    return true;
}
