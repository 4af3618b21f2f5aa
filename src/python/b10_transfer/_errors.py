"""Statuses, and the exceptions that ``raise_errors=True`` asks for."""

from __future__ import annotations

from enum import Enum


class OperationStatus(Enum):
    """What an operation came to."""

    SUCCESS = 1
    ERROR = 2
    DOES_NOT_EXIST = 3
    SKIPPED = 4


class CacheError(Exception):
    """An operation ended with ERROR. ``reason`` is the library's code for it, such as ``"IO"``."""

    def __init__(self, message: str = "", reason: str = "INTERNAL") -> None:
        super().__init__(message)
        self.reason = reason

    @property
    def message(self) -> str:
        return str(self)


class CacheValidationError(CacheError):
    """A setting is invalid (CONFIG), or an archive breaks a safety rule (UNSAFE)."""


class CacheOperationInterrupted(CacheError):
    """The operation stopped because space ran out (NO_SPACE)."""


_BY_REASON = {
    "CONFIG": CacheValidationError,
    "UNSAFE": CacheValidationError,
    "NO_SPACE": CacheOperationInterrupted,
}


def error_for(reason: str, message: str) -> CacheError:
    return _BY_REASON.get(reason, CacheError)(message, reason)
