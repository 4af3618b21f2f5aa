"""The flow beside a server that starts: load, wait until it serves, save."""

from __future__ import annotations

import ctypes
import os
from typing import Any, Dict, Optional

from ._errors import OperationStatus
from ._library import Report, ServeReport, library
from ._operations import Outcome, perform

_MIB = 1024 * 1024
_WARMTHS = (None, "warm", "partly", "cold")


def _part(status: int, report: Report, message: bytes, elapsed_ns: int) -> Optional[Dict[str, Any]]:
    """What the load or the save did; None if it was not begun."""
    if status == 0:
        return None
    return {
        "status": OperationStatus(status).name,
        "reason": library.b10_reason_name(report.reason).decode("ascii"),
        "message": message.decode("utf-8", "backslashreplace"),
        "archive": os.fsdecode(report.archive),
        "archive_size_mb": report.archive_bytes / _MIB,
        "content_size_mb": report.content_bytes / _MIB,
        "files": report.files,
        "existing": report.existing,
        "merged_files": report.merged_files,
        "seconds": elapsed_ns / 1e9,
    }


def _describe(outcome: Outcome, serve: ServeReport, load: Report, save: Report) -> Dict[str, Any]:
    return {
        "status": outcome.status.name,
        "reason": outcome.reason,
        "message": outcome.message,
        "verdict": serve.verdict.decode("utf-8", "backslashreplace"),
        "warmth": _WARMTHS[serve.warmth] if serve.warmth < len(_WARMTHS) else None,
        "ready": bool(serve.ready),
        "http_status": serve.http_status,
        "tries": serve.tries,
        "quiet": bool(serve.quiet),
        "local_files": serve.local_files,
        "local_size_mb": serve.local_bytes / _MIB,
        "new_files": serve.new_files,
        "new_size_mb": serve.new_bytes / _MIB,
        "new_directories": serve.new_directories,
        "wait_seconds": serve.wait_ns / 1e9,
        "settle_seconds": serve.settle_ns / 1e9,
        "seconds": serve.wall_ns / 1e9,
        "load": _part(serve.load_status, load, serve.load_message, serve.load_ns),
        "save": _part(serve.save_status, save, serve.save_message, serve.save_ns),
    }


def save_vllm_compile_cache(*, report: Optional[Dict[str, Any]] = None, raise_errors: bool = False) -> None:
    """Beside a vLLM server that starts: load its cache, wait until it serves, save what it compiled.

    Blocks until the server at B10_TRANSFER_VLLM_URL is ready (at most B10_TRANSFER_TIMEOUT_S) and its cache is saved, so
    it belongs into a thread or a process of its own. Never ends the caller's process. What happened is in the log, and,
    where a dict is given, in `report`: status, reason, message, verdict ("warm: 219 of 219 files from the cache"), warmth,
    seconds, and what `load` and `save` did.
    """
    serve, load, save = ServeReport(), Report(), Report()
    serve.load, serve.save = ctypes.pointer(load), ctypes.pointer(save)
    kept: Dict[str, Any] = report if report is not None else {}
    kept.clear()

    def keep(outcome: Outcome) -> None:
        kept.update(_describe(outcome, serve, load, save))

    perform("save_vllm_compile_cache", raise_errors, library.b10_serve_flow, serve, keep=keep)
