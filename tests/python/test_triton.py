"""Triton's caches: what it compiles for any CPU does not tie an archive to one (checked with Triton's own compiler call and
names), and kernels are used at another path than they were compiled at (real ones; no GPU is needed)."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from b10_transfer import OperationStatus, _launcher, load_compile_cache, save_compile_cache

pytest.importorskip("triton", reason="triton is not installed")

MODULE = """
#include <Python.h>
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "%s", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_%s(void) { return PyModule_Create(&definition); }
"""


def compile_as(host, name):
    """A module of that name, compiled and stored as Triton does it for its launchers and driver stubs."""
    source = MODULE % (name, name)
    result = host.python(
        f"from triton.runtime.build import compile_module_from_src\ncompile_module_from_src({source!r}, {name!r})\n",
        check=False,
        TRITON_CACHE_DIR=str(host.local / "triton" / "0"),
    )
    if "cannot import name" in result.stderr:
        pytest.skip("another Triton, without compile_module_from_src")
    if "Failed to find C compiler" in result.stderr or "Python.h" in result.stderr:
        pytest.skip("no C compiler, or no headers of Python")
    assert result.returncode == 0, result.stderr


def host_code_files(host):
    assert save_compile_cache() is OperationStatus.SUCCESS
    (archive,) = host.archives()
    result = subprocess.run(
        [_launcher.PACKAGE / "b10-compile-cache", "verify", "--json", archive], capture_output=True, check=True
    )
    answer = json.loads(result.stdout)
    assert answer["files"] >= 1
    return answer["host_code_files"]


@pytest.mark.parametrize("name", ["cuda_utils", "hip_utils", "__triton_launcher"])
def test_a_launcher_or_driver_stub_is_no_host_code(host, name):
    compile_as(host, name)
    assert list(host.local.rglob(f"{name}*.so"))
    assert host_code_files(host) == 0


def test_any_other_module_counts(host):
    compile_as(host, "somebodys_module")
    assert host_code_files(host) == 1


KERNELS = Path(__file__).resolve().parents[1] / "bench" / "trees" / "triton_kernels.py"


class Replica:
    """A host with a path of its own for Triton's cache; the main root is the host's."""

    def __init__(self, host, monkeypatch, name):
        self.host, self.monkeypatch = host, monkeypatch
        self.directory = host.directory / name
        self.cache = self.directory / "triton" / "cache"
        self.main = self.directory / "inductor"

    def enter(self):
        for name, value in self.variables().items():
            self.monkeypatch.setenv(name, value)

    def variables(self):
        return {"TRITON_CACHE_DIR": str(self.cache), "TORCHINDUCTOR_CACHE_DIR": str(self.main)}

    def compile(self, *capabilities):
        """Two kernels for each; returns whether Triton had to compile anything."""
        before = self.state()
        result = subprocess.run(
            [sys.executable, KERNELS, "2", *map(str, capabilities)],
            env={**os.environ, **self.host.environment, **self.variables()},
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert result.returncode == 0, result.stderr
        return self.state() != before

    def state(self):
        """Triton puts each file it compiles into place by a rename: names, inodes, times."""
        found = {path: path.stat() for path in self.cache.rglob("*") if path.is_file()}
        return {path: (stat.st_ino, stat.st_mtime_ns) for path, stat in found.items()}

    def save(self):
        self.main.mkdir(parents=True, exist_ok=True)
        (self.main / "entry").write_text("the main root must hold something")
        self.enter()
        return save_compile_cache()

    def load(self):
        self.enter()
        return load_compile_cache()


def test_kernels_are_used_at_another_path(host, monkeypatch):
    one, two = Replica(host, monkeypatch, "one"), Replica(host, monkeypatch, "two")
    assert one.compile(90)
    assert not one.compile(90)
    assert one.save() is OperationStatus.SUCCESS
    shutil.rmtree(one.directory)
    assert two.load() is OperationStatus.SUCCESS
    assert two.state()
    assert not two.compile(90)
    assert two.compile(80)


def test_kernels_merged_from_two_paths_are_used_at_a_third(host, monkeypatch):
    monkeypatch.setenv("B10_SAVE_MODE", "merge")
    one, two, three = (Replica(host, monkeypatch, name) for name in ("one", "two", "three"))
    assert one.compile(90)
    assert one.save() is OperationStatus.SUCCESS
    assert two.compile(80)
    assert two.save() is OperationStatus.SUCCESS
    shutil.rmtree(one.directory)
    shutil.rmtree(two.directory)
    assert three.load() is OperationStatus.SUCCESS
    assert not three.compile(80, 90)


def test_without_new_paths_the_same_kernels_would_be_compiled_again(host, monkeypatch):
    """What the tests above would miss if Triton came to know its files by other means."""
    one, two = Replica(host, monkeypatch, "one"), Replica(host, monkeypatch, "two")
    assert one.compile(90)
    shutil.copytree(one.cache, two.cache)
    shutil.rmtree(one.directory)
    assert two.compile(90)
