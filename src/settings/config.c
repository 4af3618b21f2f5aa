#include "settings/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/forked.h"
#include "base/guard.h"
#include "settings/setting.h"

/* Owned by the caller of b10_config_new. */
struct b10_config {
    struct fork_mark mark;
    char *values[SETTING_COUNT]; /* owned; NULL: not set here */
};

/* ---- what is given ---- */

/* NULL stays NULL. */
static enum b10_reason copy_text(char **to, const char *from, struct b10_error *error)
{
    *to = NULL;
    if (from == NULL || (*to = strdup(from)) != NULL)
        return B10_REASON_OK;
    return error_no_memory(error);
}

static enum b10_reason take_values(struct given *given, const struct b10_config *config,
                                   struct b10_error *error)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const bool set = config != NULL && config->values[i] != NULL;
        const char *value = set ? config->values[i] : getenv(setting_row((enum setting_id)i)->name);
        given->is_set[i] = set;
        TRY(copy_text(&given->values[i], value, error));
    }
    return B10_REASON_OK;
}

static enum b10_reason take_environment(struct given *given, struct b10_error *error)
{
    static const char *const names[GIVEN_VARIABLE_COUNT] = {
        [GIVEN_HOME] = "HOME",
        [GIVEN_TMPDIR] = "TMPDIR",
        [GIVEN_TEMP] = "TEMP",
        [GIVEN_TMP] = "TMP",
        [GIVEN_LOGNAME] = "LOGNAME",
        [GIVEN_USER] = "USER",
        [GIVEN_LNAME] = "LNAME",
        [GIVEN_USERNAME] = "USERNAME",
        [GIVEN_VIRTUAL_ENV] = "VIRTUAL_ENV",
        [GIVEN_VISIBLE_DEVICES] = "CUDA_VISIBLE_DEVICES",
        [GIVEN_DEVICE_ORDER] = "CUDA_DEVICE_ORDER",
        [GIVEN_PATH] = "PATH",
        [GIVEN_CXX] = "CXX",
        [GIVEN_VLLM_API_KEY] = "VLLM_API_KEY",
        [GIVEN_CA_BUNDLE] = "CURL_CA_BUNDLE",
        [GIVEN_CERT_FILE] = "SSL_CERT_FILE",
    };
    for (size_t i = 0; i < GIVEN_VARIABLE_COUNT; i++)
        TRY(copy_text(&given->variables[i], getenv(names[i]), error));
    for (size_t i = 0; i < AUTO_ROOT_COUNT; i++) {
        const char *name = auto_root_at(i)->variable;
        TRY(copy_text(&given->root_dirs[i], name != NULL ? getenv(name) : NULL, error));
    }
    for (char **variable = environ; variable != NULL && *variable != NULL; variable++)
        TRY(recorded_take(&given->recorded, *variable, error));
    return B10_REASON_OK;
}

enum b10_reason given_take(struct given **out, const struct b10_config *config,
                           struct b10_error *error)
{
    *out = NULL;
    if (config != NULL)
        TRY(fork_mark_check(&config->mark, "b10_config", error));
    SCOPED(given) struct given *given = calloc(1, sizeof(*given));
    if (given == NULL)
        return error_no_memory(error);
    TRY(take_values(given, config, error));
    TRY(take_environment(given, error));
    *out = HEAP_TAKE(given);
    return B10_REASON_OK;
}

const char *given_shared_dir(const struct given *given)
{
    const char *value = given->values[SETTING_SHARED_DIR];
    return value != NULL ? value : setting_row(SETTING_SHARED_DIR)->default_value;
}

enum b10_reason given_for_server(struct given *given, struct b10_error *error)
{
    static const struct {
        enum setting_id id;
        const char *value;
    } usual[] = {{SETTING_KIND, "vllm"},
                 {SETTING_LOAD_MODE, "merge"},
                 {SETTING_SAVE_MODE, "merge"}};
    for (size_t i = 0; i < sizeof(usual) / sizeof(*usual); i++) {
        if (given->values[usual[i].id] == NULL)
            TRY(copy_text(&given->values[usual[i].id], usual[i].value, error));
    }
    return B10_REASON_OK;
}

void given_free(struct given *given)
{
    if (given == NULL)
        return;
    for (size_t i = 0; i < SETTING_COUNT; i++)
        free(given->values[i]);
    for (size_t i = 0; i < GIVEN_VARIABLE_COUNT; i++)
        free(given->variables[i]);
    for (size_t i = 0; i < AUTO_ROOT_COUNT; i++)
        free(given->root_dirs[i]);
    recorded_release(&given->recorded);
    free(given);
}

void given_guard(struct given **given)
{
    given_free(*given);
    *given = NULL;
}

/* ---- one reading ---- */

static enum b10_reason reading_begin(struct reading *reading, const struct given *given,
                                     struct settings *settings, const struct log *log,
                                     struct b10_error *error)
{
    char *const *variables = given->variables;
    const struct host_environment environment = {
        .home = variables[GIVEN_HOME],
        .temporary = {variables[GIVEN_TMPDIR], variables[GIVEN_TEMP], variables[GIVEN_TMP]},
        .user = {variables[GIVEN_LOGNAME], variables[GIVEN_USER], variables[GIVEN_LNAME],
                 variables[GIVEN_USERNAME]},
    };
    reading->given = given;
    reading->settings = settings;
    reading->log = log;
    settings->kind = "inductor";
    return host_read(&reading->host, &environment, error);
}

static void reading_guard(struct reading *reading)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        free(reading->text[i]);
    allowed_release(&reading->allowed);
    host_release(&reading->host);
}

enum b10_reason setting_need(struct reading *reading, enum setting_id id, struct b10_error *error)
{
    if (reading->done[id])
        return B10_REASON_OK;
    const struct setting *row = setting_row(id);
    const char *value = reading->given->values[id];
    TRY(row->read(reading, row, value != NULL ? value : row->default_value, error));
    reading->done[id] = true;
    return B10_REASON_OK;
}

/* What CUDA obeys when it counts devices. */
static enum b10_reason read_cuda(struct settings *settings, const struct given *given,
                                 struct b10_error *error)
{
    TRY(copy_text(&settings->visible_devices, given->variables[GIVEN_VISIBLE_DEVICES], error));
    return copy_text(&settings->device_order, given->variables[GIVEN_DEVICE_ORDER], error);
}

/* With what compilers are found. */
static enum b10_reason read_programs(struct settings *settings, const struct given *given,
                                     struct b10_error *error)
{
    TRY(copy_text(&settings->program_path, given->variables[GIVEN_PATH], error));
    return copy_text(&settings->cxx, given->variables[GIVEN_CXX], error);
}

/* As the curl command has it. */
static enum b10_reason read_ca_file(struct settings *settings, const struct given *given,
                                    struct b10_error *error)
{
    const char *bundle = given->variables[GIVEN_CA_BUNDLE];
    const char *file = given->variables[GIVEN_CERT_FILE];
    const char *chosen = bundle != NULL && *bundle != '\0' ? bundle : file;
    return copy_text(&settings->ca_file, chosen != NULL && *chosen != '\0' ? chosen : NULL, error);
}

static enum b10_reason read_recorded(struct settings *settings, const struct given *given,
                                     struct b10_error *error)
{
    for (size_t i = 0; i < given->recorded.count; i++)
        TRY(recorded_add(&settings->recorded, given->recorded.items[i].name,
                         given->recorded.items[i].value, error));
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

enum b10_reason settings_read(struct settings *settings, const struct given *given,
                              enum settings_need need, struct log *log, struct b10_error *error)
{
    SCOPED(reading) struct reading reading = {0};
    SCOPED(settings) struct settings fresh = SETTINGS_NONE;
    TRY(reading_begin(&reading, given, &fresh, log, error));
    TRY(read_switches(&reading, need, log, error));
    for (size_t i = 0; i < SETTING_COUNT; i++)
        TRY(setting_need(&reading, (enum setting_id)i, error));
    TRY(read_cuda(&fresh, given, error));
    TRY(read_programs(&fresh, given, error));
    TRY(read_ca_file(&fresh, given, error));
    TRY(read_recorded(&fresh, given, error));
    fresh.temporary_dir = HEAP_TAKE(reading.host.temporary_dir);
    fresh.home_dir = HEAP_TAKE(reading.host.home_dir);
    *settings = fresh;
    fresh = (struct settings)SETTINGS_NONE;
    return B10_REASON_OK;
}

void settings_release(struct settings *settings)
{
    free(settings->local_dir);
    free(settings->local_named);
    free(settings->shared_dir);
    for (size_t i = 0; i < settings->read_dir_count; i++)
        free(settings->read_dirs[i]);
    free(settings->read_dirs);
    free(settings->work_dir);
    free(settings->temporary_dir);
    free(settings->home_dir);
    free(settings->tags);
    free(settings->environment_key);
    free(settings->visible_devices);
    free(settings->device_order);
    free(settings->program_path);
    free(settings->cxx);
    free(settings->python_prefix);
    free(settings->server_url);
    free(settings->server_token);
    free(settings->ca_file);
    recorded_release(&settings->recorded);
    for (size_t i = 0; i < settings->root_count; i++) {
        free(settings->roots[i].name);
        free(settings->roots[i].path);
        free(settings->roots[i].named);
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
    struct b10_config *config = calloc(1, sizeof(*config));
    if (config != NULL)
        fork_mark_init(&config->mark);
    return config;
}

void config_free(struct b10_config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < SETTING_COUNT; i++)
        free(config->values[i]);
    fork_mark_release(&config->mark);
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
    SCOPED(given) struct given *given = NULL;
    SCOPED(reading) struct reading reading = {.alone = true};
    SCOPED(settings) struct settings unused = SETTINGS_NONE;
    const struct log silent = {.level = B10_LOG_ERROR};
    TRY(given_take(&given, NULL, error));
    TRY(reading_begin(&reading, given, &unused, &silent, error));
    return row->read(&reading, row, value, error);
}

enum b10_reason config_set(struct b10_config *config, const char *key, const char *value,
                           struct b10_error *error)
{
    const struct setting *row;
    TRY(fork_mark_check(&config->mark, "b10_config", error));
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
    SCOPED(given) struct given *given = NULL;
    SCOPED(reading) struct reading reading = {0};
    SCOPED(settings) struct settings unused = SETTINGS_NONE;
    const struct log silent = {.level = B10_LOG_ERROR};
    TRY(given_take(&given, config, error));
    TRY(reading_begin(&reading, given, &unused, &silent, error));
    const enum setting_id id = setting_id(row);
    TRY(setting_need(&reading, id, error));
    const char *text = reading.text[id];
    if (source != NULL)
        *source = given->is_set[id] ? "set" : given->values[id] != NULL ? "environment" : "default";
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
