"""The programs that are measured, and those that measure: built, found or downloaded into one folder."""
import glob
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from benchmark.volumes import quietly

BENCH = Path(__file__).resolve().parent.parent
ROOT = BENCH.parent.parent
PEER = "b10-transfer==0.4.1"
BARE_OF = ("job_run", "watchdog_start", "lockfile_acquire")


class Programs:
    def __init__(self, build, python):
        self.build = build
        self.python = python
        self.library_build = build / "release"
        self.command = self.library_build / "src/cli/b10-compile-cache"

    def make_slow_volume(self):
        need("pkg-config", "fusermount3")
        flags = quietly("pkg-config", "--cflags", "--libs", "fuse3").split()
        folder = ROOT / "tests/fault/faultfs"
        quietly("cc", "-O2", "-std=c11", "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", f"-I{ROOT / 'tests'}",
                *folder.glob("*.c"), "-o", self.path("faultfs"), "-pthread", *flags)

    def make_library(self):
        """The library and the command, as they are released."""
        need("cc", "cmake", "mkfs.ext4", "unshare")
        self.build.mkdir(parents=True, exist_ok=True)
        quietly("cmake", "-S", ROOT, "-B", self.library_build, "-DCMAKE_BUILD_TYPE=Release")
        quietly("cmake", "--build", self.library_build, "--parallel")

    def make(self):
        self.make_library()
        need("tar", "zstd", "bsdtar")
        for name in ("measured", "library", "write_limit"):
            self._compile(name)
        self._link_static("whole")
        self._link_static("bare", BENCH / "programs/bare.c", *(f"-Wl,--wrap={name}" for name in BARE_OF))
        self._download_peer()

    def path(self, name):
        return self.build / name

    def _compile(self, name):
        objects = self.library_build / "src"
        quietly("cc", "-O2", "-std=c11", "-D_GNU_SOURCE", f"-I{ROOT / 'include'}", BENCH / "programs" / f"{name}.c",
                "-o", self.path(name), "-pthread", f"-L{objects}", "-lb10transfer", f"-Wl,-rpath,{objects}")

    def _link_static(self, name, *more):
        """programs/library.c with the library's own objects, and what replaces some of them."""
        libraries = quietly("pkg-config", "--libs", "libarchive", "libzstd", "libsodium", "jansson").split()
        quietly("cc", "-O2", "-std=c11", "-D_GNU_SOURCE", f"-I{ROOT / 'include'}", f"-I{ROOT / 'src'}",
                BENCH / "programs/library.c", *more, "-o", self.path(name), "-pthread",
                self.library_build / "src/libb10_internal.a", *libraries, "-ldl", "-lm")

    def _download_peer(self):
        """Unpacks the wheel of the PyPI package into a folder of its own: its module has the name of ours."""
        folder = self.path("pypi")
        if folder.exists():
            return
        wheels = self.path("wheels")
        quietly(self.python, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", wheels, PEER)
        with zipfile.ZipFile(glob.glob(str(wheels / "*.whl"))[0]) as wheel:
            wheel.extractall(folder)


def need(*commands):
    missing = [name for name in commands if not shutil.which(name)]
    if missing:
        sys.exit(f"not installed: {', '.join(missing)}")


def find_python(given):
    """A Python with torch, triton and transformers: the one given, or what tests/run.sh installs."""
    python = Path(given) if given else ROOT / "build/venv/bin/python"
    probe = [python, "-c", "import importlib.metadata as m; [m.version(n) for n in ('torch', 'triton', 'transformers')]"]
    if not python.exists() or subprocess.run(probe, capture_output=True).returncode:
        sys.exit(f"{python} has no torch, triton and transformers: run tests/run.sh once, or give --python")
    return Path(os.path.abspath(python))
