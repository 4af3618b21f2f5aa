"""libb10transfer by ctypes: where it is found, its structs and its functions, as in b10transfer.h.

CDLL releases the GIL during every call. Struct fields here are checked against the header by the tests.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char,
    c_char_p,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_uint8,
    c_uint32,
    c_uint64,
    c_void_p,
)
from pathlib import Path

NAME = "libb10transfer.so.0"
COMMAND = "b10-compile-cache"
PACKAGE = Path(__file__).resolve().parent

_KEY_SIZE = 208
_PATH_SIZE = 4096


def _open() -> ctypes.CDLL:
    """The library of this package, else the system's."""
    beside = PACKAGE / NAME
    failures = []
    for place in ([str(beside)] if beside.exists() else []) + [NAME]:
        try:
            return ctypes.CDLL(place)
        except OSError as error:
            failures.append(str(error))
    if not beside.exists():
        failures.insert(0, f"{beside}: no such file")
    raise ImportError(
        f"cannot load {NAME}, looked for beside the module and through the system's loader "
        f"(LD_LIBRARY_PATH, ld.so.conf): {'; '.join(failures)}",
        name=__package__,
        path=str(beside),
    )


class Sized(Structure):
    """A struct of the ABI: begins with its own size."""

    def __init__(self) -> None:
        super().__init__(struct_size=ctypes.sizeof(self))


class Error(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        ("code", c_uint32),
        ("sys_errno", c_int32),
        ("reserved", c_uint32),
        ("message", c_char * 1000),
    ]


class Report(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reason", c_uint32),
        ("environment_key", c_char * _KEY_SIZE),
        ("archive", c_char * _PATH_SIZE),
        ("destination", c_char * _PATH_SIZE),
        ("archive_bytes", c_uint64),
        ("content_bytes", c_uint64),
        ("files", c_uint64),
        ("directories", c_uint64),
        ("duplicates", c_uint64),
        ("existing", c_uint64),
        ("left_out_changed", c_uint64),
        ("left_out_torn", c_uint64),
        ("left_out_unsafe", c_uint64),
        ("roots_left_out", c_uint64),
        ("archives_set_aside", c_uint64),
        ("wall_ns", c_uint64),
        ("fallback", c_uint32),
        ("threads_left", c_uint32),
        ("difference", c_char * 512),
        ("merged_files", c_uint64),
        ("relocated_files", c_uint64),
        ("unrelocated_files", c_uint64),
        ("archive_token", c_char * 33),
        ("reserved", c_uint8 * 3),
        ("suspect", c_uint32),
    ]


class ServeReport(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reason", c_uint32),
        ("phases", c_uint32),
        ("load_status", c_uint32),
        ("load_reason", c_uint32),
        ("save_status", c_uint32),
        ("save_reason", c_uint32),
        ("ready", c_uint32),
        ("http_status", c_uint32),
        ("quiet", c_uint32),
        ("warmth", c_uint32),
        ("threads_left", c_uint32),
        ("tries", c_uint64),
        ("load_ns", c_uint64),
        ("wait_ns", c_uint64),
        ("settle_ns", c_uint64),
        ("save_ns", c_uint64),
        ("wall_ns", c_uint64),
        ("local_files", c_uint64),
        ("local_bytes", c_uint64),
        ("new_files", c_uint64),
        ("new_bytes", c_uint64),
        ("new_directories", c_uint64),
        ("load", POINTER(Report)),
        ("save", POINTER(Report)),
        ("verdict", c_char * 512),
        ("load_message", c_char * 512),
        ("save_message", c_char * 512),
    ]


class CacheInfo(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        ("b10fs_enabled", c_uint8),
        ("b10fs_cache_exists", c_uint8),
        ("local_cache_exists", c_uint8),
        ("reserved", c_uint8),
        ("environment_key", c_char * _KEY_SIZE),
        ("local_directory", c_char * _PATH_SIZE),
        ("shared_directory", c_char * _PATH_SIZE),
        ("archive", c_char * _PATH_SIZE),
        ("local_cache_bytes", c_uint64),
        ("local_cache_files", c_uint64),
        ("b10fs_cache_bytes", c_uint64),
        ("b10fs_cache_files", c_uint64),
        ("b10fs_created_time", c_int64),
        ("detection", c_char * 64),
        ("facts", c_char * 4096),
        ("detection_steps", c_char * 2048),
    ]


class CacheEntry(Structure):
    _fields_ = [
        ("filename", c_char * 256),
        ("environment_key", c_char * _KEY_SIZE),
        ("size_bytes", c_uint64),
        ("created_time", c_int64),
        ("is_current_environment", c_uint8),
        ("reserved", c_uint8 * 7),
    ]


class CacheList(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("entry_size", c_uint32),
        ("b10fs_enabled", c_uint8),
        ("current_cache_exists", c_uint8),
        ("reserved", c_uint8 * 6),
        ("current_environment", c_char * _KEY_SIZE),
        ("total_caches", c_uint64),
        ("caches", c_void_p),
    ]


class Progress(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("phase_is_final", c_uint32),
        ("phase", c_char_p),
        ("bytes_done", c_uint64),
        ("bytes_total", c_uint64),
        ("files_done", c_uint64),
        ("files_total", c_uint64),
    ]


LogFunction = CFUNCTYPE(None, c_void_p, c_int, c_char_p)
ProgressFunction = CFUNCTYPE(c_int, c_void_p, POINTER(Progress))


class Options(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("log", LogFunction),
        ("log_user", c_void_p),
        ("progress", ProgressFunction),
        ("progress_user", c_void_p),
        ("cancel", c_void_p),
        ("ready", c_void_p),
        ("ready_user", c_void_p),
        ("serve_phases", c_uint32),
        ("reserved_2", c_uint32),
    ]


# name -> result, arguments
_PROTOTYPES = {
    "b10_version": (c_char_p, []),
    "b10_reason_name": (c_char_p, [c_uint32]),
    "b10_config_new": (c_void_p, []),
    "b10_config_free": (None, [c_void_p]),
    "b10_config_set": (c_int, [c_void_p, c_char_p, c_char_p, POINTER(Error)]),
    "b10_load": (c_int, [c_void_p, POINTER(Options), POINTER(Report), POINTER(Error)]),
    "b10_save": (c_int, [c_void_p, POINTER(Options), POINTER(Report), POINTER(Error)]),
    "b10_serve_flow": (c_int, [c_void_p, POINTER(Options), POINTER(ServeReport), POINTER(Error)]),
    "b10_info": (c_int, [c_void_p, POINTER(Options), POINTER(CacheInfo), POINTER(Error)]),
    "b10_list": (c_int, [c_void_p, POINTER(Options), POINTER(POINTER(CacheList)), POINTER(Error)]),
    "b10_clear": (c_int, [c_void_p, POINTER(Options), POINTER(Report), POINTER(Error)]),
    "b10_load_start": (c_void_p, [c_void_p, POINTER(Options), POINTER(Error)]),
    "b10_save_start": (c_void_p, [c_void_p, POINTER(Options), POINTER(Error)]),
    "b10_operation_poll": (c_int, [c_void_p, POINTER(Progress)]),
    "b10_operation_wait": (c_int, [c_void_p, POINTER(Report), POINTER(Error)]),
    "b10_operation_cancel": (None, [c_void_p]),
    "b10_operation_free": (None, [c_void_p]),
    "b10_transfer_file": (c_int, [c_void_p, POINTER(Options), c_char_p, c_char_p, POINTER(Error)]),
    "b10_cache_list_at": (POINTER(CacheEntry), [POINTER(CacheList), c_size_t]),
    "b10_cache_list_free": (None, [POINTER(CacheList)]),
}


def _prepare(library: ctypes.CDLL) -> ctypes.CDLL:
    for name, (result, arguments) in _PROTOTYPES.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


library = _prepare(_open())


def version() -> str:
    return library.b10_version().decode("ascii")


def path_bytes(path: "str | bytes | os.PathLike[str] | os.PathLike[bytes]") -> bytes:
    """A path for the library. C would silently stop at a NUL."""
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise ValueError(f"embedded NUL in path {path!r}")
    return encoded
