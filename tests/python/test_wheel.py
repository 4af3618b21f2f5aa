"""`pip install .`: what the wheel holds, and that it works in a fresh environment without anything else."""

import json
import os
import subprocess
import sys
import zipfile

import pytest
from conftest import ROOT

# PYTHONPATH points to the package of the build folder; here the installed one is meant.
CLEAN = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built in this environment if it has the build tool, else in one that pip makes."""
    directory = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(directory), str(ROOT)]
    try:
        import scikit_build_core  # noqa: F401

        command.append("--no-build-isolation")
    except ImportError:
        pass
    subprocess.run(command, check=True, env=CLEAN)
    (path,) = directory.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """A virtual environment that has the wheel and a distribution that calls itself torch."""
    directory = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(directory)], check=True)
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(directory / "bin/python"), "install", "--quiet"]
        + ["--no-deps", "--no-index", str(wheel)],
        check=True,
        env=CLEAN,
    )
    (packages,) = directory.glob("lib/python3*/site-packages")
    metadata = packages / "torch-9.8.7.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: torch\nVersion: 9.8.7+test\n")
    return directory


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    sources = {
        f"b10_transfer/{path.name}"
        for path in (ROOT / "src/python/b10_transfer").iterdir()
        if path.suffix == ".py" or path.name == "py.typed"
    }
    package = {name for name in names if ".dist-info/" not in name}
    built = {"libb10transfer.so.0", "b10-compile-cache", "b10-gpu-probe"}
    assert package == sources | {f"b10_transfer/{name}" for name in built}


def test_the_wheel_is_for_every_python_3_on_this_platform(wheel):
    name, version, python, abi, platform = wheel.stem.split("-")
    assert (name, python, abi) == ("b10_transfer", "py3", "none")
    assert platform.startswith("linux_") or "manylinux" in platform
    assert f"VERSION {version} " in (ROOT / "CMakeLists.txt").read_text()


def test_the_wheel_requires_nothing(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = [name for name in archive.namelist() if name.endswith("dist-info/METADATA")]
        assert b"Requires-Dist" not in archive.read(metadata)


def test_the_native_command_finds_the_library_beside_it(environment):
    (command,) = environment.glob("lib/python3*/site-packages/b10_transfer/b10-compile-cache")
    assert os.access(command, os.X_OK)
    loaded = subprocess.run(["ldd", str(command)], capture_output=True, text=True, env=CLEAN).stdout
    assert "libb10transfer.so.0" in loaded
    assert str(command.parent / "libb10transfer.so.0") in loaded


def test_module_and_command_work_and_name_the_same_archive(environment, host):
    result = subprocess.run(
        [str(environment / "bin/python"), "-c"]
        + ["import b10_transfer as b, json; print(json.dumps(b.get_cache_info()))"],
        capture_output=True,
        text=True,
        check=True,
        env={**CLEAN, **host.environment},
    )
    info = json.loads(result.stdout)
    assert info["facts"]["tag.torch"] == "9.8.7+test"
    result = subprocess.run(
        [str(environment / "bin/b10-compile-cache"), "info", "--json"],
        capture_output=True,
        text=True,
        check=True,
        env={**CLEAN, **host.environment},
    )
    assert json.loads(result.stdout)["environment_key"] == info["environment_key"]


def test_what_the_command_saves_the_module_loads(environment, host):
    host.fill()
    before = host.content()
    command = str(environment / "bin/b10-compile-cache")
    variables = {**CLEAN, **host.environment}
    subprocess.run([command, "save"], check=True, env=variables, capture_output=True)
    subprocess.run([command, "clear"], check=True, env=variables, capture_output=True)
    assert host.content() == {}
    result = subprocess.run(
        [str(environment / "bin/python"), "-c", "import b10_transfer as b; print(b.load_compile_cache().name)"],
        capture_output=True,
        text=True,
        check=True,
        env=variables,
    )
    assert result.stdout.strip() == "SUCCESS"
    assert host.content() == before
