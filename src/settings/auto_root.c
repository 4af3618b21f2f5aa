#include "settings/auto_root.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "fs/path.h"

static const struct auto_root table[AUTO_ROOT_COUNT] = {
    /* PyTorch keeps it there wherever TORCHINDUCTOR_CACHE_DIR points, and demands it on every hit
     * on CPU. */
    {.name = "headers", .base = AUTO_TORCH, .standard = "precompiled_headers"},
    {.name = "inductor",
     .variable = "TORCHINDUCTOR_CACHE_DIR",
     .below = "",
     .base = AUTO_TORCH,
     .standard = "",
     .for_servers = true},
    {.name = "triton",
     .variable = "TRITON_CACHE_DIR",
     .below = "",
     .base = AUTO_HOME,
     .standard = ".triton/cache"},
    {.name = "flashinfer",
     .variable = "FLASHINFER_WORKSPACE_BASE",
     .below = ".cache/flashinfer",
     .base = AUTO_HOME,
     .standard = ".cache/flashinfer",
     .for_servers = true,
     .built_in_place = true},
    {.name = "deep_gemm",
     .variable = "DG_JIT_CACHE_DIR",
     .below = "",
     .base = AUTO_HOME,
     .standard = ".deep_gemm",
     .for_servers = true},
    {.name = "tvm_ffi",
     .variable = "TVM_FFI_CACHE_DIR",
     .below = "",
     .base = AUTO_HOME,
     .standard = ".cache/tvm-ffi",
     .for_servers = true,
     .built_in_place = true},
    {.name = "tilelang",
     .variable = "TILELANG_CACHE_DIR",
     .below = "",
     .base = AUTO_HOME,
     .standard = ".tilelang/cache",
     .for_servers = true},
    {.name = "cute", .variable = "CUTE_DSL_CACHE_DIR", .below = "", .for_servers = true},
    {.name = "torch_extensions",
     .variable = "TORCH_EXTENSIONS_DIR",
     .below = "",
     .for_servers = true,
     .built_in_place = true},
    {.name = "cuda",
     .variable = "CUDA_CACHE_PATH",
     .below = "",
     .base = AUTO_HOME,
     .standard = ".nv/ComputeCache",
     .for_servers = true},
};

const struct auto_root *auto_root_at(size_t index)
{
    assert(index < AUTO_ROOT_COUNT);
    return &table[index];
}

bool auto_root_is_built_in_place(const char *name)
{
    for (size_t i = 0; i < AUTO_ROOT_COUNT; i++)
        if (strcmp(table[i].name, name) == 0)
            return table[i].built_in_place;
    return false;
}

enum b10_reason auto_root_default(char **out, const struct auto_root *root, const struct host *host,
                                  struct b10_error *error)
{
    SCOPED(heap) char *base = NULL;
    *out = NULL;
    if (root->base == AUTO_NOWHERE || (root->base == AUTO_HOME && host->home_named == NULL))
        return B10_REASON_OK;
    if (root->base == AUTO_TORCH)
        TRY(host_torch_dir(&base, host, error));
    if (*root->standard == '\0') {
        *out = HEAP_TAKE(base);
        return B10_REASON_OK;
    }
    return path_join(out, base != NULL ? base : host->home_named, root->standard, error);
}
