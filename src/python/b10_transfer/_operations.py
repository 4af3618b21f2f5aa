"""The operations: each runs one full call of the library and turns its outcome into Python."""

from __future__ import annotations

import contextvars
import ctypes
import os
import threading
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Tuple, TypeVar, Union

from . import _prefix, _tags
from ._errors import OperationStatus, error_for
from ._library import (
    CacheEntry,
    CacheInfo,
    CacheList,
    Error,
    LogFunction,
    Options,
    ProgressFunction,
    Report,
    library,
    path_bytes,
)
from ._logging import forward, get_b10_logger

_MIB = 1024 * 1024

_logger = get_b10_logger()

StrPath = Union[str, "os.PathLike[str]"]

_Result = TypeVar("_Result")


class Outcome(NamedTuple):
    status: OperationStatus
    reason: str
    message: str


def outcome_of(status: int, error: Error) -> Outcome:
    reason = library.b10_reason_name(error.code).decode("ascii")
    return Outcome(OperationStatus(status), reason, error.message.decode("utf-8", "backslashreplace"))


def internal(problem: BaseException) -> Outcome:
    return Outcome(OperationStatus.ERROR, "INTERNAL", f"{type(problem).__name__}: {problem}")


def configured(function: Callable[[Any], Union[Outcome, _Result]], error: Error) -> Union[Outcome, _Result]:
    """What `function` returns for a configuration with the detected tags, or why there is none."""
    config = library.b10_config_new()
    if not config:
        return Outcome(OperationStatus.ERROR, "NO_MEMORY", "out of memory")
    try:
        for name, value in ((_tags.VARIABLE, _tags.merged()), (_prefix.VARIABLE, _prefix.detected())):
            if value is None:
                continue
            status = library.b10_config_set(config, name.encode(), os.fsencode(value), error)
            if status != OperationStatus.SUCCESS.value:
                return outcome_of(status, error)
        return function(config)
    finally:
        library.b10_config_free(config)


def _call(function: Callable[..., int], arguments: tuple, cancelled: threading.Event) -> Outcome:
    """`function` with the settings of the environment, the detected tags, our log and our way to cancel it."""
    error, options = Error(), Options()
    options.log = LogFunction(lambda _user, level, message: forward(level, message))
    options.progress = ProgressFunction(lambda _user, _progress: int(cancelled.is_set()))
    return configured(lambda config: outcome_of(function(config, options, *arguments, error), error), error)


def _interruptible(call: Callable[[threading.Event], Outcome]) -> Outcome:
    """Runs `call` so that Ctrl-C, or whatever a signal handler raises, cancels it and then propagates.

    Python runs signal handlers on the main thread only, and loses what they raise inside a ctypes callback. So the main
    thread waits where it can be interrupted while another thread, joined before this returns, makes the call.
    """
    cancelled = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        return call(cancelled)

    finished: List[Union[Outcome, BaseException]] = []
    done = threading.Event()

    def work() -> None:
        try:
            finished.append(call(cancelled))
        except BaseException as problem:
            finished.append(problem)
        finally:
            done.set()

    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), name="b10_transfer")
    try:
        try:
            thread.start()
        except RuntimeError:  # the interpreter is shutting down: no more threads, and nobody to interrupt
            return call(cancelled)
        done.wait()
    finally:
        cancelled.set()
        if thread.is_alive():
            thread.join()
    result = finished[0]
    if isinstance(result, BaseException):
        raise result
    return result


def perform(
    name: str,
    raise_errors: bool,
    function: Callable[..., int],
    *arguments: Any,
    keep: Callable[[Outcome], None] = lambda _outcome: None,
) -> Outcome:
    """One operation from beginning to end: call, `keep` its outcome, log, raise if asked to."""
    try:
        outcome = _interruptible(lambda cancelled: _call(function, arguments, cancelled))
    except Exception as problem:
        outcome = internal(problem)
    keep(outcome)
    return conclude(name, raise_errors, outcome)


def conclude(name: str, raise_errors: bool, outcome: Outcome) -> Outcome:
    if outcome.status is OperationStatus.ERROR:
        if raise_errors:
            raise error_for(outcome.reason, outcome.message)
        _logger.error("%s: %s (%s)", name, outcome.message, outcome.reason)
    elif outcome.status is OperationStatus.SUCCESS:
        _logger.debug("%s: SUCCESS", name)
    else:
        _logger.info("%s: %s, %s (%s)", name, outcome.status.name, outcome.message, outcome.reason)
    return outcome


def tell_moved(name: str, status: OperationStatus, report: Report) -> OperationStatus:
    """How much a load or a save moved."""
    if status is OperationStatus.SUCCESS:
        _logger.info(
            "%s: %d files of %.1f MiB in %.3f s, archive '%s'",
            name,
            report.files,
            report.content_bytes / _MIB,
            report.wall_ns / 1e9,
            report.archive.decode("utf-8", "backslashreplace"),
        )
    return status


def _move(name: str, raise_errors: bool, function: Callable[..., int]) -> OperationStatus:
    report = Report()
    return tell_moved(name, perform(name, raise_errors, function, report).status, report)


def load_compile_cache(*, raise_errors: bool = False) -> OperationStatus:
    """Restore the compile cache of this environment from the shared volume, all or nothing.

    SUCCESS: installed. SKIPPED: the local directory already holds files. DOES_NOT_EXIST: nothing was saved for this
    environment. ERROR: see the log; the local directory is as it was.
    """
    return _move("load_compile_cache", raise_errors, library.b10_load)


def save_compile_cache(*, raise_errors: bool = False) -> OperationStatus:
    """Publish the local compile cache on the shared volume for this environment, whole or not at all.

    SUCCESS: published. SKIPPED: nothing to save, or saved already. ERROR: see the log; an archive that was there is as
    it was.
    """
    return _move("save_compile_cache", raise_errors, library.b10_save)


def clear_local_cache(*, raise_errors: bool = False) -> bool:
    """Remove the contents of the local cache directory. True also if there was none."""
    outcome = perform("clear_local_cache", raise_errors, library.b10_clear, Report())
    return outcome.status is OperationStatus.SUCCESS


def transfer(source: StrPath, dest: StrPath, *, raise_errors: bool = False) -> OperationStatus:
    """Copy one file by way of a temporary name beside `dest`, keeping the free space above its floor.

    Missing directories are created. SUCCESS or ERROR; after ERROR `dest` is as it was.
    """
    try:
        arguments = path_bytes(source), path_bytes(dest)
    except (TypeError, ValueError) as problem:
        outcome = Outcome(OperationStatus.ERROR, "CONFIG", str(problem))
        return conclude("transfer", raise_errors, outcome).status
    return perform("transfer", raise_errors, library.b10_transfer_file, *arguments).status


def _text(value: bytes) -> str:
    return os.fsdecode(value)


def _fact(line: str) -> Tuple[str, str]:
    name, _, value = line.partition("=")
    return name, value


def get_cache_info(*, raise_errors: bool = False) -> Dict[str, Any]:
    """The state of the local and the shared cache. Sizes in MiB, times in seconds since the epoch.

    The keys are always the same, whatever exists: environment_key, local_cache_exists, b10fs_enabled,
    b10fs_cache_exists, local_cache_size_mb, b10fs_cache_size_mb; and local_directory, shared_directory, archive,
    local_cache_files, b10fs_cache_files, b10fs_created_time, detection, detection_steps, facts.
    """
    info = CacheInfo()
    perform("get_cache_info", raise_errors, library.b10_info, info)
    return {
        "environment_key": _text(info.environment_key),
        "local_cache_exists": bool(info.local_cache_exists),
        "b10fs_enabled": bool(info.b10fs_enabled),
        "b10fs_cache_exists": bool(info.b10fs_cache_exists),
        "local_cache_size_mb": info.local_cache_bytes / _MIB,
        "b10fs_cache_size_mb": info.b10fs_cache_bytes / _MIB,
        "local_directory": _text(info.local_directory),
        "shared_directory": _text(info.shared_directory),
        "archive": _text(info.archive),
        "local_cache_files": info.local_cache_files,
        "b10fs_cache_files": info.b10fs_cache_files,
        "b10fs_created_time": float(info.b10fs_created_time),
        "detection": _text(info.detection),
        "detection_steps": dict(_fact(line) for line in _text(info.detection_steps).splitlines()),
        "facts": dict(_fact(line) for line in _text(info.facts).splitlines()),
    }


def _entries(caches: "ctypes._Pointer[CacheList]") -> Iterator[Dict[str, Any]]:
    for index in range(caches.contents.total_caches):
        entry: CacheEntry = library.b10_cache_list_at(caches, index).contents
        yield {
            "filename": _text(entry.filename),
            "environment_key": _text(entry.environment_key),
            "size_mb": entry.size_bytes / _MIB,
            "is_current_environment": bool(entry.is_current_environment),
            "created_time": float(entry.created_time),
        }


def list_available_caches(*, raise_errors: bool = False) -> Dict[str, Any]:
    """The archives on the shared volume, newest first.

    The keys are always the same: caches, current_environment, total_caches, current_cache_exists, b10fs_enabled; each
    of `caches` has filename, environment_key, size_mb, is_current_environment, created_time.
    """
    found = ctypes.POINTER(CacheList)()
    perform("list_available_caches", raise_errors, library.b10_list, ctypes.byref(found))
    if not found:
        return {
            "caches": [],
            "current_environment": "",
            "total_caches": 0,
            "current_cache_exists": False,
            "b10fs_enabled": False,
        }
    try:
        return {
            "caches": list(_entries(found)),
            "current_environment": _text(found.contents.current_environment),
            "total_caches": found.contents.total_caches,
            "current_cache_exists": bool(found.contents.current_cache_exists),
            "b10fs_enabled": bool(found.contents.b10fs_enabled),
        }
    finally:
        library.b10_cache_list_free(found)
