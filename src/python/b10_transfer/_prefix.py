"""The path of this Python environment, recorded in an archive: Inductor and vLLM hash the paths of their sources, so a
cache is cold in another virtual environment. `b10-compile-cache key --explain` tells."""

from __future__ import annotations

import os
import sys
from typing import Optional

VARIABLE = "B10_PYTHON_PREFIX"


def detected() -> Optional[str]:
    """The value for B10_PYTHON_PREFIX; None where the user has set it, or where there is no path to tell."""
    if VARIABLE in os.environ or not os.path.isabs(sys.prefix):
        return None
    return sys.prefix
