"""Fresh file systems for every measurement, in memory, seen by this process alone.

The benchmark runs in a mount namespace of its own. Below /cache (the only place that the PyPI package accepts) it mounts

    /cache          a tmpfs; holds the images and is gone with the namespace
    /cache/model    the shared volume: ext4 with a journal on a sparse image, 160 GB free as the PyPI package demands
    /cache/local    the local disk of a replica: the same, 8 GB
    /cache/source   the local disk of the replica that saves: the trees

A file system that was just emptied is faster or slower than a new one, depending on what its journal still holds; so the
volume and the local disk are made anew for each measurement.
"""
import atexit
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

CACHE = Path("/cache")
VOLUME = CACHE / "model"
LOCAL = CACHE / "local"
SOURCE = CACHE / "source"
SHARED = VOLUME / "compile_cache"
WORK = LOCAL / "work"

_SIZES = {VOLUME: "160G", LOCAL: "8G", SOURCE: "16G"}
_MARK = "B10_BENCH_NAMESPACE"


def quietly(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr or done.stdout}")
    return done.stdout


def enter_namespace():
    """Restarts the program in a private mount namespace; returns in there, with /cache mounted."""
    if os.geteuid() != 0:
        sys.exit("the benchmark must be root: it mounts file systems in a private mount namespace")
    if _MARK not in os.environ:
        _be_the_only_one()
        os.environ[_MARK] = "there" if CACHE.exists() else "made"
        CACHE.mkdir(exist_ok=True)
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv])
    atexit.register(_leave_namespace, os.getpid())
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit("stopped"))
    quietly("mount", "-t", "tmpfs", "-o", "size=80%", "b10-benchmark", CACHE)
    (CACHE / "images").mkdir()
    for place in _SIZES:
        place.mkdir()


def _be_the_only_one():
    """Two at once would disturb each other, and the first to end would remove /cache under the second."""
    lock = os.open("/tmp/b10-benchmark.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("another benchmark is running")
    os.set_inheritable(lock, True)  # held until the program that unshare starts has ended


def _leave_namespace(owner):
    if os.getpid() != owner:
        return
    subprocess.run(["umount", "--recursive", CACHE], stderr=subprocess.DEVNULL)
    if os.environ[_MARK] == "made":
        try:
            CACHE.rmdir()
        except OSError:
            pass


def _image(place):
    return CACHE / "images" / f"{place.name}.ext4"


def fresh(place):
    """A new file system at VOLUME, LOCAL or SOURCE; what was there is gone."""
    image = _image(place)
    if os.path.ismount(place):
        quietly("umount", place)
    image.unlink(missing_ok=True)
    quietly("truncate", "--size", _SIZES[place], image)
    quietly("mkfs.ext4", "-q", "-F", "-m", "0", "-J", "size=64", "-E", "lazy_itable_init=1,lazy_journal_init=1", image)
    quietly("mount", "-o", "loop,noinit_itable", image, place)
    if place == LOCAL:
        WORK.mkdir()
    if place == VOLUME:
        SHARED.mkdir()


def keep(place, name):
    """Puts the file system at `place` aside, for again()."""
    quietly("umount", place)
    _image(place).rename(CACHE / "images" / name)


def again(place, name):
    """Mounts what keep() put aside."""
    if os.path.ismount(place):
        quietly("umount", place)
    (CACHE / "images" / name).rename(_image(place))
    quietly("mount", "-o", "loop,noinit_itable", _image(place), place)


def same_tree(source, target, name):
    """A load that is fast and wrong is worth nothing. Locks and the like are not packed by the library."""
    done = subprocess.run(["diff", "-r", "--exclude=*.lock", "--exclude=locks", "--no-dereference", source, target],
                          capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{name} did not restore the tree:\n{done.stdout[:2000]}")


def read_all(folder):
    """Brings a folder into the page cache, where a tree lies that was just written."""
    for file in folder.rglob("*"):
        if file.is_file():
            file.read_bytes()


def put_source(name, tree):
    """Copies a tree to the saving replica's disk, as <tmp>/torchinductor_bench; returns where it lies."""
    parent = SOURCE / name
    parent.mkdir()
    target = parent / "torchinductor_bench"
    quietly("cp", "-a", tree, target)
    quietly("sync", "--file-system", target)
    return target


def settings(local):
    """The environment of a process whose local cache directory is `local`: all else as a server has it."""
    keep = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    return keep | {
        "BASETEN_FS_ENABLED": "1",
        "B10FS_CACHE_DIR": str(SHARED),
        "LOCAL_WORK_DIR": str(WORK),
        "TORCHINDUCTOR_CACHE_DIR": str(local),
        "TMPDIR": str(local.parent),
        "HOME": str(local.parent),
        "LOGNAME": "bench",
    }
