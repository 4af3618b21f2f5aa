"""NVIDIA's own driver libraries on a host without a device: what the steps say of them. Usage: real_libraries.py BUILD

Debian's packages libcuda1 and libnvidia-ml1 (component non-free) are fetched into the build folder and unpacked there,
through a list of sources of the test's own; they are neither installed nor shipped. Where they cannot be fetched the test
is skipped and says why.
"""
import glob
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

COMPONENTS = "main contrib non-free non-free-firmware"
SPAWN = "driver,nvml,spawn,proc"
build = Path(sys.argv[1])
folder = build / "tests/nvidia/real"


def skip(why):
    print(f"SKIPPED: {why}")
    sys.exit(77)


def sources():
    """This machine's sources of Debian itself, with all components, in the one-line style."""
    lines = []
    for name in ["/etc/apt/sources.list", *glob.glob("/etc/apt/sources.list.d/*.list")]:
        text = Path(name).read_text() if os.path.exists(name) else ""
        for options, address, suite in re.findall(r"^deb\s+(\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+.*\bmain\b", text, re.M):
            lines.append(f"deb {options}{address} {suite} {COMPONENTS}")
    for name in glob.glob("/etc/apt/sources.list.d/*.sources"):
        for stanza in Path(name).read_text().split("\n\n"):
            fields = dict(re.findall(r"^([\w-]+):\s*(.*)$", stanza, re.M))
            signed = f"[signed-by={fields['Signed-By']}] " if fields.get("Signed-By", "").startswith("/") else ""
            if "main" in fields.get("Components", ""):
                lines += [f"deb {signed}{address} {suite} {COMPONENTS}" for address in fields["URIs"].split()
                          for suite in fields["Suites"].split()]
    return lines


def fetch():
    unpacked = folder / "unpacked"
    if (folder / "complete").exists():
        return unpacked
    (folder / "lists/partial").mkdir(parents=True, exist_ok=True)
    (folder / "sources.list").write_text("\n".join(sources()) + "\n")
    apt = ["apt-get", "-qq", "-o", f"Dir::Etc::SourceList={folder}/sources.list", "-o", "Dir::Etc::SourceParts=/dev/null",
           "-o", f"Dir::State::lists={folder}/lists", "-o", "APT::Sandbox::User=root",
           "-o", f"Dir::Cache::pkgcache={folder}/pkgcache.bin", "-o", f"Dir::Cache::srcpkgcache={folder}/srcpkgcache.bin"]
    for command in ([*apt, "update"], [*apt, "download", "libcuda1", "libnvidia-ml1"]):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode != 0:
            skip(f"libcuda1 and libnvidia-ml1 cannot be fetched: {' '.join(done.stderr.split())[-200:]}")
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, unpacked], check=True)
    (folder / "complete").touch()
    return unpacked


def library_folder(unpacked):
    """Debian keeps them in a folder of their own, behind alternatives that only an installation sets."""
    found = [Path(name).parent for name in glob.glob(f"{unpacked}/usr/lib/**/libcuda.so.1", recursive=True)]
    assert found, "libcuda1 holds no libcuda.so.1"
    together = folder / "lib"
    together.mkdir(exist_ok=True)
    for name in ("libcuda.so.1", "libnvidia-ml.so.1"):
        target = glob.glob(f"{unpacked}/usr/lib/**/{name}", recursive=True)[0]
        link = together / name
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.realpath(target))
    return together


def run(*command, libraries=None, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("B10")} | variables
    if libraries:
        environment["LD_LIBRARY_PATH"] = f"{libraries}:{environment.get('LD_LIBRARY_PATH', '')}"
    return subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True, timeout=120)


ASK_CUDA = """
import ctypes
cuda, number = ctypes.CDLL("libcuda.so.1"), ctypes.c_int()
print(cuda.cuDriverGetVersion(ctypes.byref(number)), number.value, cuda.cuDeviceGetCount(ctypes.byref(number)))
"""


def check_cuda(libraries):
    """What the steps rely on: the version is told before cuInit, the number of devices is not."""
    answer = run(sys.executable, "-c", ASK_CUDA, libraries=libraries)
    code, version, before_init = map(int, answer.stdout.split())
    assert (code, before_init) == (0, 3) and version >= 11000, answer
    print(f"cuDriverGetVersion {version}, cuDeviceGetCount before cuInit {before_init}")


def check_probe(libraries):
    answer = run(build / "src/b10-gpu-probe", libraries=libraries)
    print(answer.stdout.strip())
    assert re.match(r"b10-gpu 1!.*\b100\b", answer.stdout), answer


def key(libraries):
    answer = run(build / "src/cli/b10-compile-cache", "key", "--json", libraries=libraries, B10_GPU_PROBE=SPAWN)
    assert answer.returncode == 0, answer
    return json.loads(answer.stdout)


def check_key(libraries):
    """No device: the host is the CPU host that it is without the libraries."""
    said = {step["step"]: step["said"] for step in key(libraries)["steps"]}
    for name, text in said.items():
        print(f"{name}: {text}")
    assert "100" in said["spawn"], said
    assert "9" in said["nvml"], said
    # As root NVML leaves /dev/nvidiactl behind, with no driver behind that: still no sign of a GPU.
    keys = {key(libraries)["environment_key"], key(None)["environment_key"]}
    assert len(keys) == 1 and "-cuda-unknown-" not in keys.pop(), said


def seconds(libraries):
    times = []
    for _ in range(10):
        start = time.perf_counter()
        key(libraries)
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    if any(os.path.exists(name) for name in ("/dev/nvidia0", "/proc/driver/nvidia")):
        skip("this host has an NVIDIA driver of its own")
    libraries = library_folder(fetch())
    check_cuda(libraries)
    check_probe(libraries)
    check_key(libraries)
    print(f"key: {1000 * seconds(libraries):.0f} ms with the driver and no device, {1000 * seconds(None):.0f} without")


main()
