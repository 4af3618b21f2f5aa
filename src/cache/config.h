/* Settings: one table that feeds reading, --help, the documentation and b10_config_set; read once
 * per operation.
 *
 *     b10_config (what the caller set) ──┐
 *     environment ───────────────────────┼──▶ settings_read ──▶ struct settings (checked, paths resolved)
 *     defaults ──────────────────────────┘
 *
 * The only place of the library that reads the environment. A bad value is CONFIG and names
 * variable and value; a value beyond its cap is clamped with one warning.
 * Threads: settings_read any (getenv, as everywhere, must not race with a setenv of the host); a
 * b10_config one writer or many readers.
 */
#ifndef CACHE_CONFIG_H
#define CACHE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "cache/recorded.h"

enum save_mode { SAVE_IF_ABSENT, SAVE_REPLACE, SAVE_NEVER };

struct settings_root {
    char *name;     /* owned */
    char *path;     /* owned: resolved, absolute */
    bool automatic; /* from `auto`: left out silently when it does not exist */
};

struct settings {
    bool enabled;
    char *local_dir; /* owned: main root, resolved */
    /* owned: B10FS_CACHE_DIR as given (the volume is not touched to resolve it) */
    char *shared_dir;
    char *work_dir;           /* owned: LOCAL_WORK_DIR, resolved; need not exist */
    char *temporary_dir;      /* owned: the temporary directory in force, resolved */
    char *home_dir;           /* owned: resolved, or NULL if there is none worth the name */
    uint64_t max_cache_bytes; /* of an archive */
    uint64_t min_local_bytes; /* floors */
    uint64_t min_shared_bytes;
    enum save_mode save_mode;
    struct settings_root *roots; /* owned: further roots, by name; never the main root */
    size_t root_count;
    const char *kind;      /* "inductor": kind of the archive and name of the main root */
    char *tags;            /* owned */
    char *environment_key; /* owned: "" for none */
    unsigned gpu_steps;    /* bits 1 << enum gpu_step: what may be asked which GPU there is */
    /* owned: CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER, which belong to CUDA and are no settings
     * of ours; NULL if unset, which is not "" */
    char *visible_devices;
    char *device_order;
    char *python_prefix; /* owned: path of the Python environment, "" if unknown */
    int compression_level;
    unsigned threads; /* 0: automatic */
    int log_level;    /* b10_log_level */
    /* owned: what an archive records of the environment; python_prefix is in it */
    struct recorded recorded;
};

#define SETTINGS_NONE                                                                              \
    {                                                                                              \
        0                                                                                          \
    }

/* What an operation needs to be valid and on. */
enum settings_need {
    SETTINGS_LOCAL, /* clear, info, list: the volume may be off */
    /* load, save: DISABLED unless BASETEN_FS_ENABLED is on (said before any CONFIG error) */
    SETTINGS_VOLUME
};

/* config NULL: environment and defaults only. The log's level is set from B10_LOG_LEVEL first. */
MUST_CHECK enum b10_reason settings_read(struct settings *settings, const struct b10_config *config,
                                         enum settings_need need, struct log *log,
                                         struct b10_error *error);
void settings_release(struct settings *settings);
void settings_guard(struct settings *settings);

/* b10_config_* and b10_setting_at as api/ exports them. */
struct b10_config *config_new(void);
void config_free(struct b10_config *config);
MUST_CHECK enum b10_reason config_set(struct b10_config *config, const char *key, const char *value,
                                      struct b10_error *error);
MUST_CHECK enum b10_reason config_get(const struct b10_config *config, const char *key, char *value,
                                      size_t size, const char **source, struct b10_error *error);
bool config_setting_at(size_t index, struct b10_setting *setting);

#endif
