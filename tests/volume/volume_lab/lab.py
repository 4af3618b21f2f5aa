"""One test with hosts and a volume, from start to end.

    run(prepare, test)    lab in namespaces of its own -> hosts -> volume -> test(lab) -> exit status

What the machine lacks ends the test with exit status 77 and the reason. Scratch files lie on a tmpfs that only the lab sees."""

import os
import shutil
import subprocess
import sys
import tempfile
import time

from . import namespaces
from .hosts import Hosts

SKIPPED = 77
SCRATCH_SIZE = "3g"


class Broken(AssertionError):
    """A promise that did not hold."""


def require(condition, message):
    if not condition:
        raise Broken(message)


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        require(time.monotonic() < deadline, f"not within {seconds} s: {what}")
        time.sleep(0.05)


def skip(reason):
    print(f"SKIPPED: {reason}", flush=True)
    raise SystemExit(SKIPPED)


def need(programs):
    """Skips unless this machine can have a lab with those programs."""
    if os.geteuid() != 0:
        skip("namespaces and mounts need root")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        skip("no /dev/fuse")
    for program in ("ip", "nsenter", "mount", *programs):
        if shutil.which(program) is None:
            skip(f"{program} is not installed")
    if subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        skip("this machine allows no mount namespaces (in a chroot, / is no mount)")


class Lab:
    """scratch: a directory that every host sees. volume: the network file system, once it is started."""

    def __init__(self, scratch, count):
        self.scratch = scratch
        self.begin = time.monotonic()
        self.hosts = Hosts(scratch, count)
        self.volume = None

    def say(self, text):
        print(f"{time.monotonic() - self.begin:6.1f} s  {text}", flush=True)


def run(volume_class, test, count=3):
    """Runs test(lab) with `count` hosts on a volume; returns the exit status."""
    os.environ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
    need(volume_class.PROGRAMS)
    scratch = tempfile.mkdtemp(prefix="b10lab.")

    def inside():
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SCRATCH_SIZE}", "tmpfs", scratch], check=True)
        lab = Lab(scratch, count)
        lab.volume = volume_class(lab)
        lab.say(f"{volume_class.__name__} is up on {count} hosts")
        try:
            test(lab)
        except Broken as broken:
            lab.say(f"BROKEN: {broken}")
            return 1
        return 0

    try:
        return namespaces.run_inside(inside)
    except PermissionError as error:
        skip(f"no namespaces: {error}")
    finally:
        os.rmdir(scratch)


def main(volumes, test, count=3):
    """sys.argv[1] names the volume."""
    sys.exit(run(volumes[sys.argv[1]], test, count))
