"""Save the compile cache of a model server once, restore it in the next replica.

    from b10_transfer import load_compile_cache, save_compile_cache

    load_compile_cache()      # before torch.compile: start warm if some replica has saved
    model = torch.compile(model)
    model(example)            # compiles, or finds everything compiled
    save_compile_cache()      # for the next replica

Settings come from the environment, first of all BASETEN_FS_ENABLED=1. Nothing here raises unless it is asked to with
``raise_errors=True``: a server must be able to compile from scratch whatever happens to its cache. What happened is
logged by the logger ``b10_transfer``. All functions may be called from any thread and release the GIL.

``load_compile_cache_async()`` and ``save_compile_cache_async()`` return a ``concurrent.futures.Future``, so that a load goes
on while weights are read, and a save while requests are served.
"""

from ._async import load_compile_cache_async, save_compile_cache_async
from ._errors import (
    CacheError,
    CacheOperationInterrupted,
    CacheValidationError,
    OperationStatus,
)
from ._library import version as _version
from ._logging import get_b10_logger
from ._operations import (
    clear_local_cache,
    get_cache_info,
    list_available_caches,
    load_compile_cache,
    save_compile_cache,
    transfer,
)
from ._server import save_vllm_compile_cache

__version__ = _version()

__all__ = [
    "CacheError",
    "CacheOperationInterrupted",
    "CacheValidationError",
    "OperationStatus",
    "clear_local_cache",
    "get_b10_logger",
    "get_cache_info",
    "list_available_caches",
    "load_compile_cache",
    "load_compile_cache_async",
    "save_compile_cache",
    "save_compile_cache_async",
    "save_vllm_compile_cache",
    "transfer",
]
