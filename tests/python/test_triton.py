"""What Triton compiles for any CPU does not tie an archive to one: checked with Triton's own compiler call and names."""

import json
import subprocess

import pytest
from b10_transfer import OperationStatus, _launcher, save_compile_cache

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
