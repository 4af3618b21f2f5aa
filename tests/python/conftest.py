"""What the tests share: a volume and a local cache directory of their own, and subprocesses that see them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Host:
    """One replica: its local cache and the volume it shares."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.temporary = directory / "tmp"
        self.local = directory / "tmp" / "cache"
        self.mount = directory / "volume"
        self.shared = directory / "volume" / "compile_cache"
        self.temporary.mkdir()
        self.mount.mkdir()
        self.environment = {
            "BASETEN_FS_ENABLED": "1",
            "TMPDIR": str(self.temporary),
            "HOME": str(directory / "home"),
            "TORCHINDUCTOR_CACHE_DIR": str(self.local),
            "B10FS_CACHE_DIR": str(self.shared),
            "LOCAL_WORK_DIR": "/tmp/no-such-work-directory",
            "MIN_LOCAL_SPACE_MB": "0",
            "MIN_B10FS_SPACE_MB": "0",
        }

    def fill(self, files: int = 5, size: int = 1000) -> None:
        for number in range(files):
            path = self.local / f"d{number % 3}" / f"kernel{number}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.urandom(size))

    def content(self) -> dict:
        return {
            str(path.relative_to(self.local)): path.read_bytes()
            for path in sorted(self.local.rglob("*"))
            if path.is_file()
        }

    def archives(self) -> list:
        return sorted(self.shared.iterdir()) if self.shared.exists() else []

    def python(self, code: str, *, check: bool = True, **variables: str) -> subprocess.CompletedProcess:
        """Runs `code` in a process of its own on this host."""
        return subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **self.environment, **variables},
            capture_output=True,
            text=True,
            check=check,
            timeout=120,
        )


SETTINGS = (
    "BASETEN_FS_ENABLED TORCHINDUCTOR_CACHE_DIR B10_LOCAL_PREFIXES B10FS_CACHE_DIR LOCAL_WORK_DIR MAX_CACHE_SIZE_MB "
    "B10_CACHE_KIND VLLM_CACHE_ROOT XDG_CACHE_HOME SGLANG_CACHE_DIR TRITON_CACHE_DIR "
    "MAX_CACHE_SIZE_CAP_MB MIN_LOCAL_SPACE_MB MIN_B10FS_SPACE_MB B10_SAVE_MODE B10_LOAD_MODE B10_CACHE_TAGS "
    "B10_CACHE_ROOTS B10_COMPRESSION_LEVEL B10_THREADS B10_ENVIRONMENT_KEY B10_GPU_PROBE B10_PYTHON_PREFIX "
    "B10_TRANSFER_VLLM_URL B10_TRANSFER_VLLM_API_KEY B10_TRANSFER_TIMEOUT_S B10_TRANSFER_INTERVAL_S "
    "B10_LOG_LEVEL TMPDIR TEMP TMP"
).split()


@pytest.fixture
def host(tmp_path, monkeypatch):
    host = Host(tmp_path)
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    for name, value in host.environment.items():
        monkeypatch.setenv(name, value)
    return host
