/* Exported: the simple calls, their last error, and the list that one of them returns. */
#include <stdlib.h>

#include "api/boundary.h"
#include "api/operation.h"
#include "base/error.h"

/* Of the calling thread's last simple call. */
static _Thread_local struct b10_error last_error = ERROR_NONE;

OperationStatus b10_load_compile_cache(void)
{
    return full_load(NULL, NULL, NULL, &last_error);
}

OperationStatus b10_save_compile_cache(void)
{
    return full_save(NULL, NULL, NULL, &last_error);
}

OperationStatus b10_get_cache_info(b10_cache_info *info)
{
    return full_info(NULL, NULL, info, &last_error);
}

OperationStatus b10_list_available_caches(b10_cache_list **list)
{
    return full_list(NULL, NULL, list, &last_error);
}

OperationStatus b10_clear_local_cache(void)
{
    return full_clear(NULL, NULL, NULL, &last_error);
}

OperationStatus b10_save_vllm_compile_cache(void)
{
    return full_serve(NULL, NULL, NULL, &last_error);
}

#ifdef B10_SHORT_NAMES
#define ALIAS_OF(name) __attribute__((alias(#name)))

OperationStatus load_compile_cache(void) ALIAS_OF(b10_load_compile_cache);
OperationStatus save_compile_cache(void) ALIAS_OF(b10_save_compile_cache);
OperationStatus get_cache_info(b10_cache_info *info) ALIAS_OF(b10_get_cache_info);
OperationStatus list_available_caches(b10_cache_list **list) ALIAS_OF(b10_list_available_caches);
OperationStatus clear_local_cache(void) ALIAS_OF(b10_clear_local_cache);
OperationStatus save_vllm_compile_cache(void) ALIAS_OF(b10_save_vllm_compile_cache);
#endif

const b10_error *b10_last_error(void)
{
    return &last_error;
}

void b10_cache_list_free(b10_cache_list *list)
{
    free(list);
}

const b10_cache_entry *b10_cache_list_at(const b10_cache_list *list, size_t index)
{
    if (list == NULL)
        return NULL;
    return boundary_item(list->caches, list->total_caches, list->entry_size, index);
}
