#include "settings/config.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "env/gpu.h"
#include "settings/auto_root.h"
#include "support/sandbox.h"
#include "support/scratch.h"

/* ---- an environment that holds nothing but what a test sets ---- */

static char warnings[4096];

static void keep_warning(void *user, b10_log_level level, const char *message)
{
    (void)user;
    if (level == B10_LOG_WARN)
        snprintf(warnings + strlen(warnings), sizeof(warnings) - strlen(warnings), "%s\n", message);
}

static int config_setup(void **state)
{
    static const char *const outside[] = {"HOME",
                                          "TMPDIR",
                                          "TEMP",
                                          "TMP",
                                          "LOGNAME",
                                          "USER",
                                          "LNAME",
                                          "USERNAME",
                                          "CUDA_VISIBLE_DEVICES",
                                          "CUDA_DEVICE_ORDER",
                                          "VIRTUAL_ENV",
                                          "VLLM_API_KEY",
                                          "CURL_CA_BUNDLE",
                                          "SSL_CERT_FILE"};
    for (size_t i = 0; i < sizeof(outside) / sizeof(*outside); i++)
        unsetenv(outside[i]);
    for (size_t i = 0; i < AUTO_ROOT_COUNT; i++)
        if (auto_root_at(i)->variable != NULL)
            unsetenv(auto_root_at(i)->variable);
    struct b10_setting row;
    for (size_t i = 0; config_setting_at(i, &row); i++)
        unsetenv(row.name);
    warnings[0] = '\0';
    if (scratch_setup(state) != 0)
        return -1;
    struct scratch *scratch = *state;
    scratch_mkdir(scratch, "home");
    scratch_mkdir(scratch, "tmp");
    setenv("HOME", scratch_path(scratch, "home"), 1);
    setenv("TMPDIR", scratch_path(scratch, "tmp"), 1);
    setenv("USER", "anna", 1);
    return 0;
}

static struct b10_error error = ERROR_NONE;

static enum b10_reason read_with(struct settings *settings, const struct b10_config *config,
                                 enum settings_need need)
{
    struct log log = {.fn = keep_warning, .level = B10_LOG_INFO};
    error_clear(&error);
    SCOPED(given) struct given *given = NULL;
    TRY(given_take(&given, config, &error));
    return settings_read(settings, given, need, &log, &error);
}

static enum b10_reason read_settings(struct settings *settings)
{
    return read_with(settings, NULL, SETTINGS_LOCAL);
}

/* Reading fails with CONFIG and names variable and value. */
static void assert_refused(const char *name, const char *value)
{
    setenv(name, value, 1);
    struct settings settings = SETTINGS_NONE;
    enum b10_reason reason = read_settings(&settings);
    settings_release(&settings);
    if (reason != B10_REASON_CONFIG)
        fail_msg("%s='%s' was answered with %s", name, value, b10_reason_name(reason));
    char beginning[512];
    snprintf(beginning, sizeof(beginning), "%s='%.200s", name, value);
    if (strncmp(error.message, beginning, strlen(beginning)) != 0)
        fail_msg("'%s' does not name %s and '%s'", error.message, name, value);
    unsetenv(name);
}

static void assert_accepted(const char *name, const char *value)
{
    setenv(name, value, 1);
    struct settings settings = SETTINGS_NONE;
    if (read_settings(&settings) != B10_REASON_OK)
        fail_msg("%s='%s' is refused: %s", name, value, error.message);
    settings_release(&settings);
    unsetenv(name);
}

static void assert_get(const struct b10_config *config, const char *name, const char *expected,
                       const char *expected_source)
{
    char value[4096];
    const char *source = NULL;
    if (config_get(config, name, value, sizeof(value), &source, &error) != B10_REASON_OK)
        fail_msg("%s: %s", name, error.message);
    assert_string_equal(value, expected);
    assert_string_equal(source, expected_source);
}

/* ---- promise ---- */

static void defaults_are_those_of_the_contract(void **state)
{
    struct scratch *scratch = *state;
    struct settings settings = SETTINGS_NONE;
    assert_int_equal(read_settings(&settings), B10_REASON_OK);
    assert_false(settings.enabled);
    assert_string_equal(settings.local_dir, scratch_path(scratch, "tmp/torchinductor_anna"));
    assert_string_equal(settings.shared_dir, "/cache/model/compile_cache");
    assert_string_equal(settings.work_dir, "/app");
    assert_string_equal(settings.temporary_dir, scratch_path(scratch, "tmp"));
    assert_string_equal(settings.home_dir, scratch_path(scratch, "home"));
    assert_int_equal(settings.max_cache_bytes, UINT64_C(1024) << 20);
    assert_int_equal(settings.min_local_bytes, UINT64_C(1024) << 20);
    assert_int_equal(settings.min_shared_bytes, UINT64_C(1024) << 20);
    assert_int_equal(settings.save_mode, SAVE_IF_ABSENT);
    assert_int_equal(settings.root_count, 2);
    assert_string_equal(settings.roots[0].name, "headers");
    assert_string_equal(settings.roots[0].path,
                        scratch_path(scratch, "tmp/torchinductor_anna/precompiled_headers"));
    assert_true(settings.roots[0].automatic);
    assert_string_equal(settings.roots[1].name, "triton");
    assert_string_equal(settings.roots[1].path, scratch_path(scratch, "home/.triton/cache"));
    assert_string_equal(settings.kind, "inductor");
    assert_string_equal(settings.tags, "");
    assert_string_equal(settings.environment_key, "");
    assert_int_equal(settings.gpu_steps, 1U << GPU_DRIVER | 1U << GPU_NVML | 1U << GPU_PROC);
    assert_null(settings.visible_devices);
    assert_null(settings.device_order);
    assert_int_equal(settings.compression_level, 1);
    assert_int_equal(settings.threads, 0);
    assert_int_equal(settings.log_level, B10_LOG_INFO);
    assert_string_equal(warnings, "");
    settings_release(&settings);
}

static void every_setting_is_in_the_table_once(void **state)
{
    (void)state;
    static const char *const expected[] = {
        "BASETEN_FS_ENABLED",
        "B10_CACHE_KIND",
        "TORCHINDUCTOR_CACHE_DIR",
        "VLLM_CACHE_ROOT",
        "XDG_CACHE_HOME",
        "SGLANG_CACHE_DIR",
        "B10_LOCAL_PREFIXES",
        "B10FS_CACHE_DIR",
        "B10_READ_DIRS",
        "LOCAL_WORK_DIR",
        "MAX_CACHE_SIZE_MB",
        "MAX_CACHE_SIZE_CAP_MB",
        "MAX_CONCURRENT_SAVES",
        "MAX_CONCURRENT_SAVES_CAP",
        "CLEANUP_LOCK_TIMEOUT_SECONDS",
        "LOCK_TIMEOUT_CAP_SECONDS",
        "CLEANUP_INCOMPLETE_TIMEOUT_SECONDS",
        "INCOMPLETE_TIMEOUT_CAP_SECONDS",
        "MIN_LOCAL_SPACE_MB",
        "MIN_B10FS_SPACE_MB",
        "LOCAL_SPACE_ARCHIVE_MULTIPLIER",
        "B10_SAVE_MODE",
        "B10_LOAD_MODE",
        "B10_CACHE_TAGS",
        "B10_CACHE_ROOTS",
        "B10_COMPRESSION_LEVEL",
        "B10_THREADS",
        "B10_LOAD_TIMEOUT_SECONDS",
        "B10_SAVE_TIMEOUT_SECONDS",
        "B10_ENVIRONMENT_KEY",
        "B10_GPU_PROBE",
        "B10_PYTHON_PREFIX",
        "B10_TRANSFER_VLLM_URL",
        "B10_TRANSFER_VLLM_API_KEY",
        "B10_TRANSFER_TIMEOUT_S",
        "B10_TRANSFER_INTERVAL_S",
        "B10_LOG_LEVEL",
    };
    struct b10_setting row;
    size_t count = sizeof(expected) / sizeof(*expected);
    for (size_t i = 0; i < count; i++) {
        assert_true(config_setting_at(i, &row));
        assert_string_equal(row.name, expected[i]);
        assert_non_null(row.default_value);
        assert_true(strlen(row.rule) > 0);
        assert_true(strlen(row.description) > 0);
    }
    assert_false(config_setting_at(count, &row));
}

static void a_set_value_goes_before_the_environment_and_that_before_the_default(void **state)
{
    (void)state;
    struct b10_config *config = config_new();
    assert_get(config, "B10_THREADS", "0", "default");
    setenv("B10_THREADS", "3", 1);
    assert_get(config, "b10_threads", "3", "environment");
    assert_int_equal(config_set(config, "b10_Threads", "5", &error), B10_REASON_OK);
    assert_get(config, "B10_THREADS", "5", "set");
    struct settings settings = SETTINGS_NONE;
    assert_int_equal(read_with(&settings, config, SETTINGS_LOCAL), B10_REASON_OK);
    assert_int_equal(settings.threads, 5);
    settings_release(&settings);
    assert_int_equal(config_set(config, "B10_THREADS", NULL, &error), B10_REASON_OK);
    assert_get(config, "B10_THREADS", "3", "environment");
    config_free(config);
}

static void being_off_is_said_before_any_bad_value(void **state)
{
    (void)state;
    struct settings settings = SETTINGS_NONE;
    setenv("MAX_CACHE_SIZE_MB", "abc", 1);
    setenv("B10_LOG_LEVEL", "loud", 1);
    assert_int_equal(read_with(&settings, NULL, SETTINGS_VOLUME), B10_REASON_DISABLED);
    assert_non_null(strstr(error.message, "BASETEN_FS_ENABLED"));
    setenv("BASETEN_FS_ENABLED", "1", 1);
    assert_int_equal(read_with(&settings, NULL, SETTINGS_VOLUME), B10_REASON_CONFIG);
    assert_non_null(strstr(error.message, "B10_LOG_LEVEL='loud'"));
    unsetenv("B10_LOG_LEVEL");
    assert_int_equal(read_with(&settings, NULL, SETTINGS_VOLUME), B10_REASON_CONFIG);
    assert_non_null(strstr(error.message, "MAX_CACHE_SIZE_MB='abc'"));
    unsetenv("MAX_CACHE_SIZE_MB");
    assert_int_equal(read_with(&settings, NULL, SETTINGS_VOLUME), B10_REASON_OK);
    assert_true(settings.enabled);
    settings_release(&settings);
}

static void the_switch_understands_every_spelling(void **state)
{
    (void)state;
    static const char *const on[] = {"1", "true", "TRUE", "Yes", "on"};
    static const char *const off[] = {"0", "false", "No", "OFF", ""};
    for (size_t i = 0; i < 5; i++) {
        setenv("BASETEN_FS_ENABLED", on[i], 1);
        assert_get(NULL, "BASETEN_FS_ENABLED", "1", "environment");
        setenv("BASETEN_FS_ENABLED", off[i], 1);
        assert_get(NULL, "BASETEN_FS_ENABLED", "0", "environment");
    }
    assert_refused("BASETEN_FS_ENABLED", "maybe");
    assert_refused("BASETEN_FS_ENABLED", "2");
}

/* ---- numbers and choices ---- */

static void a_size_beyond_its_cap_is_clamped_with_one_warning(void **state)
{
    (void)state;
    struct settings settings = SETTINGS_NONE;
    setenv("MAX_CACHE_SIZE_MB", "16384", 1);
    assert_int_equal(read_settings(&settings), B10_REASON_OK);
    assert_string_equal(warnings, "");
    settings_release(&settings);
    setenv("MAX_CACHE_SIZE_MB", "16385", 1);
    assert_int_equal(read_settings(&settings), B10_REASON_OK);
    assert_int_equal(settings.max_cache_bytes, UINT64_C(16384) << 20);
    assert_non_null(strstr(warnings, "MAX_CACHE_SIZE_MB=16385"));
    assert_ptr_equal(strchr(warnings, '\n'), warnings + strlen(warnings) - 1);
    assert_get(NULL, "MAX_CACHE_SIZE_MB", "16384", "environment");
    settings_release(&settings);
    setenv("MAX_CACHE_SIZE_CAP_MB", "2048", 1);
    assert_get(NULL, "MAX_CACHE_SIZE_MB", "2048", "environment");
}

static void a_warning_needs_its_level(void **state)
{
    (void)state;
    struct settings settings = SETTINGS_NONE;
    setenv("MAX_CACHE_SIZE_MB", "99999", 1);
    setenv("B10_LOG_LEVEL", "error", 1);
    assert_int_equal(read_settings(&settings), B10_REASON_OK);
    assert_string_equal(warnings, "");
    settings_release(&settings);
}

static void numbers_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const numbers[] = {"MAX_CACHE_SIZE_MB",     "MAX_CACHE_SIZE_CAP_MB",
                                          "MIN_LOCAL_SPACE_MB",    "MIN_B10FS_SPACE_MB",
                                          "B10_COMPRESSION_LEVEL", "B10_THREADS"};
    static const char *const bad[] = {"abc",  "-1", "1.5", " 1",  "1 ",
                                      "0x10", "",   "+1",  "1e3", "99999999999999999999999999"};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        for (size_t j = 0; j < sizeof(bad) / sizeof(*bad); j++)
            assert_refused(numbers[i], bad[j]);
    }
    assert_refused("MAX_CACHE_SIZE_MB", "0");
    assert_refused("MAX_CACHE_SIZE_CAP_MB", "0");
    assert_refused("MIN_LOCAL_SPACE_MB", "18446744073709551615");
    assert_refused("B10_COMPRESSION_LEVEL", "0");
    assert_refused("B10_COMPRESSION_LEVEL", "20");
    assert_refused("B10_THREADS", "65");
    assert_accepted("MIN_LOCAL_SPACE_MB", "0");
    assert_accepted("MIN_B10FS_SPACE_MB", "0");
    assert_accepted("B10_COMPRESSION_LEVEL", "19");
    assert_accepted("B10_THREADS", "64");
}

static void numbers_with_a_cap_are_at_least_one_and_clamped_with_one_warning(void **state)
{
    (void)state;
    static const struct {
        const char *name, *cap;
        unsigned standard, most;
    } rows[] = {
        {"MAX_CONCURRENT_SAVES", "MAX_CONCURRENT_SAVES_CAP", 50, 100},
        {"CLEANUP_LOCK_TIMEOUT_SECONDS", "LOCK_TIMEOUT_CAP_SECONDS", 30, 3600},
        {"CLEANUP_INCOMPLETE_TIMEOUT_SECONDS", "INCOMPLETE_TIMEOUT_CAP_SECONDS", 60, 7200},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char text[32];
        assert_refused(rows[i].name, "0");
        assert_refused(rows[i].name, "many");
        assert_refused(rows[i].cap, "0");
        snprintf(text, sizeof(text), "%u", rows[i].standard);
        assert_get(NULL, rows[i].name, text, "default");
        snprintf(text, sizeof(text), "%u", rows[i].most);
        setenv(rows[i].name, "90000", 1);
        assert_get(NULL, rows[i].name, text, "environment");
        struct settings settings = SETTINGS_NONE;
        warnings[0] = '\0';
        assert_int_equal(read_settings(&settings), B10_REASON_OK);
        settings_release(&settings);
        assert_non_null(strstr(warnings, rows[i].name));
        setenv(rows[i].cap, "7", 1);
        assert_get(NULL, rows[i].name, "7", "environment");
        unsetenv(rows[i].name);
        unsetenv(rows[i].cap);
    }
}

static void time_outs_are_seconds_and_nothing_means_automatic(void **state)
{
    (void)state;
    struct settings settings = SETTINGS_NONE;
    assert_int_equal(read_settings(&settings), B10_REASON_OK);
    assert_int_equal(settings.load_timeout_s, 0);
    assert_int_equal(settings.save_timeout_s, 0);
    settings_release(&settings);
    assert_refused("B10_LOAD_TIMEOUT_SECONDS", "-1");
    assert_refused("B10_SAVE_TIMEOUT_SECONDS", "86401");
    setenv("B10_LOAD_TIMEOUT_SECONDS", "5", 1);
    setenv("B10_SAVE_TIMEOUT_SECONDS", "86400", 1);
    assert_int_equal(read_settings(&settings), B10_REASON_OK);
    assert_int_equal(settings.load_timeout_s, 5);
    assert_int_equal(settings.save_timeout_s, 86400);
    settings_release(&settings);
    unsetenv("B10_LOAD_TIMEOUT_SECONDS");
    unsetenv("B10_SAVE_TIMEOUT_SECONDS");
}

static void further_shared_directories_keep_their_order(void **state)
{
    (void)state;
    struct settings settings = SETTINGS_NONE;
    assert_refused("B10_READ_DIRS", "relative");
    assert_refused("B10_READ_DIRS", "/a,,/b");
    assert_refused("B10_READ_DIRS", "/a/../b");
    setenv("B10_READ_DIRS", "/cache/org/compile_cache/,/a//b", 1);
    assert_int_equal(read_settings(&settings), B10_REASON_OK);
    unsetenv("B10_READ_DIRS");
    assert_int_equal(settings.read_dir_count, 2);
    assert_string_equal(settings.read_dirs[0], "/cache/org/compile_cache");
    assert_string_equal(settings.read_dirs[1], "/a/b");
    settings_release(&settings);
}

static void modes_and_levels_are_words_of_their_lists(void **state)
{
    (void)state;
    assert_accepted("B10_SAVE_MODE", "replace");
    assert_accepted("B10_SAVE_MODE", "Never");
    assert_accepted("B10_LOAD_MODE", "if_empty");
    assert_accepted("B10_LOG_LEVEL", "DEBUG");
    assert_accepted("B10_SAVE_MODE", "merge");
    assert_refused("B10_SAVE_MODE", "append");
    assert_refused("B10_SAVE_MODE", "");
    assert_refused("B10_SAVE_MODE", "never ");
    assert_accepted("B10_LOAD_MODE", "Merge");
    assert_refused("B10_LOAD_MODE", "replace");
    assert_refused("B10_LOG_LEVEL", "trace");
}

static void the_multiplier_of_the_older_package_changes_nothing(void **state)
{
    (void)state;
    assert_accepted("LOCAL_SPACE_ARCHIVE_MULTIPLIER", "5.0");
    assert_accepted("LOCAL_SPACE_ARCHIVE_MULTIPLIER", "");
}

static void a_key_is_a_file_name_of_plain_letters(void **state)
{
    (void)state;
    char longest[202];
    memset(longest, 'k', sizeof(longest));
    longest[200] = '\0';
    assert_accepted("B10_ENVIRONMENT_KEY", longest);
    assert_accepted("B10_ENVIRONMENT_KEY", "h100.v2_a-b");
    assert_accepted("B10_ENVIRONMENT_KEY", "");
    longest[200] = 'k';
    longest[201] = '\0';
    assert_refused("B10_ENVIRONMENT_KEY", longest);
    assert_refused("B10_ENVIRONMENT_KEY", ".hidden");
    assert_refused("B10_ENVIRONMENT_KEY", "a/b");
    assert_refused("B10_ENVIRONMENT_KEY", "Upper");
}

static void assert_steps(const char *value, unsigned steps)
{
    struct settings settings = SETTINGS_NONE;
    setenv("B10_GPU_PROBE", value, 1);
    if (read_settings(&settings) != B10_REASON_OK)
        fail_msg("B10_GPU_PROBE='%s' is refused: %s", value, error.message);
    assert_int_equal(settings.gpu_steps, steps);
    settings_release(&settings);
    unsetenv("B10_GPU_PROBE");
}

static void the_steps_to_the_gpu_are_named_or_off(void **state)
{
    (void)state;
    assert_steps("off", 0);
    assert_steps("nvml", 1U << GPU_NVML);
    assert_steps("driver,nvml,spawn,proc",
                 1U << GPU_DRIVER | 1U << GPU_NVML | 1U << GPU_SPAWN | 1U << GPU_PROC);
    assert_refused("B10_GPU_PROBE", "cuda");
    assert_refused("B10_GPU_PROBE", "nvml,off");
    assert_refused("B10_GPU_PROBE", "nvml,,proc");
    assert_refused("B10_GPU_PROBE", "");
    setenv("B10_GPU_PROBE", "Auto", 1);
    assert_get(NULL, "B10_GPU_PROBE", "auto", "environment");
}

static void what_cuda_obeys_is_kept_unset_or_empty(void **state)
{
    (void)state;
    struct settings settings = SETTINGS_NONE;
    setenv("CUDA_VISIBLE_DEVICES", "", 1);
    setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID", 1);
    assert_int_equal(read_settings(&settings), B10_REASON_OK);
    assert_string_equal(settings.visible_devices, "");
    assert_string_equal(settings.device_order, "PCI_BUS_ID");
    settings_release(&settings);
    unsetenv("CUDA_VISIBLE_DEVICES");
    unsetenv("CUDA_DEVICE_ORDER");
}

static void bad_tags_are_refused(void **state)
{
    (void)state;
    assert_accepted("B10_CACHE_TAGS", "torch=2.13.0,model=flux");
    assert_refused("B10_CACHE_TAGS", "torch");
    assert_refused("B10_CACHE_TAGS", "a=1,a=2");
}

/* ---- what is recorded ---- */

static const char *recorded_value(const struct settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->recorded.count; i++) {
        if (strcmp(settings->recorded.items[i].name, name) == 0)
            return settings->recorded.items[i].value;
    }
    return NULL;
}

static void the_python_prefix_is_a_path_or_empty(void **state)
{
    (void)state;
    assert_get(NULL, "B10_PYTHON_PREFIX", "", "default");
    setenv("VIRTUAL_ENV", "/opt/venv", 1);
    assert_get(NULL, "B10_PYTHON_PREFIX", "/opt/venv", "default");
    setenv("B10_PYTHON_PREFIX", "", 1);
    assert_get(NULL, "B10_PYTHON_PREFIX", "", "environment");
    assert_accepted("B10_PYTHON_PREFIX", "/no/such//place/");
    assert_refused("B10_PYTHON_PREFIX", "venv");
    assert_refused("B10_PYTHON_PREFIX", "~/venv");
    char longest[5000];
    memset(longest, '/', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    assert_refused("B10_PYTHON_PREFIX", longest);
    setenv("VIRTUAL_ENV", longest, 1); /* not ours to judge */
    assert_get(NULL, "B10_PYTHON_PREFIX", "", "default");
    setenv("VIRTUAL_ENV", "relative", 1);
    assert_get(NULL, "B10_PYTHON_PREFIX", "", "default");
    unsetenv("VIRTUAL_ENV");
}

static void the_server_is_asked_at_a_url_for_a_while(void **state)
{
    (void)state;
    struct settings settings = SETTINGS_NONE;
    assert_int_equal(read_settings(&settings), B10_REASON_OK);
    assert_string_equal(settings.server_url, "http://127.0.0.1:8000/v1/models");
    assert_string_equal(settings.server_token, "");
    assert_null(settings.ca_file);
    assert_int_equal(settings.wait_timeout_s, 1800);
    assert_int_equal(settings.wait_interval_s, 2);
    settings_release(&settings);
    assert_accepted("B10_TRANSFER_TIMEOUT_S", "86400");
    assert_refused("B10_TRANSFER_TIMEOUT_S", "0");
    assert_refused("B10_TRANSFER_TIMEOUT_S", "86401");
    assert_refused("B10_TRANSFER_INTERVAL_S", "0");
    assert_refused("B10_TRANSFER_INTERVAL_S", "0.5");
    assert_accepted("B10_TRANSFER_VLLM_URL", "https://server/health");
}

/* Neither a URL that is refused nor a key is told: the one may hold a password. */
static void what_may_be_secret_is_in_no_message(void **state)
{
    (void)state;
    struct settings settings = SETTINGS_NONE;
    setenv("B10_TRANSFER_VLLM_URL", "http://anna:secret@server/", 1);
    assert_int_equal(read_settings(&settings), B10_REASON_CONFIG);
    assert_non_null(strstr(error.message, "B10_TRANSFER_VLLM_URL"));
    assert_null(strstr(error.message, "secret"));
    unsetenv("B10_TRANSFER_VLLM_URL");
    setenv("B10_TRANSFER_VLLM_API_KEY", "secret key", 1);
    assert_int_equal(read_settings(&settings), B10_REASON_CONFIG);
    assert_non_null(strstr(error.message, "B10_TRANSFER_VLLM_API_KEY"));
    assert_null(strstr(error.message, "secret"));
    setenv("B10_TRANSFER_VLLM_API_KEY", "secret", 1);
    assert_get(NULL, "B10_TRANSFER_VLLM_API_KEY", "(hidden)", "environment");
    unsetenv("B10_TRANSFER_VLLM_API_KEY");
}

static void the_key_of_vllm_is_ours_unless_it_cannot_be_sent(void **state)
{
    (void)state;
    struct settings settings = SETTINGS_NONE;
    setenv("VLLM_API_KEY", "sesame", 1);
    setenv("SSL_CERT_FILE", "/etc/one.pem", 1);
    assert_int_equal(read_settings(&settings), B10_REASON_OK);
    assert_string_equal(settings.server_token, "sesame");
    assert_string_equal(settings.ca_file, "/etc/one.pem");
    settings_release(&settings);
    setenv("CURL_CA_BUNDLE", "/etc/other.pem", 1);
    setenv("VLLM_API_KEY", "two words", 1);
    assert_int_equal(read_settings(&settings), B10_REASON_OK);
    assert_string_equal(settings.server_token, "");
    assert_string_equal(settings.ca_file, "/etc/other.pem");
    assert_non_null(strstr(warnings, "VLLM_API_KEY"));
    assert_null(strstr(warnings, "two words"));
    settings_release(&settings);
    setenv("VLLM_API_KEY", "sesame", 1);
    setenv("B10_TRANSFER_VLLM_API_KEY", "", 1);
    assert_int_equal(read_settings(&settings), B10_REASON_OK);
    assert_string_equal(settings.server_token, "");
    settings_release(&settings);
}

static void a_server_means_merge_by_what_is_not_set(void **state)
{
    (void)state;
    struct log silent = {.level = B10_LOG_ERROR};
    for (int set = 0; set < 2; set++) {
        SCOPED(given) struct given *given = NULL;
        SCOPED(settings) struct settings settings = SETTINGS_NONE;
        if (set)
            setenv("B10_SAVE_MODE", "never", 1);
        assert_int_equal(given_take(&given, NULL, &error), B10_REASON_OK);
        assert_int_equal(given_for_server(given, &error), B10_REASON_OK);
        assert_int_equal(settings_read(&settings, given, SETTINGS_LOCAL, &silent, &error),
                         B10_REASON_OK);
        assert_string_equal(settings.kind, "vllm");
        assert_int_equal(settings.load_mode, LOAD_MERGE);
        assert_int_equal(settings.save_mode, set ? SAVE_NEVER : SAVE_MERGE);
    }
}

static void variables_that_are_recorded_come_from_the_environment(void **state)
{
    (void)state;
    struct settings settings = SETTINGS_NONE;
    setenv("VLLM_TEST_ONLY", "1", 1);
    setenv("VLLM_TEST_ONLY_KEY", "hunter2", 1);
    setenv("B10_PYTHON_PREFIX", "/opt//venv/", 1);
    assert_int_equal(read_settings(&settings), B10_REASON_OK);
    assert_string_equal(settings.python_prefix, "/opt/venv");
    assert_string_equal(recorded_value(&settings, "B10_PYTHON_PREFIX"), "/opt/venv");
    assert_string_equal(recorded_value(&settings, "VLLM_TEST_ONLY"), "1");
    assert_string_not_equal(recorded_value(&settings, "VLLM_TEST_ONLY_KEY"), "hunter2");
    assert_null(recorded_value(&settings, "HOME"));
    settings_release(&settings);
    unsetenv("VLLM_TEST_ONLY");
    unsetenv("VLLM_TEST_ONLY_KEY");
    unsetenv("B10_PYTHON_PREFIX");
    assert_int_equal(read_settings(&settings), B10_REASON_OK);
    assert_null(recorded_value(&settings, "B10_PYTHON_PREFIX"));
    assert_null(recorded_value(&settings, "VLLM_TEST_ONLY"));
    settings_release(&settings);
}

static void no_environment(void *context)
{
    (void)context;
    struct settings settings = SETTINGS_NONE;
    CHECK(clearenv() == 0);
    CHECK(read_settings(&settings) == B10_REASON_OK);
    CHECK(settings.recorded.count == 0);
    settings_release(&settings);
}

static void without_any_environment_nothing_is_recorded(void **state)
{
    sandbox_run(no_environment, *state);
}

/* ---- paths ---- */

static void the_main_root_lies_strictly_below_a_prefix(void **state)
{
    struct scratch *scratch = *state;
    assert_accepted("TORCHINDUCTOR_CACHE_DIR", "/tmp/kernel..v2");
    assert_accepted("TORCHINDUCTOR_CACHE_DIR", "/cache/torch");
    assert_accepted("TORCHINDUCTOR_CACHE_DIR", "/bdn/cache/torch");
    assert_accepted("TORCHINDUCTOR_CACHE_DIR", "~/.cache/torch");
    assert_accepted("TORCHINDUCTOR_CACHE_DIR", "/tmp//a/./b/");
    assert_refused("TORCHINDUCTOR_CACHE_DIR", "/tmp");
    assert_refused("TORCHINDUCTOR_CACHE_DIR", "/");
    assert_refused("TORCHINDUCTOR_CACHE_DIR", "/tmpfoo/a");
    assert_refused("TORCHINDUCTOR_CACHE_DIR", "/etc/torch");
    assert_refused("TORCHINDUCTOR_CACHE_DIR", "/tmp/../etc/torch");
    assert_refused("TORCHINDUCTOR_CACHE_DIR", "torch");
    assert_refused("TORCHINDUCTOR_CACHE_DIR", "");
    assert_refused("TORCHINDUCTOR_CACHE_DIR", "~anna/x");
    setenv("B10_LOCAL_PREFIXES", "/cache,~/.cache", 1);
    assert_refused("TORCHINDUCTOR_CACHE_DIR", "~/elsewhere");
    assert_accepted("TORCHINDUCTOR_CACHE_DIR", "~/.cache/torch");
    setenv("B10_LOCAL_PREFIXES", scratch_path(scratch, "home"), 1);
    assert_refused("TORCHINDUCTOR_CACHE_DIR", "/cache/torch");
    assert_refused("TORCHINDUCTOR_CACHE_DIR", "~");
    assert_accepted("TORCHINDUCTOR_CACHE_DIR", "~/x");
}

static void prefixes_hold_for_where_links_lead(void **state)
{
    struct scratch *scratch = *state;
    scratch_mkdir(scratch, "real");
    assert_int_equal(symlink("real", scratch_path(scratch, "alias")), 0);
    assert_int_equal(symlink("/usr/lib", scratch_path(scratch, "out")), 0);
    setenv("B10_LOCAL_PREFIXES", scratch_path(scratch, "alias"), 1);
    char path[512];
    snprintf(path, sizeof(path), "%s", scratch_path(scratch, "real/torch"));
    setenv("TORCHINDUCTOR_CACHE_DIR", path, 1);
    assert_get(NULL, "TORCHINDUCTOR_CACHE_DIR", path, "environment");
    setenv("TORCHINDUCTOR_CACHE_DIR", scratch_path(scratch, "alias/torch"), 1);
    assert_get(NULL, "TORCHINDUCTOR_CACHE_DIR", path, "environment");
    setenv("B10_LOCAL_PREFIXES", scratch->path, 1);
    snprintf(path, sizeof(path), "%s", scratch_path(scratch, "out/torch"));
    assert_refused("TORCHINDUCTOR_CACHE_DIR", path);
}

static void any_allows_all_but_the_system_and_homes(void **state)
{
    struct scratch *scratch = *state;
    static const char *const good[] = {"/data", "/data/torch", "/srv/x", "/home/anna/cache",
                                       "/opt",  "/etcetera/x", "~/cache"};
    static const char *const bad[] = {"/",          "/bin",         "/bin/x",  "/boot/x",
                                      "/dev/shm/x", "/etc",         "/etc/x",  "/lib64/x",
                                      "/proc/x",    "/run/x",       "/sbin/x", "/sys/x",
                                      "/usr",       "/usr/local/x", "/home",   "~"};
    setenv("B10FS_CACHE_DIR", "/volume/compile_cache", 1);
    setenv("B10_LOCAL_PREFIXES", "any", 1);
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert_accepted("TORCHINDUCTOR_CACHE_DIR", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_refused("TORCHINDUCTOR_CACHE_DIR", bad[i]);
        assert_non_null(strstr(error.message, "which B10_LOCAL_PREFIXES=any leaves out"));
    }
    assert_refused("TORCHINDUCTOR_CACHE_DIR", scratch->path); /* the home lies in it */
    setenv("B10_LOCAL_PREFIXES", "any,/dev/shm", 1);
    assert_accepted("TORCHINDUCTOR_CACHE_DIR", "/dev/shm/x");
    assert_refused("TORCHINDUCTOR_CACHE_DIR", "/dev/x");
    setenv("B10_LOCAL_PREFIXES", "any", 1);
    struct passwd *entry = getpwuid(getuid());
    if (entry != NULL)
        assert_refused("TORCHINDUCTOR_CACHE_DIR", entry->pw_dir);
}

static void bad_prefixes_are_refused(void **state)
{
    (void)state;
    assert_refused("B10_LOCAL_PREFIXES", "");
    assert_refused("B10_LOCAL_PREFIXES", "/tmp,,/cache");
    assert_refused("B10_LOCAL_PREFIXES", "relative");
    assert_refused("B10_LOCAL_PREFIXES", "/tmp/../etc");
}

static void the_shared_directory_stays_apart_from_the_local_one(void **state)
{
    struct scratch *scratch = *state;
    char local[512];
    char inside[600];
    snprintf(local, sizeof(local), "%s", scratch_path(scratch, "tmp/torchinductor_anna"));
    snprintf(inside, sizeof(inside), "%s/shared", local);
    assert_refused("B10FS_CACHE_DIR", local);
    assert_refused("B10FS_CACHE_DIR", inside);
    assert_refused("B10FS_CACHE_DIR", scratch_path(scratch, "tmp"));
    assert_refused("B10FS_CACHE_DIR", "/");
    assert_refused("B10FS_CACHE_DIR", "relative");
    assert_refused("B10FS_CACHE_DIR", "/cache/../x");
    assert_accepted("B10FS_CACHE_DIR", scratch_path(scratch, "tmp/torchinductor_anna2"));
    assert_accepted("B10FS_CACHE_DIR", "/anywhere//at/./all/");
}

static void the_shared_directory_stays_apart_from_the_name_before_its_links(void **state)
{
    struct scratch *scratch = *state;
    scratch_mkdir(scratch, "real");
    assert_int_equal(symlink("real", scratch_path(scratch, "alias")), 0);
    setenv("B10_LOCAL_PREFIXES", scratch->path, 1);
    setenv("TORCHINDUCTOR_CACHE_DIR", scratch_path(scratch, "alias/torch"), 1);
    assert_refused("B10FS_CACHE_DIR", scratch_path(scratch, "alias/torch/shared"));
    assert_refused("B10FS_CACHE_DIR", scratch_path(scratch, "real/torch/shared"));
}

static void the_shared_directory_is_not_touched(void **state)
{
    struct scratch *scratch = *state;
    /* A path that cannot be resolved is accepted here: only opening the volume may fail. */
    assert_int_equal(symlink("loop", scratch_path(scratch, "loop")), 0);
    setenv("B10FS_CACHE_DIR", scratch_path(scratch, "loop/x"), 1);
    struct settings settings = SETTINGS_NONE;
    assert_int_equal(read_settings(&settings), B10_REASON_OK);
    assert_string_equal(settings.shared_dir, scratch_path(scratch, "loop/x"));
    settings_release(&settings);
}

static void the_work_directory_lies_in_one_of_three(void **state)
{
    (void)state;
    assert_accepted("LOCAL_WORK_DIR", "/app");
    assert_accepted("LOCAL_WORK_DIR", "/tmp");
    assert_accepted("LOCAL_WORK_DIR", "/cache/work");
    assert_refused("LOCAL_WORK_DIR", "/var/work");
    assert_refused("LOCAL_WORK_DIR", "/apple");
    assert_refused("LOCAL_WORK_DIR", "/");
}

static void a_path_too_long_is_refused(void **state)
{
    (void)state;
    char path[5000];
    memset(path, 'a', sizeof(path));
    memcpy(path, "/tmp/", 5);
    for (size_t i = 100; i < sizeof(path); i += 100)
        path[i] = '/';
    path[sizeof(path) - 1] = '\0';
    assert_refused("TORCHINDUCTOR_CACHE_DIR", path);
    assert_refused("B10FS_CACHE_DIR", path);
}

/* ---- roots ---- */

static void assert_roots(const char *value, const char *expected)
{
    setenv("B10_CACHE_ROOTS", value, 1);
    struct settings settings = SETTINGS_NONE;
    if (read_settings(&settings) != B10_REASON_OK)
        fail_msg("B10_CACHE_ROOTS='%s' is refused: %s", value, error.message);
    char text[2048] = "";
    for (size_t i = 0; i < settings.root_count; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s=%s%s ",
                 settings.roots[i].name, settings.roots[i].path,
                 settings.roots[i].automatic ? "*" : "");
    assert_string_equal(text, expected);
    settings_release(&settings);
    unsetenv("B10_CACHE_ROOTS");
}

static void roots_are_read_and_sorted_by_name(void **state)
{
    (void)state;
    setenv("TMPDIR", "/tmp", 1);
    setenv("HOME", "/", 1);
    assert_roots("none", "");
    assert_roots("auto", "headers=/tmp/torchinductor_anna/precompiled_headers* ");
    assert_roots("b=/tmp/x,a=/cache/y/", "a=/cache/y b=/tmp/x ");
    assert_roots("auto, zoo=/tmp/x",
                 "headers=/tmp/torchinductor_anna/precompiled_headers* zoo=/tmp/x ");
}

static void headers_stay_where_pytorch_keeps_them(void **state)
{
    (void)state;
    setenv("TMPDIR", "/tmp", 1);
    setenv("HOME", "/", 1);
    setenv("TORCHINDUCTOR_CACHE_DIR", "/cache/torch", 1);
    assert_roots("auto", "headers=/tmp/torchinductor_anna/precompiled_headers* ");
    setenv("B10_LOCAL_PREFIXES", "/cache", 1);
    assert_roots("auto", "headers=/tmp/torchinductor_anna/precompiled_headers* ");
    setenv("B10_LOCAL_PREFIXES", "/tmp", 1);
    setenv("TORCHINDUCTOR_CACHE_DIR", "/tmp/torchinductor_anna/precompiled_headers", 1);
    assert_roots("auto", "");
}

/* HOME that nothing has to be looked up in, so that the texts are known. */
static void plain_host(void)
{
    setenv("TMPDIR", "/tmp", 1);
    setenv("HOME", "/no/home", 1);
}

static void servers_have_the_caches_of_every_library(void **state)
{
    (void)state;
    plain_host();
    assert_roots("auto", "headers=/tmp/torchinductor_anna/precompiled_headers* "
                         "triton=/no/home/.triton/cache* ");
    static const char expected[] = "cuda=/no/home/.nv/ComputeCache* "
                                   "deep_gemm=/no/home/.deep_gemm* "
                                   "flashinfer=/no/home/.cache/flashinfer* "
                                   "headers=/tmp/torchinductor_anna/precompiled_headers* "
                                   "inductor=/tmp/torchinductor_anna* "
                                   "tilelang=/no/home/.tilelang/cache* "
                                   "triton=/no/home/.triton/cache* "
                                   "tvm_ffi=/no/home/.cache/tvm-ffi* ";
    setenv("B10_CACHE_KIND", "vllm", 1);
    assert_roots("auto", expected);
    setenv("B10_CACHE_KIND", "sglang", 1);
    assert_roots("auto", expected);
    setenv("B10_LOCAL_PREFIXES", "/no/home/.cache", 1); /* defaults are allowed anyway */
    assert_roots("auto", expected);
}

static void every_library_has_its_variable(void **state)
{
    (void)state;
    static const char *const variables[] = {
        "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR",     "FLASHINFER_WORKSPACE_BASE",
        "DG_JIT_CACHE_DIR",        "TVM_FFI_CACHE_DIR",    "TILELANG_CACHE_DIR",
        "CUTE_DSL_CACHE_DIR",      "TORCH_EXTENSIONS_DIR", "CUDA_CACHE_PATH"};
    plain_host();
    setenv("B10_CACHE_KIND", "vllm", 1);
    for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++) {
        char path[64];
        snprintf(path, sizeof(path), "/cache/%zu", i);
        setenv(variables[i], path, 1);
    }
    assert_roots("auto", "cuda=/cache/8* cute=/cache/6* deep_gemm=/cache/3* "
                         "flashinfer=/cache/2/.cache/flashinfer* "
                         "headers=/tmp/torchinductor_anna/precompiled_headers* inductor=/cache/0* "
                         "tilelang=/cache/5* torch_extensions=/cache/7* triton=/cache/1* "
                         "tvm_ffi=/cache/4* ");
    setenv("B10_CACHE_ROOTS", "auto", 1);
    for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++) {
        assert_refused(variables[i], "relative");
        assert_refused(variables[i], "/etc/x");
        assert_refused(variables[i], "/cache/../x");
        assert_accepted(variables[i], "");
        setenv("B10_CACHE_ROOTS", "none", 1); /* nobody's business then */
        assert_accepted(variables[i], "relative");
        setenv("B10_CACHE_ROOTS", "auto", 1);
    }
    assert_accepted("TRITON_CACHE_DIR", "/no/home/.triton/cache"); /* the default, spelled out */
    assert_refused("TRITON_CACHE_DIR", "/no/home/.triton");
}

static void of_two_automatic_roots_with_one_path_the_first_counts(void **state)
{
    (void)state;
    plain_host();
    setenv("B10_CACHE_KIND", "vllm", 1);
    setenv("VLLM_CACHE_ROOT", "/cache/jit/vllm", 1);
    setenv("TORCHINDUCTOR_CACHE_DIR", "/cache/jit/vllm", 1); /* the main root */
    setenv("TRITON_CACHE_DIR", "/cache/jit", 1);             /* around the main root */
    setenv("CUDA_CACHE_PATH", "/cache/jit", 1);
    setenv("TILELANG_CACHE_DIR", "/cache/mine", 1);
    setenv("DG_JIT_CACHE_DIR", "/cache/jit/vllm/deep", 1);
    assert_roots("mine=/cache/mine,auto",
                 "deep_gemm=/cache/jit/vllm/deep* flashinfer=/no/home/.cache/flashinfer* "
                 "headers=/tmp/torchinductor_anna/precompiled_headers* mine=/cache/mine "
                 "triton=/cache/jit* tvm_ffi=/no/home/.cache/tvm-ffi* ");
    assert_refused("B10_CACHE_ROOTS", "triton=/cache/own,auto");
}

static void what_an_engine_sets_inside_its_own_root_is_no_further_root(void **state)
{
    (void)state;
    plain_host();
    static const char usual[] = "headers=/tmp/torchinductor_anna/precompiled_headers* "
                                "triton=/no/home/.triton/cache* ";
    setenv("TRITON_CACHE_DIR", "/tmp/torchinductor_anna/triton/0", 1);
    assert_roots("auto", usual);
    setenv("TRITON_CACHE_DIR", "/tmp/torchinductor_anna/triton/mine", 1);
    assert_roots("auto", "headers=/tmp/torchinductor_anna/precompiled_headers* "
                         "triton=/tmp/torchinductor_anna/triton/mine* ");
    setenv("B10_CACHE_KIND", "vllm", 1);
    setenv("VLLM_CACHE_ROOT", "/cache/vllm", 1);
    setenv("TRITON_CACHE_DIR", "/cache/vllm/torch_compile_cache/ab/rank_0_0/triton_cache", 1);
    setenv("TORCHINDUCTOR_CACHE_DIR", "/cache/vllm/torch_compile_cache/ab/rank_0_0/inductor_cache",
           1);
    struct settings settings = SETTINGS_NONE;
    assert_int_equal(read_settings(&settings), B10_REASON_OK);
    for (size_t i = 0; i < settings.root_count; i++)
        assert_null(strstr(settings.roots[i].path, "torch_compile_cache"));
    settings_release(&settings);
    setenv("TORCHINDUCTOR_CACHE_DIR", "/tmp/own", 1);
    setenv("TRITON_CACHE_DIR", "/tmp/own/triton/7", 1);
    assert_int_equal(read_settings(&settings), B10_REASON_OK);
    for (size_t i = 0; i < settings.root_count; i++)
        assert_string_not_equal(settings.roots[i].path, "/tmp/own/triton/7");
    settings_release(&settings);
}

static void a_root_is_also_known_by_the_name_that_leads_to_it(void **state)
{
    struct scratch *scratch = *state;
    struct settings settings = SETTINGS_NONE;
    scratch_mkdir(scratch, "real");
    assert_int_equal(symlink("real", scratch_path(scratch, "alias")), 0);
    setenv("B10_LOCAL_PREFIXES", scratch->path, 1);
    setenv("HOME", scratch_path(scratch, "alias"), 1);
    setenv("TMPDIR", scratch_path(scratch, "alias"), 1);
    assert_int_equal(read_settings(&settings), B10_REASON_OK);
    assert_string_equal(settings.local_dir, scratch_path(scratch, "real/torchinductor_anna"));
    assert_string_equal(settings.local_named, scratch_path(scratch, "alias/torchinductor_anna"));
    assert_string_equal(settings.roots[1].path, scratch_path(scratch, "real/.triton/cache"));
    assert_string_equal(settings.roots[1].named, scratch_path(scratch, "alias/.triton/cache"));
    settings_release(&settings);
}

static void look_up_home(void *context)
{
    (void)context;
    sandbox_drop_root();
    struct settings settings = SETTINGS_NONE;
    CHECK(read_settings(&settings) == B10_REASON_OK);
    CHECK(settings.root_count == 1);
    CHECK(strcmp(settings.roots[0].name, "headers") == 0);
    settings_release(&settings);
}

static void a_home_that_is_closed_to_this_user_stops_nothing(void **state)
{
    struct scratch *scratch = *state;
    setenv("TMPDIR", "/tmp", 1);
    assert_int_equal(chmod(scratch_path(scratch, "home"), 0700), 0);
    if (getuid() != 0) {
        print_message("needs root, to become another user\n");
        skip();
    }
    assert_int_equal(chmod(scratch->path, 0755), 0);
    sandbox_run(look_up_home, NULL);
}

static void assert_main(const char *kind, const char *expected)
{
    struct settings settings = SETTINGS_NONE;
    setenv("B10_CACHE_KIND", kind, 1);
    if (read_settings(&settings) != B10_REASON_OK)
        fail_msg("%s", error.message);
    assert_string_equal(settings.local_dir, expected);
    settings_release(&settings);
}

static void the_kind_decides_which_directory_is_the_main_root(void **state)
{
    (void)state;
    plain_host();
    assert_main("inductor", "/tmp/torchinductor_anna");
    assert_main("vllm", "/no/home/.cache/vllm");
    assert_main("sglang", "/no/home/.cache/sglang");
    setenv("XDG_CACHE_HOME", "/cache/xdg", 1);
    assert_main("VLLM", "/cache/xdg/vllm");
    assert_main("sglang", "/no/home/.cache/sglang");
    setenv("VLLM_CACHE_ROOT", "/cache/v", 1);
    setenv("SGLANG_CACHE_DIR", "/cache/s", 1);
    assert_main("vllm", "/cache/v");
    assert_main("sglang", "/cache/s");
    assert_refused("B10_CACHE_KIND", "torch");
    assert_refused("B10_CACHE_KIND", "");
}

static void only_the_variable_of_the_kind_is_judged(void **state)
{
    (void)state;
    plain_host();
    assert_accepted("VLLM_CACHE_ROOT", "/etc/vllm");
    assert_accepted("SGLANG_CACHE_DIR", "relative");
    assert_accepted("XDG_CACHE_HOME", "relative");
    setenv("B10_CACHE_ROOTS", "none", 1);
    setenv("B10_CACHE_KIND", "sglang", 1);
    assert_refused("SGLANG_CACHE_DIR", "/etc/sglang");
    assert_refused("SGLANG_CACHE_DIR", "relative");
    assert_accepted("TORCHINDUCTOR_CACHE_DIR", "/etc/torch");
    setenv("B10_CACHE_KIND", "vllm", 1);
    assert_refused("VLLM_CACHE_ROOT", "/etc/vllm");
    assert_refused("VLLM_CACHE_ROOT", "");
    assert_refused("VLLM_CACHE_ROOT", "/cache");
    assert_refused("XDG_CACHE_HOME", "relative");
    setenv("XDG_CACHE_HOME", "/etc", 1);
    struct settings settings = SETTINGS_NONE;
    assert_int_equal(read_settings(&settings), B10_REASON_CONFIG);
    assert_non_null(strstr(error.message, "XDG_CACHE_HOME='/etc/vllm'"));
    unsetenv("XDG_CACHE_HOME");
    setenv("HOME", "/", 1);
    assert_int_equal(read_settings(&settings), B10_REASON_CONFIG);
    assert_non_null(strstr(error.message, "VLLM_CACHE_ROOT"));
    plain_host();
    assert_refused("B10_CACHE_ROOTS", "vllm=/tmp/x");
    assert_accepted("VLLM_CACHE_ROOT", "/cache/vllm");
}

static void bad_roots_are_refused(void **state)
{
    struct scratch *scratch = *state;
    static const char *const bad[] = {"",
                                      "headers",
                                      "auto,auto",
                                      "none,a=/tmp/x",
                                      "a=/tmp/x,,b=/tmp/y",
                                      "A=/tmp/x",
                                      "=/tmp/x",
                                      "1a=/tmp/x",
                                      "a=relative",
                                      "a=/tmp/../x",
                                      "a=/etc/x",
                                      "a=/tmp",
                                      "inductor=/tmp/x",
                                      "a=/tmp/x,a=/tmp/y",
                                      "a=/tmp/x,b=/tmp/x/",
                                      "auto,headers=/tmp/x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_refused("B10_CACHE_ROOTS", bad[i]);
    char value[600];
    snprintf(value, sizeof(value), "a=%s", scratch_path(scratch, "tmp/torchinductor_anna"));
    assert_refused("B10_CACHE_ROOTS", value);
    snprintf(value, sizeof(value), "a=%s", scratch_path(scratch, "tmp"));
    assert_refused("B10_CACHE_ROOTS", value);
    assert_accepted("B10_CACHE_ROOTS", "a=/tmp/x,b=/tmp/x/y");
}

static void archives_are_kept_out_of_every_root(void **state)
{
    (void)state;
    setenv("B10_CACHE_ROOTS", "a=/tmp/x", 1);
    assert_refused("B10FS_CACHE_DIR", "/tmp/x/shared");
    assert_refused("B10FS_CACHE_DIR", "/tmp/x");
    assert_accepted("B10FS_CACHE_DIR", "/tmp/x2");
    setenv("B10FS_CACHE_DIR", "/cache/model/compile_cache", 1);
    setenv("TRITON_CACHE_DIR", "/cache/model", 1);
    setenv("HOME", "/", 1);
    setenv("TMPDIR", "/tmp", 1);
    assert_roots("auto", "headers=/tmp/torchinductor_anna/precompiled_headers* ");
    assert_non_null(strstr(warnings, "'triton'"));
}

/* ---- where the defaults come from ---- */

static void user_and_temporary_directory_are_found_as_python_finds_them(void **state)
{
    struct scratch *scratch = *state;
    scratch_mkdir(scratch, "second");
    setenv("TMPDIR", scratch_path(scratch, "absent"), 1);
    setenv("TEMP", "", 1);
    setenv("TMP", scratch_path(scratch, "second"), 1);
    setenv("LOGNAME", "", 1);
    setenv("USERNAME", "later", 1);
    setenv("USER", "a/b:c*\\\"<>|?d", 1);
    assert_get(NULL, "TORCHINDUCTOR_CACHE_DIR",
               scratch_path(scratch, "second/torchinductor_a_b_c_______d"), "default");
    setenv("LOGNAME", "first", 1);
    assert_get(NULL, "TORCHINDUCTOR_CACHE_DIR", scratch_path(scratch, "second/torchinductor_first"),
               "default");
}

static void a_relative_temporary_directory_is_made_absolute(void **state)
{
    struct scratch *scratch = *state;
    char before[4096];
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir(scratch->path), 0);
    setenv("TMPDIR", "tmp", 1);
    assert_get(NULL, "TORCHINDUCTOR_CACHE_DIR", scratch_path(scratch, "tmp/torchinductor_anna"),
               "default");
    assert_int_equal(chdir(before), 0);
}

static void without_home_there_is_none(void **state)
{
    (void)state;
    struct settings settings = SETTINGS_NONE;
    setenv("HOME", "/", 1);
    assert_int_equal(read_settings(&settings), B10_REASON_OK);
    assert_null(settings.home_dir);
    settings_release(&settings);
    assert_refused("TORCHINDUCTOR_CACHE_DIR", "~/.cache/x");
}

static void home_comes_from_the_password_database_where_it_is_not_set(void **state)
{
    (void)state;
    struct passwd *entry = getpwuid(getuid());
    if (entry == NULL || strcmp(entry->pw_dir, "/") == 0) {
        print_message("this user has no home in the password database\n");
        skip();
    }
    struct settings settings = SETTINGS_NONE;
    char expected[4096];
    assert_non_null(realpath(entry->pw_dir, expected));
    unsetenv("HOME");
    assert_int_equal(read_settings(&settings), B10_REASON_OK);
    assert_string_equal(settings.home_dir, expected);
    settings_release(&settings);
}

static void as_nobody(void *context)
{
    (void)context;
    CHECK(setgid(54321) == 0 && setuid(54321) == 0);
    unsetenv("HOME");
    unsetenv("USER");
    setenv("TMPDIR", "/", 1); /* not writable for this user */
    struct settings settings = SETTINGS_NONE;
    CHECK(read_settings(&settings) == B10_REASON_OK);
    CHECK(settings.home_dir == NULL);
    CHECK(strcmp(settings.temporary_dir, "/tmp") == 0);
    CHECK(strcmp(settings.local_dir, "/tmp/torchinductor_uid_54321") == 0);
    settings_release(&settings);
}

static void a_user_without_entry_is_known_by_number(void **state)
{
    (void)state;
    if (getuid() != 0) {
        print_message("needs root, to become a user without an entry\n");
        skip();
    }
    sandbox_run(as_nobody, NULL);
}

/* ---- b10_config ---- */

static void a_bad_value_is_refused_when_it_is_set(void **state)
{
    (void)state;
    struct b10_config *config = config_new();
    assert_int_equal(config_set(config, "MAX_CACHE_SIZE_MB", "2048", &error), B10_REASON_OK);
    assert_int_equal(config_set(config, "MAX_CACHE_SIZE_MB", "many", &error), B10_REASON_CONFIG);
    assert_non_null(strstr(error.message, "MAX_CACHE_SIZE_MB='many'"));
    assert_get(config, "MAX_CACHE_SIZE_MB", "2048", "set");
    assert_int_equal(config_set(config, "B10FS_CACHE_DIR", "x", &error), B10_REASON_CONFIG);
    assert_int_equal(config_set(config, "B10_CACHE_ROOTS", "A=/x", &error), B10_REASON_CONFIG);
    assert_int_equal(config_set(config, "B10_LOCAL_PREFIXES", "x", &error), B10_REASON_CONFIG);
    config_free(config);
}

static void values_may_be_set_in_any_order(void **state)
{
    (void)state;
    struct b10_config *config = config_new();
    assert_int_equal(config_set(config, "TORCHINDUCTOR_CACHE_DIR", "/data/torch", &error), 0);
    assert_int_equal(config_set(config, "B10_CACHE_ROOTS", "auto,more=/data/more", &error), 0);
    struct settings settings = SETTINGS_NONE;
    assert_int_equal(read_with(&settings, config, SETTINGS_LOCAL), B10_REASON_CONFIG);
    assert_int_equal(config_set(config, "B10_LOCAL_PREFIXES", "/data", &error), 0);
    assert_int_equal(read_with(&settings, config, SETTINGS_LOCAL), B10_REASON_OK);
    assert_string_equal(settings.local_dir, "/data/torch");
    assert_int_equal(settings.root_count, 3);
    settings_release(&settings);
    config_free(config);
}

static void an_unknown_setting_is_named(void **state)
{
    (void)state;
    struct b10_config *config = config_new();
    char value[8];
    assert_int_equal(config_set(config, "B10_GPU_PROBES", "auto", &error), B10_REASON_CONFIG);
    assert_non_null(strstr(error.message, "B10_GPU_PROBES"));
    assert_int_equal(config_set(config, "", "1", &error), B10_REASON_CONFIG);
    assert_int_equal(config_get(config, "MAX_CACHE", value, 8, NULL, &error), B10_REASON_CONFIG);
    config_free(config);
    config_free(NULL);
}

static void get_says_when_a_value_is_bad_or_does_not_fit(void **state)
{
    (void)state;
    char value[4];
    setenv("MAX_CACHE_SIZE_MB", "x", 1);
    assert_int_equal(config_get(NULL, "MAX_CACHE_SIZE_MB", value, 4, NULL, &error),
                     B10_REASON_CONFIG);
    assert_int_equal(config_get(NULL, "B10_THREADS", value, 4, NULL, &error), B10_REASON_OK);
    assert_int_equal(config_get(NULL, "B10FS_CACHE_DIR", value, 4, NULL, &error),
                     B10_REASON_CONFIG);
    assert_string_equal(value, "/ca");
}

static void every_setting_in_force_can_be_shown(void **state)
{
    (void)state;
    struct b10_setting row;
    char value[4096];
    for (size_t i = 0; config_setting_at(i, &row); i++) {
        if (config_get(NULL, row.name, value, sizeof(value), NULL, &error) != B10_REASON_OK)
            fail_msg("%s: %s", row.name, error.message);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, config_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults_are_those_of_the_contract),
        TEST(every_setting_is_in_the_table_once),
        TEST(a_set_value_goes_before_the_environment_and_that_before_the_default),
        TEST(being_off_is_said_before_any_bad_value),
        TEST(the_switch_understands_every_spelling),
        TEST(a_size_beyond_its_cap_is_clamped_with_one_warning),
        TEST(a_warning_needs_its_level),
        TEST(numbers_that_are_none_are_refused),
        TEST(numbers_with_a_cap_are_at_least_one_and_clamped_with_one_warning),
        TEST(time_outs_are_seconds_and_nothing_means_automatic),
        TEST(further_shared_directories_keep_their_order),
        TEST(modes_and_levels_are_words_of_their_lists),
        TEST(the_multiplier_of_the_older_package_changes_nothing),
        TEST(a_key_is_a_file_name_of_plain_letters),
        TEST(the_steps_to_the_gpu_are_named_or_off),
        TEST(what_cuda_obeys_is_kept_unset_or_empty),
        TEST(bad_tags_are_refused),
        TEST(the_python_prefix_is_a_path_or_empty),
        TEST(the_server_is_asked_at_a_url_for_a_while),
        TEST(what_may_be_secret_is_in_no_message),
        TEST(the_key_of_vllm_is_ours_unless_it_cannot_be_sent),
        TEST(a_server_means_merge_by_what_is_not_set),
        TEST(variables_that_are_recorded_come_from_the_environment),
        TEST(without_any_environment_nothing_is_recorded),
        TEST(the_main_root_lies_strictly_below_a_prefix),
        TEST(prefixes_hold_for_where_links_lead),
        TEST(any_allows_all_but_the_system_and_homes),
        TEST(bad_prefixes_are_refused),
        TEST(the_shared_directory_stays_apart_from_the_local_one),
        TEST(the_shared_directory_stays_apart_from_the_name_before_its_links),
        TEST(the_shared_directory_is_not_touched),
        TEST(the_work_directory_lies_in_one_of_three),
        TEST(a_path_too_long_is_refused),
        TEST(roots_are_read_and_sorted_by_name),
        TEST(headers_stay_where_pytorch_keeps_them),
        TEST(servers_have_the_caches_of_every_library),
        TEST(every_library_has_its_variable),
        TEST(of_two_automatic_roots_with_one_path_the_first_counts),
        TEST(what_an_engine_sets_inside_its_own_root_is_no_further_root),
        TEST(a_root_is_also_known_by_the_name_that_leads_to_it),
        TEST(a_home_that_is_closed_to_this_user_stops_nothing),
        TEST(the_kind_decides_which_directory_is_the_main_root),
        TEST(only_the_variable_of_the_kind_is_judged),
        TEST(bad_roots_are_refused),
        TEST(archives_are_kept_out_of_every_root),
        TEST(user_and_temporary_directory_are_found_as_python_finds_them),
        TEST(a_relative_temporary_directory_is_made_absolute),
        TEST(without_home_there_is_none),
        TEST(home_comes_from_the_password_database_where_it_is_not_set),
        TEST(a_user_without_entry_is_known_by_number),
        TEST(a_bad_value_is_refused_when_it_is_set),
        TEST(values_may_be_set_in_any_order),
        TEST(an_unknown_setting_is_named),
        TEST(get_says_when_a_value_is_bad_or_does_not_fit),
        TEST(every_setting_in_force_can_be_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
