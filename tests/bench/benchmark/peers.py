"""Everyone who saves and loads: how each is called. A call returns a dict with seconds, cpu and, where known, peak."""
import json
import subprocess
import sys

from benchmark.programs import BENCH
from benchmark.volumes import LOCAL, SHARED, settings

LIBRARY = "this library"
COMMAND = "b10-compile-cache"
LIMIT = "write limit, 2 threads"
COPY = "cp -r"
TAR = "tar --zstd"
BSDTAR = "bsdtar --zstd"
SLOW_TAR = "tar --zstd, cp"  # by way of a file on the local disk
PYPI = "PyPI b10-transfer 0.4.1"

LOADERS = [LIMIT, LIBRARY, COMMAND, COPY, TAR, BSDTAR, PYPI]
SAVERS = [LIBRARY, COMMAND, TAR, BSDTAR, PYPI]

_FILES = {TAR: SHARED / "tar.tar.zst", SLOW_TAR: SHARED / "copied.tar.zst", BSDTAR: SHARED / "bsdtar.tar.zst"}
_COPY = LOCAL / "copied.tar.zst"


def measure(command, environment):
    """Runs a program that prints one line of JSON about itself."""
    done = subprocess.run(list(map(str, command)), env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True)
    try:
        answer = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        answer = {"status": "no answer"}
    if answer.get("status", 0) not in (0, "SUCCESS", "SKIPPED", "DOES_NOT_EXIST"):
        sys.exit(f"{' '.join(map(str, command))}: {answer['status']}\n{done.stderr}")
    return answer


class Peers:
    def __init__(self, programs):
        self._programs = programs
        self._measured = programs.path("measured")
        self.slow_volume = programs.path("faultfs")

    def path(self, name):
        return self._programs.path(name)

    def program(self, program, operation, local):
        """A program that is called like programs/library.c."""
        return self._expect(measure([program, operation], settings(local)))

    def library(self, operation, local, **extra):
        return measure([self._programs.path("library"), operation], settings(local) | extra)

    def save(self, name, source):
        """Saves the tree at `source`; returns the cost, with `bytes`: the archive's size."""
        if name == LIBRARY:
            return self._expect(self.library("save", source))
        if name == COMMAND:
            command = [self._measured, self._programs.command, "--quiet", "save"]
        elif name == PYPI:
            command = self._pypi("save")
        elif name == SLOW_TAR:
            command = [self._measured, "--sync", _FILES[name], "sh", "-c",
                       'tar --zstd -cf "$1" -C "$2" . && cp "$1" "$3"', "sh", _COPY, source, _FILES[name]]
        else:
            how = ["--zstd", "-cf"] if name == TAR else [
                "--zstd", "--options", "zstd:threads=2,zstd:compression-level=1", "-cf"]
            file = _FILES[name]
            command = [self._measured, "--sync", file, name.split()[0], *how, file, "-C", source, "."]
        before = set(SHARED.iterdir())
        answer = self._expect(measure(command, settings(source)))
        written = [file for file in SHARED.iterdir() if file not in before or file in _FILES.values()]
        return answer | {"bytes": max((file.stat().st_size for file in written), default=0)}

    def load(self, name, source, target):
        """Loads what `name` saved into `target`; the limit and cp take the tree itself."""
        if name == LIBRARY:
            return self._expect(self.library("load", target))
        if name == LIMIT:
            command = [self._programs.path("write_limit"), source, target]
        elif name == COMMAND:
            command = [self._measured, self._programs.command, "--quiet", "load", "--require-hit"]
        elif name == PYPI:
            command = self._pypi("load")
        elif name == SLOW_TAR:
            target.mkdir()
            command = [self._measured, "sh", "-c", 'cp "$3" "$1" && tar --zstd -xf "$1" -C "$2"', "sh", _COPY, target,
                       _FILES[name]]
        elif name == COPY:
            command = [self._measured, "cp", "-r", source, target]
        else:
            target.mkdir()
            command = [self._measured, name.split()[0], *(["--zstd"] if name == TAR else []), "-xf", _FILES[name],
                       "-C", target]
        return self._expect(measure(command, settings(target)))

    def _pypi(self, operation):
        return [self._programs.python, BENCH / "peers/pypi.py", self._programs.path("pypi"), operation]

    @staticmethod
    def _expect(answer):
        if answer["status"] not in (0, "SUCCESS"):
            sys.exit(f"not what was asked for: {answer}")
        return answer
