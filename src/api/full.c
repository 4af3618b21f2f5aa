/* Exported: the full calls, and the list that one of them returns. */
#include <stdlib.h>

#include "api/boundary.h"
#include "api/operation.h"

OperationStatus b10_load(const b10_config *config, const b10_options *options, b10_report *report,
                         b10_error *error)
{
    return operation_load(config, options, report, error);
}

OperationStatus b10_save(const b10_config *config, const b10_options *options, b10_report *report,
                         b10_error *error)
{
    return operation_save(config, options, report, error);
}

OperationStatus b10_info(const b10_config *config, const b10_options *options, b10_cache_info *info,
                         b10_error *error)
{
    return operation_info(config, options, info, error);
}

OperationStatus b10_list(const b10_config *config, const b10_options *options,
                         b10_cache_list **list, b10_error *error)
{
    return operation_list(config, options, list, error);
}

OperationStatus b10_clear(const b10_config *config, const b10_options *options, b10_report *report,
                          b10_error *error)
{
    return operation_clear(config, options, report, error);
}

OperationStatus b10_verify(const b10_config *config, const b10_options *options,
                           const char *archive, b10_verify_report *result, b10_error *error)
{
    return operation_verify(config, options, archive, result, error);
}

OperationStatus b10_explain(const b10_config *config, const b10_options *options,
                            b10_comparison_list **list, b10_error *error)
{
    return operation_explain(config, options, list, error);
}

void b10_comparison_list_free(b10_comparison_list *list)
{
    free(list);
}

const b10_comparison *b10_comparison_list_at(const b10_comparison_list *list, size_t index)
{
    if (list == NULL)
        return NULL;
    return boundary_item(list->comparisons, list->total, list->entry_size, index);
}

OperationStatus b10_transfer_file(const b10_config *config, const b10_options *options,
                                  const char *source, const char *dest, b10_error *error)
{
    return operation_transfer_file(config, options, source, dest, error);
}
