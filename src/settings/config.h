/* Settings: one table that feeds reading, --help, the documentation and b10_config_set; read once
 * per operation.
 *
 *     b10_config (what the caller set) ──┐
 *     environment ───────────────────────┴──▶ given_take, on the caller's thread ──▶ struct given
 *     struct given, defaults ──▶ settings_read, on any thread ──▶ struct settings (checked, resolved)
 *
 * given_take is the only place of the library that reads the environment; it touches no disk.
 * settings_read looks paths up, which a hung mount may hold. A bad value is CONFIG and names
 * variable and value; a value beyond its cap is clamped with one warning.
 * Threads: given_take any (getenv, as everywhere, must not race with a setenv of the host); a
 * b10_config one writer or many readers.
 */
#ifndef SETTINGS_CONFIG_H
#define SETTINGS_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "settings/recorded.h"

enum save_mode { SAVE_IF_ABSENT, SAVE_MERGE, SAVE_REPLACE, SAVE_NEVER };
enum load_mode { LOAD_IF_EMPTY, LOAD_MERGE };

struct settings_root {
    char *name;     /* owned */
    char *path;     /* owned: resolved, absolute */
    char *named;    /* owned: absolute, no symlink resolved: as programs write it; NULL: as path */
    bool automatic; /* from `auto`: left out silently when it does not exist */
};

struct settings {
    bool enabled;
    char *local_dir;   /* owned: main root, resolved */
    char *local_named; /* owned: the same before its symlinks are resolved; NULL: as local_dir */
    /* owned: B10FS_CACHE_DIR as given (the volume is not touched to resolve it) */
    char *shared_dir;
    /* owned, each owned: where else a load searches, in this order; as given, tidied */
    char **read_dirs;
    size_t read_dir_count;
    char *work_dir;           /* owned: LOCAL_WORK_DIR, resolved; need not exist */
    char *temporary_dir;      /* owned: the temporary directory in force, resolved */
    char *home_dir;           /* owned: resolved, or NULL if there is none worth the name */
    uint64_t max_cache_bytes; /* of an archive */
    uint64_t min_local_bytes; /* floors */
    uint64_t min_shared_bytes;
    unsigned max_concurrent_saves;
    unsigned lock_timeout_s;       /* a lock unchanged for so long is its dead holder's */
    unsigned incomplete_timeout_s; /* a temporary file, likewise */
    unsigned load_timeout_s;       /* of the whole operation; 0: until nothing moves */
    unsigned save_timeout_s;
    enum save_mode save_mode;
    enum load_mode load_mode;
    struct settings_root *roots; /* owned: further roots, by name; never the main root */
    size_t root_count;
    /* "inductor", "vllm" or "sglang": kind of the archive and name of the main root; static */
    const char *kind;
    char *tags;            /* owned */
    char *environment_key; /* owned: "" for none */
    unsigned gpu_steps;    /* bits 1 << enum gpu_step: what may be asked which GPU there is */
    /* owned: CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER, which belong to CUDA and are no settings
     * of ours; NULL if unset, which is not "" */
    char *visible_devices;
    char *device_order;
    char *program_path;  /* owned: PATH; NULL if unset */
    char *cxx;           /* owned: CXX; NULL if unset */
    char *python_prefix; /* owned: path of the Python environment, "" if unknown */
    int compression_level;
    unsigned threads;   /* 0: automatic */
    int log_level;      /* b10_log_level */
    char *server_url;   /* owned: of what says that the server is ready; valid */
    char *server_token; /* owned: "" for none; never shown */
    char *ca_file;      /* owned: CURL_CA_BUNDLE or SSL_CERT_FILE; NULL: neither */
    unsigned wait_timeout_s;
    unsigned wait_interval_s;
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

/* What the caller and the environment say at this moment; owns all of it. config NULL: the
 * environment only. FORKED for a parent's config. */
struct given; /* opaque */
MUST_CHECK enum b10_reason given_take(struct given **out, const struct b10_config *config,
                                      struct b10_error *error);

/* B10FS_CACHE_DIR as it was given, unchecked: for messages. */
const char *given_shared_dir(const struct given *given);

/* What is not set means to whoever starts a server: kind `vllm`, modes `merge`. */
MUST_CHECK enum b10_reason given_for_server(struct given *given, struct b10_error *error);
void given_free(struct given *given); /* NULL is fine */
void given_guard(struct given **given);

/* The log's level is set from B10_LOG_LEVEL first. */
MUST_CHECK enum b10_reason settings_read(struct settings *settings, const struct given *given,
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
