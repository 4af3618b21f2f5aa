"""Versions that belong into the environment key: a cache made by another PyTorch is another cache.

They are read from the metadata of the installed distributions. Importing torch for its version would cost seconds and
might start CUDA.
"""

from __future__ import annotations

import functools
import os
import re
import sys
from importlib import metadata
from typing import Dict, Mapping, Optional

VARIABLE = "B10_CACHE_TAGS"

# Tag name -> the distributions that may provide it, first match wins.
_DISTRIBUTIONS = {"torch": ("torch",), "triton": ("triton", "pytorch-triton")}

_TAG = re.compile(r"([a-z0-9_]{1,32})=([A-Za-z0-9._+-]{1,64})")
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9._+-]")


def _version(distribution: str) -> Optional[str]:
    try:
        return metadata.version(distribution) or None
    except Exception:  # not installed, or its metadata is damaged: either way it has no version to tell
        return None


@functools.lru_cache(maxsize=1)
def _detected() -> Mapping[str, str]:
    tags = {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    for name, distributions in _DISTRIBUTIONS.items():
        version = next(filter(None, map(_version, distributions)), None)
        if version:
            tags[name] = _NOT_ALLOWED.sub("_", version)[:64]
    return tags


def detected() -> Dict[str, str]:
    """Tags of this interpreter and its packages, found once per process."""
    return dict(_detected())


def parse(text: str) -> Optional[Dict[str, str]]:
    """``name=value,...`` as a dict, None if it breaks the rule for tags."""
    tags: Dict[str, str] = {}
    for item in text.split(",") if text else ():
        match = _TAG.fullmatch(item)
        if match is None or match[1] in tags:
            return None
        tags[match[1]] = match[2]
    return tags


def merged() -> Optional[str]:
    """The value for B10_CACHE_TAGS: what the user set there wins over what was detected.

    None if what is set breaks the rule: it stays as it is, and the library names it in its error.
    """
    explicit = parse(os.environ.get(VARIABLE, ""))
    if explicit is None:
        return None
    return ",".join(f"{name}={value}" for name, value in sorted({**detected(), **explicit}.items()))
