"""The library's log lines as records of the logger ``b10_transfer``.

No handler is installed and no level is set: that is the application's business. B10_LOG_LEVEL decides what the library
passes on.
"""

from __future__ import annotations

import logging

ROOT = "b10_transfer"

# b10_log_level -> logging
_LEVELS = {0: logging.ERROR, 1: logging.WARNING, 2: logging.INFO, 3: logging.DEBUG}


def get_b10_logger(name: str = ROOT) -> logging.Logger:
    """The child ``name`` of the logger ``b10_transfer``; that logger itself for its own name or none."""
    if not name or name == ROOT:
        return logging.getLogger(ROOT)
    if name.startswith(ROOT + "."):
        return logging.getLogger(name)
    return logging.getLogger(f"{ROOT}.{name}")


def forward(level: int, message: bytes) -> None:
    """One line of the library; file names that are no UTF-8 are shown escaped."""
    text = message.decode("utf-8", "backslashreplace")
    logging.getLogger(ROOT).log(_LEVELS.get(level, logging.INFO), "%s", text)
