/* Readers of the variables that name local cache directories. B10_CACHE_KIND says which of them is
 * the main root; the others are only shown, so that a bad one that nobody uses stops nobody. */
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "fs/path.h"
#include "settings/setting.h"

static enum setting_id main_row(const struct settings *settings)
{
    if (strcmp(settings->kind, "vllm") == 0)
        return SETTING_VLLM_DIR;
    return strcmp(settings->kind, "sglang") == 0 ? SETTING_SGLANG_DIR : SETTING_TORCH_DIR;
}

enum b10_reason setting_need_local(struct reading *reading, struct b10_error *error)
{
    TRY(setting_need(reading, SETTING_KIND, error));
    return setting_need(reading, main_row(reading->settings), error);
}

/* vLLM's own rule. *row: the variable that decides. */
static enum b10_reason default_vllm_dir(char **out, const struct reading *reading,
                                        const struct setting **row, struct b10_error *error)
{
    const char *base = reading->given->values[SETTING_XDG_CACHE_HOME];
    if (base == NULL)
        base = "~/.cache";
    else
        *row = setting_row(SETTING_XDG_CACHE_HOME);
    SCOPED(heap) char *tidied = NULL;
    TRY(setting_path(&tidied, reading, *row, base, base, error));
    return path_join(out, tidied, "vllm", error);
}

/* *out: where nothing is set, absolute; to be freed. */
static enum b10_reason default_dir(char **out, const struct reading *reading,
                                   const struct setting **row, struct b10_error *error)
{
    switch (setting_id(*row)) {
    case SETTING_VLLM_DIR:
        return default_vllm_dir(out, reading, row, error);
    case SETTING_SGLANG_DIR:
        return setting_path(out, reading, *row, "~/.cache/sglang", "~/.cache/sglang", error);
    default:
        return host_torch_dir(out, &reading->host, error);
    }
}

static enum b10_reason show_only(struct reading *reading, const struct setting *row,
                                 const char *value, struct b10_error *error)
{
    SCOPED(heap) char *standard = NULL;
    const struct setting *decides = row;
    struct b10_error ignored = ERROR_NONE;
    if (value == NULL && default_dir(&standard, reading, &decides, &ignored) == B10_REASON_OK)
        value = standard;
    return setting_text(reading, row, strdup(value != NULL ? value : ""), error);
}

static enum b10_reason use(struct reading *reading, const struct setting *row,
                           const struct setting *decides, const char *value,
                           struct b10_error *error)
{
    struct settings *settings = reading->settings;
    SCOPED(heap) char *named = NULL;
    SCOPED(heap) char *resolved = NULL;
    TRY(setting_path(&named, reading, decides, value, value, error));
    TRY(setting_resolve(&resolved, decides, value, named, error));
    TRY(setting_allowed(reading, decides, value, resolved, error));
    TRY(setting_text(reading, row, strdup(resolved), error));
    settings->local_named = HEAP_TAKE(named);
    settings->local_dir = HEAP_TAKE(resolved);
    return B10_REASON_OK;
}

enum b10_reason setting_read_local(struct reading *reading, const struct setting *row,
                                   const char *value, struct b10_error *error)
{
    SCOPED(heap) char *standard = NULL;
    const struct setting *decides = row;
    if (reading->alone)
        return setting_path(&standard, reading, row, value, value, error);
    TRY(setting_need(reading, SETTING_KIND, error));
    if (setting_id(row) != main_row(reading->settings))
        return show_only(reading, row, value, error);
    if (value == NULL) {
        TRY(default_dir(&standard, reading, &decides, error));
        value = standard;
    }
    return use(reading, row, decides, value, error);
}

/* Judged where it decides (default_vllm_dir). */
enum b10_reason setting_read_xdg(struct reading *reading, const struct setting *row,
                                 const char *value, struct b10_error *error)
{
    SCOPED(heap) char *path = NULL;
    if (reading->alone)
        return setting_path(&path, reading, row, value, value, error);
    return setting_text(reading, row, strdup(value != NULL ? value : "~/.cache"), error);
}
