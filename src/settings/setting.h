/* The table of settings: one row per variable, from which everything else is made: reading, --help,
 * the documentation, b10_config_set.
 *
 *     row.read(reading, row, value) ──▶ field of struct settings, checked; text in force in reading.text
 *
 * A row that depends on another one reads that first (setting_need), so any row can be read alone.
 * Threads: the table any; a reading one at a time.
 */
#ifndef SETTINGS_SETTING_H
#define SETTINGS_SETTING_H

#include "settings/allowed.h"
#include "settings/auto_root.h"
#include "settings/config.h"
#include "settings/host.h"

/* In the order in which they are shown. */
enum setting_id {
    SETTING_ENABLED,
    SETTING_KIND,
    SETTING_TORCH_DIR,
    SETTING_VLLM_DIR,
    SETTING_XDG_CACHE_HOME,
    SETTING_SGLANG_DIR,
    SETTING_LOCAL_PREFIXES,
    SETTING_SHARED_DIR,
    SETTING_READ_DIRS,
    SETTING_WORK_DIR,
    SETTING_MAX_CACHE_SIZE,
    SETTING_MAX_CACHE_SIZE_CAP,
    SETTING_CONCURRENT_SAVES,
    SETTING_CONCURRENT_SAVES_CAP,
    SETTING_LOCK_TIMEOUT,
    SETTING_LOCK_TIMEOUT_CAP,
    SETTING_INCOMPLETE_TIMEOUT,
    SETTING_INCOMPLETE_TIMEOUT_CAP,
    SETTING_MIN_LOCAL_SPACE,
    SETTING_MIN_SHARED_SPACE,
    SETTING_SPACE_MULTIPLIER,
    SETTING_SAVE_MODE,
    SETTING_LOAD_MODE,
    SETTING_TAGS,
    SETTING_ROOTS,
    SETTING_COMPRESSION_LEVEL,
    SETTING_THREADS,
    SETTING_LOAD_TIMEOUT,
    SETTING_SAVE_TIMEOUT,
    SETTING_ENVIRONMENT_KEY,
    SETTING_GPU_PROBE,
    SETTING_PYTHON_PREFIX,
    SETTING_SERVER_URL,
    SETTING_SERVER_TOKEN,
    SETTING_WAIT_TIMEOUT,
    SETTING_WAIT_INTERVAL,
    SETTING_LOG_LEVEL,
    SETTING_COUNT
};

/* Variables that are no settings of ours. */
enum given_variable {
    GIVEN_HOME,
    GIVEN_TMPDIR,
    GIVEN_TEMP,
    GIVEN_TMP,
    GIVEN_LOGNAME,
    GIVEN_USER,
    GIVEN_LNAME,
    GIVEN_USERNAME,
    GIVEN_VIRTUAL_ENV,
    GIVEN_VISIBLE_DEVICES,
    GIVEN_DEVICE_ORDER,
    GIVEN_PATH,
    GIVEN_CXX,
    GIVEN_VLLM_API_KEY,
    GIVEN_CA_BUNDLE,
    GIVEN_CERT_FILE,
    GIVEN_VARIABLE_COUNT
};

struct given {
    char *values[SETTING_COUNT];           /* owned; NULL: neither set nor in the environment */
    bool is_set[SETTING_COUNT];            /* by b10_config_set */
    char *variables[GIVEN_VARIABLE_COUNT]; /* owned; NULL: unset */
    char *root_dirs[AUTO_ROOT_COUNT]; /* owned: variables of the roots of `auto`; NULL: unset */
    struct recorded recorded;         /* owned */
};

/* What the settings of one operation are read with. */
struct reading {
    const struct given *given; /* borrowed: what the caller set, and the environment */
    struct settings *settings; /* filled */
    const struct log *log;
    struct host host;             /* owned */
    struct allowed allowed;       /* owned */
    uint64_t caps[SETTING_COUNT]; /* of rows that cap others */
    /* config_set: only the form of one value is judged, against no other setting */
    bool alone;
    bool done[SETTING_COUNT];
    char *text[SETTING_COUNT]; /* owned: value in force */
};

struct setting;
typedef enum b10_reason (*setting_read_fn)(struct reading *reading, const struct setting *row,
                                           const char *value, struct b10_error *error);

struct setting {
    const char *name;
    const char *default_value; /* handed to read when nothing is set; NULL: read computes it */
    const char *default_text;  /* for people; NULL: default_value */
    const char *rule;
    const char *description;
    setting_read_fn read;
};

const struct setting *setting_row(enum setting_id id);
enum setting_id setting_id(const struct setting *row);

/* Row by the variable's name in any case; NULL if there is none. */
const struct setting *setting_find(const char *name);

/* Reads a row unless it was read before (config.c). */
MUST_CHECK enum b10_reason setting_need(struct reading *reading, enum setting_id id,
                                        struct b10_error *error);

/* CONFIG: NAME='value': rule. */
enum b10_reason setting_bad(struct b10_error *error, const struct setting *row, const char *value,
                            const char *format, ...) PRINTF_LIKE(4, 5);

/* Replaces the text in force; takes `text` (NULL is NO_MEMORY). */
MUST_CHECK enum b10_reason setting_text(struct reading *reading, const struct setting *row,
                                        char *text, struct b10_error *error);

/* Rows' readers: setting_values.c, */
enum b10_reason setting_read_enabled(struct reading *, const struct setting *, const char *,
                                     struct b10_error *);
enum b10_reason setting_read_size(struct reading *, const struct setting *, const char *,
                                  struct b10_error *);
enum b10_reason setting_read_capped(struct reading *, const struct setting *, const char *,
                                    struct b10_error *);
enum b10_reason setting_read_number(struct reading *, const struct setting *, const char *,
                                    struct b10_error *);
enum b10_reason setting_read_choice(struct reading *, const struct setting *, const char *,
                                    struct b10_error *);
enum b10_reason setting_read_ignored(struct reading *, const struct setting *, const char *,
                                     struct b10_error *);
enum b10_reason setting_read_tags(struct reading *, const struct setting *, const char *,
                                  struct b10_error *);
enum b10_reason setting_read_key(struct reading *, const struct setting *, const char *,
                                 struct b10_error *);
enum b10_reason setting_read_gpu_probe(struct reading *, const struct setting *, const char *,
                                       struct b10_error *);
enum b10_reason setting_read_url(struct reading *, const struct setting *, const char *,
                                 struct b10_error *);
enum b10_reason setting_read_token(struct reading *, const struct setting *, const char *,
                                   struct b10_error *);
/* setting_local.c, */
enum b10_reason setting_read_local(struct reading *, const struct setting *, const char *,
                                   struct b10_error *);
enum b10_reason setting_read_xdg(struct reading *, const struct setting *, const char *,
                                 struct b10_error *);
/* setting_paths.c, */
enum b10_reason setting_read_prefixes(struct reading *, const struct setting *, const char *,
                                      struct b10_error *);
enum b10_reason setting_read_shared(struct reading *, const struct setting *, const char *,
                                    struct b10_error *);
enum b10_reason setting_read_read_dirs(struct reading *, const struct setting *, const char *,
                                       struct b10_error *);
enum b10_reason setting_read_work(struct reading *, const struct setting *, const char *,
                                  struct b10_error *);
enum b10_reason setting_read_python_prefix(struct reading *, const struct setting *, const char *,
                                           struct b10_error *);
/* setting_roots.c */
enum b10_reason setting_read_roots(struct reading *, const struct setting *, const char *,
                                   struct b10_error *);

/* Reads the kind and the row of its main root (setting_local.c). */
MUST_CHECK enum b10_reason setting_need_local(struct reading *reading, struct b10_error *error);

/* Path rules for values (setting_paths.c). *out: `~` expanded, absolute, no `..`, tidied; to be
 * freed. */
MUST_CHECK enum b10_reason setting_path(char **out, const struct reading *reading,
                                        const struct setting *row, const char *value,
                                        const char *path, struct b10_error *error);

/* *out: its symlinks resolved; CONFIG when that fails. To be freed. */
MUST_CHECK enum b10_reason setting_resolve(char **out, const struct setting *row, const char *value,
                                           const char *path, struct b10_error *error);

/* CONFIG unless the resolved path is one that B10_LOCAL_PREFIXES allows. */
MUST_CHECK enum b10_reason setting_allowed(struct reading *reading, const struct setting *row,
                                           const char *value, const char *path,
                                           struct b10_error *error);

#endif
