#include "settings/setting.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/path.h"

static const struct setting table[SETTING_COUNT] = {
    [SETTING_ENABLED] =
        {
            .name = "BASETEN_FS_ENABLED",
            .default_value = "0",
            .rule = "1, true, yes, on; 0, false, no, off or empty; any case",
            .description = "Whether the shared volume is used: load and save are off without it.",
            .read = setting_read_enabled,
        },
    [SETTING_KIND] =
        {
            .name = "B10_CACHE_KIND",
            .default_value = "inductor",
            .rule = "inductor, vllm, sglang",
            .description = "Whose caches: decides which directory is the local cache directory, "
                           "the main root of every archive. Part of the environment key.",
            .read = setting_read_choice,
        },
    [SETTING_TORCH_DIR] =
        {
            .name = "TORCHINDUCTOR_CACHE_DIR",
            .default_text = "<tmp>/torchinductor_<user>, as PyTorch has it",
            .rule = "a directory strictly below one of B10_LOCAL_PREFIXES",
            .description = "The local cache directory of kind inductor; for servers a further "
                           "root.",
            .read = setting_read_local,
        },
    [SETTING_VLLM_DIR] =
        {
            .name = "VLLM_CACHE_ROOT",
            .default_text = "XDG_CACHE_HOME/vllm, else ~/.cache/vllm",
            .rule = "a directory strictly below one of B10_LOCAL_PREFIXES",
            .description = "The local cache directory of kind vllm.",
            .read = setting_read_local,
        },
    [SETTING_XDG_CACHE_HOME] =
        {
            .name = "XDG_CACHE_HOME",
            .default_text = "~/.cache",
            .rule = "a directory; what lies in it keeps to B10_LOCAL_PREFIXES",
            .description = "Where VLLM_CACHE_ROOT lies if it is not set.",
            .read = setting_read_xdg,
        },
    [SETTING_SGLANG_DIR] =
        {
            .name = "SGLANG_CACHE_DIR",
            .default_text = "~/.cache/sglang",
            .rule = "a directory strictly below one of B10_LOCAL_PREFIXES",
            .description = "The local cache directory of kind sglang.",
            .read = setting_read_local,
        },
    [SETTING_LOCAL_PREFIXES] =
        {
            .name = "B10_LOCAL_PREFIXES",
            .default_text = "/tmp, <tmp>, /cache, /bdn/cache, ~/.cache",
            .rule =
                "directories, comma-separated; `any`: every directory but `/`, a home, and /bin "
                "/boot /dev /etc /lib* /proc /run /sbin /sys /usr",
            .description = "Where local cache directories may lie.",
            .read = setting_read_prefixes,
        },
    [SETTING_SHARED_DIR] =
        {
            .name = "B10FS_CACHE_DIR",
            .default_value = "/cache/model/compile_cache",
            .rule = "absolute; not inside the local cache directory nor around it",
            .description = "The directory on the shared volume that holds the archives; its last "
                           "component is created by a save.",
            .read = setting_read_shared,
        },
    [SETTING_READ_DIRS] =
        {
            .name = "B10_READ_DIRS",
            .default_value = "",
            .rule = "absolute directories, comma-separated, at most 16",
            .description = "Further shared directories that a load searches after "
                           "B10FS_CACHE_DIR, in this order.",
            .read = setting_read_read_dirs,
        },
    [SETTING_WORK_DIR] =
        {
            .name = "LOCAL_WORK_DIR",
            .default_value = "/app",
            .rule = "/app, /tmp, /cache or a directory below one of them",
            .description = "Where a load stages if it exists, is writable and on the destination's "
                           "file system; otherwise beside the destination.",
            .read = setting_read_work,
        },
    [SETTING_MAX_CACHE_SIZE] =
        {
            .name = "MAX_CACHE_SIZE_MB",
            .default_value = "1024",
            .rule = "at least 1; capped at MAX_CACHE_SIZE_CAP_MB",
            .description = "The largest archive in MiB; unpacked, a load accepts 64 times that.",
            .read = setting_read_capped,
        },
    [SETTING_MAX_CACHE_SIZE_CAP] =
        {
            .name = "MAX_CACHE_SIZE_CAP_MB",
            .default_value = "16384",
            .rule = "at least 1; capped at 1048576",
            .description = "The cap of MAX_CACHE_SIZE_MB.",
            .read = setting_read_capped,
        },
    [SETTING_CONCURRENT_SAVES] =
        {
            .name = "MAX_CONCURRENT_SAVES",
            .default_value = "50",
            .rule = "at least 1; capped at MAX_CONCURRENT_SAVES_CAP",
            .description = "How many savers may be active at once on the shared volume.",
            .read = setting_read_capped,
        },
    [SETTING_CONCURRENT_SAVES_CAP] =
        {
            .name = "MAX_CONCURRENT_SAVES_CAP",
            .default_value = "100",
            .rule = "at least 1; capped at 10000",
            .description = "The cap of MAX_CONCURRENT_SAVES.",
            .read = setting_read_capped,
        },
    [SETTING_LOCK_TIMEOUT] =
        {
            .name = "CLEANUP_LOCK_TIMEOUT_SECONDS",
            .default_value = "30",
            .rule = "at least 1; capped at LOCK_TIMEOUT_CAP_SECONDS",
            .description = "A saver whose lock has not changed for so long counts as dead.",
            .read = setting_read_capped,
        },
    [SETTING_LOCK_TIMEOUT_CAP] =
        {
            .name = "LOCK_TIMEOUT_CAP_SECONDS",
            .default_value = "3600",
            .rule = "at least 1; capped at 86400",
            .description = "The cap of CLEANUP_LOCK_TIMEOUT_SECONDS.",
            .read = setting_read_capped,
        },
    [SETTING_INCOMPLETE_TIMEOUT] =
        {
            .name = "CLEANUP_INCOMPLETE_TIMEOUT_SECONDS",
            .default_value = "60",
            .rule = "at least 1; capped at INCOMPLETE_TIMEOUT_CAP_SECONDS",
            .description = "Unfinished files that have not changed for so long are removed from "
                           "the shared directory.",
            .read = setting_read_capped,
        },
    [SETTING_INCOMPLETE_TIMEOUT_CAP] =
        {
            .name = "INCOMPLETE_TIMEOUT_CAP_SECONDS",
            .default_value = "7200",
            .rule = "at least 1; capped at 86400",
            .description = "The cap of CLEANUP_INCOMPLETE_TIMEOUT_SECONDS.",
            .read = setting_read_capped,
        },
    [SETTING_MIN_LOCAL_SPACE] =
        {
            .name = "MIN_LOCAL_SPACE_MB",
            .default_value = "1024",
            .rule = "0 or more",
            .description = "Space in MiB that stays free on the local file system.",
            .read = setting_read_size,
        },
    [SETTING_MIN_SHARED_SPACE] =
        {
            .name = "MIN_B10FS_SPACE_MB",
            .default_value = "1024",
            .rule = "0 or more",
            .description = "Space in MiB that stays free on the shared file system.",
            .read = setting_read_size,
        },
    [SETTING_SPACE_MULTIPLIER] =
        {
            .name = "LOCAL_SPACE_ARCHIVE_MULTIPLIER",
            .default_value = "",
            .rule = "anything",
            .description =
                "Accepted for b10-transfer 0.4 and without effect: a load knows the exact "
                "space it needs.",
            .read = setting_read_ignored,
        },
    [SETTING_SAVE_MODE] =
        {
            .name = "B10_SAVE_MODE",
            .default_value = "if_absent",
            .rule = "if_absent, merge, replace, never",
            .description = "What a save does about an archive that exists; merge adds what it "
                           "lacks.",
            .read = setting_read_choice,
        },
    [SETTING_LOAD_MODE] =
        {
            .name = "B10_LOAD_MODE",
            .default_value = "if_empty",
            .rule = "if_empty, merge",
            .description = "What a load does about a local cache directory that holds files: "
                           "leaves it as it is, or adds what it lacks.",
            .read = setting_read_choice,
        },
    [SETTING_TAGS] =
        {
            .name = "B10_CACHE_TAGS",
            .default_value = "",
            .rule = "name=value, comma-separated, at most 32; names of [a-z0-9_], values of "
                    "[A-Za-z0-9._+-]",
            .description = "Part of the environment key, for instance torch=2.13.0,model=flux.",
            .read = setting_read_tags,
        },
    [SETTING_ROOTS] =
        {
            .name = "B10_CACHE_ROOTS",
            .default_value = "auto",
            .rule = "auto; none; name=/path, comma-separated; auto,name=/path",
            .description = "Further directories that are saved and restored with the main one.",
            .read = setting_read_roots,
        },
    [SETTING_COMPRESSION_LEVEL] =
        {
            .name = "B10_COMPRESSION_LEVEL",
            .default_value = "1",
            .rule = "1 to 19",
            .description = "Compression level of zstd.",
            .read = setting_read_number,
        },
    [SETTING_THREADS] =
        {
            .name = "B10_THREADS",
            .default_value = "0",
            .rule = "0 to 64; 0 is automatic",
            .description = "Threads that work for one load or save.",
            .read = setting_read_number,
        },
    [SETTING_LOAD_TIMEOUT] =
        {
            .name = "B10_LOAD_TIMEOUT_SECONDS",
            .default_value = "0",
            .rule = "0 to 86400; 0: until nothing has moved for 60 s",
            .description = "How long a load, or a look at the volume, may take in all.",
            .read = setting_read_number,
        },
    [SETTING_SAVE_TIMEOUT] =
        {
            .name = "B10_SAVE_TIMEOUT_SECONDS",
            .default_value = "0",
            .rule = "0 to 86400; 0: until nothing has moved for 60 s",
            .description = "How long a save may take in all.",
            .read = setting_read_number,
        },
    [SETTING_ENVIRONMENT_KEY] =
        {
            .name = "B10_ENVIRONMENT_KEY",
            .default_value = "",
            .rule = "1 to 200 bytes of [a-z0-9._-], not beginning with a dot; or empty",
            .description = "Replaces the detected environment key.",
            .read = setting_read_key,
        },
    [SETTING_GPU_PROBE] =
        {
            .name = "B10_GPU_PROBE",
            .default_value = "auto",
            .rule = "auto; off; driver, nvml, spawn, proc, comma-separated",
            .description =
                "Which steps may tell the GPU. auto: driver, nvml, proc; in the command spawn, "
                "too. off: this counts as a host without a GPU.",
            .read = setting_read_gpu_probe,
        },
    [SETTING_PYTHON_PREFIX] =
        {
            .name = "B10_PYTHON_PREFIX",
            .default_text = "VIRTUAL_ENV; in Python and its command sys.prefix",
            .rule = "an absolute path, or empty",
            .description = "Path of the Python environment: recorded in the archive for `key "
                           "--explain`, never part of the key.",
            .read = setting_read_python_prefix,
        },
    [SETTING_SERVER_URL] =
        {
            .name = "B10_TRANSFER_VLLM_URL",
            .default_value = "http://127.0.0.1:8000/v1/models",
            .rule = "http:// or https://, no user name; https needs libcurl.so.4",
            .description = "What answers with HTTP status 200 once the server is ready.",
            .read = setting_read_url,
        },
    [SETTING_SERVER_TOKEN] =
        {
            .name = "B10_TRANSFER_VLLM_API_KEY",
            .default_text = "VLLM_API_KEY",
            .rule = "printable ASCII without spaces, at most 4096 bytes; or empty",
            .description =
                "Sent as a bearer token to B10_TRANSFER_VLLM_URL; never shown or logged.",
            .read = setting_read_token,
        },
    [SETTING_WAIT_TIMEOUT] =
        {
            .name = "B10_TRANSFER_TIMEOUT_S",
            .default_value = "1800",
            .rule = "1 to 86400",
            .description = "How long the flow waits for the server to become ready.",
            .read = setting_read_number,
        },
    [SETTING_WAIT_INTERVAL] =
        {
            .name = "B10_TRANSFER_INTERVAL_S",
            .default_value = "2",
            .rule = "1 to 3600",
            .description = "How long the flow waits before it asks the server again.",
            .read = setting_read_number,
        },
    [SETTING_LOG_LEVEL] =
        {
            .name = "B10_LOG_LEVEL",
            .default_value = "info",
            .rule = "error, warn, info, debug",
            .description = "The most verbose level that reaches the log callback.",
            .read = setting_read_choice,
        },
};

const struct setting *setting_row(enum setting_id id)
{
    return &table[id];
}

enum setting_id setting_id(const struct setting *row)
{
    return (enum setting_id)(row - table);
}

static char upper(char c)
{
    if (c >= 'a' && c <= 'z')
        return (char)(c - 'a' + 'A');
    return c;
}

const struct setting *setting_find(const char *name)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        size_t at = 0;
        while (name[at] != '\0' && upper(name[at]) == table[i].name[at])
            at++;
        if (name[at] == '\0' && table[i].name[at] == '\0')
            return &table[i];
    }
    return NULL;
}

enum b10_reason setting_bad(struct b10_error *error, const struct setting *row, const char *value,
                            const char *format, ...)
{
    char rule[600];
    char quoted[300];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(rule, sizeof(rule), format, arguments);
    va_end(arguments);
    path_quote(quoted, sizeof(quoted), value);
    return error_set(error, B10_REASON_CONFIG, "%s='%s': %s", row->name, quoted, rule);
}

enum b10_reason setting_text(struct reading *reading, const struct setting *row, char *text,
                             struct b10_error *error)
{
    if (text == NULL)
        return error_no_memory(error);
    free(reading->text[setting_id(row)]);
    reading->text[setting_id(row)] = text;
    return B10_REASON_OK;
}
