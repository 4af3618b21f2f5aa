"""examples/model.py with a real torch.compile: what one replica compiled, the next one finds."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from b10_transfer import get_cache_info, list_available_caches
from conftest import ROOT

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")


def start(host):
    """One start of the server in a fresh process, as {name: text} of the lines that it prints."""
    result = subprocess.run(
        [sys.executable, str(ROOT / "examples/model.py")],
        env={**os.environ, **host.environment},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert result.returncode == 0, result.stderr
    print(result.stdout)
    return dict(re.match(r"(.*?): +(.*)", line).groups() for line in result.stdout.splitlines())


def new_replica(host):
    """All that a container has on its own disk is gone."""
    shutil.rmtree(host.temporary)
    host.temporary.mkdir()


def assert_cold(replica):
    assert replica["load"].startswith("DOES_NOT_EXIST")
    assert replica["save"].startswith("SUCCESS")
    assert int(replica["cache hits"]) == 0


def assert_warm(replica, cold):
    assert replica["load"].startswith("SUCCESS")
    assert replica["save"].startswith("SKIPPED")
    assert int(replica["cache hits"]) > 0
    assert int(replica["cache misses"]) == 0
    assert replica["output"] == cold["output"]


def test_a_second_replica_starts_warm_with_the_same_output(host, monkeypatch):
    """In PyTorch's default directory, which holds its precompiled headers too."""
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    del host.environment["TORCHINDUCTOR_CACHE_DIR"]
    assert_cold(cold := start(host))

    info, listing = get_cache_info(), list_available_caches()
    assert info["facts"]["tag.torch"] == torch.__version__
    assert info["b10fs_cache_exists"] and info["local_cache_exists"]
    assert info["b10fs_cache_files"] == info["local_cache_files"] > 0
    assert listing["current_cache_exists"] and listing["total_caches"] == 1

    new_replica(host)
    assert_warm(start(host), cold)


def test_headers_outside_the_cache_directory_come_back_too(host):
    """PyTorch keeps its precompiled headers in the default directory even when the cache is elsewhere."""
    assert_cold(cold := start(host))
    (default,) = host.temporary.glob("torchinductor_*")
    headers = sorted(path.name for path in default.glob("precompiled_headers/*"))
    assert headers, "this PyTorch makes no precompiled headers: the test tests nothing"

    new_replica(host)
    assert_warm(start(host), cold)
    assert sorted(path.name for path in default.glob("precompiled_headers/*")) == headers
