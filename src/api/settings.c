/* Exported: configuration and the table of settings. */
#include "api/boundary.h"
#include "api/call.h"
#include "base/guard.h"

b10_config *b10_config_new(void)
{
    return config_new();
}

void b10_config_free(b10_config *config)
{
    config_free(config);
}

static enum b10_reason no_argument(struct call *call, const char *function)
{
    return error_set(&call->error, B10_REASON_INTERNAL, "%s: an argument is NULL", function);
}

static enum b10_reason set_steps(struct call *call, b10_config *config, const char *key,
                                 const char *value, b10_error *error)
{
    TRY(call_begin(call, NULL, error));
    if (config == NULL || key == NULL)
        return no_argument(call, "b10_config_set");
    return config_set(config, key, value, &call->error);
}

OperationStatus b10_config_set(b10_config *config, const char *key, const char *value,
                               b10_error *error)
{
    SCOPED(call) struct call call;
    enum b10_reason reason = set_steps(&call, config, key, value, error);
    return call_end(&call, reason, B10_ERROR);
}

static enum b10_reason get_steps(struct call *call, const b10_config *config, const char *key,
                                 char *value, size_t size, const char **source, b10_error *error)
{
    TRY(call_begin(call, NULL, error));
    if (key == NULL || value == NULL)
        return no_argument(call, "b10_config_get");
    return config_get(config, key, value, size, source, &call->error);
}

OperationStatus b10_config_get(const b10_config *config, const char *key, char *value, size_t size,
                               const char **source, b10_error *error)
{
    SCOPED(call) struct call call;
    enum b10_reason reason = get_steps(&call, config, key, value, size, source, error);
    return call_end(&call, reason, B10_ERROR);
}

int b10_setting_at(size_t index, b10_setting *setting)
{
    struct b10_setting row = B10_INIT(b10_setting);
    if (setting == NULL || setting->struct_size < FIRST_SIZE(struct b10_setting, description) ||
        !config_setting_at(index, &row))
        return 0;
    boundary_copy(setting, &row);
    return 1;
}
