"""The console command: adds the detected tags, so that it names the archive that model.py names, and the path of this
environment, and becomes the native command."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from . import _prefix, _tags
from ._library import COMMAND, PACKAGE


def main() -> NoReturn:
    tags = _tags.merged()
    if tags is not None:
        os.environ[_tags.VARIABLE] = tags
    prefix = _prefix.detected()
    if prefix is not None:
        os.environ[_prefix.VARIABLE] = prefix
    native = PACKAGE / COMMAND
    try:
        os.execv(native, [COMMAND, *sys.argv[1:]])
    except OSError as error:
        sys.exit(f"{COMMAND}: cannot execute {native}: {error.strerror}")


if __name__ == "__main__":
    main()
