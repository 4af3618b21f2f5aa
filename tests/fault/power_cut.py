#!/usr/bin/env python3
"""Cuts the power at every system call that a save makes on its volume, a real file system, then mounts it again.

    power_cut.py DRIVER xfs|ext4 [SECONDS]

A saver is killed at the call and at the same moment its file system stops: what is not on the disk is lost (`nothing` of
the journal written any more, or its `journal` flushed first: file systems may do either at any time). ext4 is mounted with
noauto_da_alloc: with its default it hides a forgotten fsync. The save is a first one, one that replaces an archive, or one
that merges into it; the power is also cut after SUCCESS. After each: the old archive or the new one, whole; after SUCCESS
the new one; the next save succeeds. SECONDS bounds the time (default 60, 0: every case, however long it takes).
"""

import os
import re
import shutil
import subprocess
import sys

from cases import try_cases
from replica import ARCHIVE, Broken, Replica, require, snapshot
from volume import enter_namespace, skip

MAKE = {"xfs": ["mkfs.xfs", "-q", "-f"], "ext4": ["mkfs.ext4", "-q", "-F", "-m", "0"]}
MOUNT = {"xfs": "loop", "ext4": "loop,noauto_da_alloc"}
CALLS = ("openat openat2 read pread64 write pwrite64 fsync fdatasync close rename renameat renameat2 linkat unlinkat "
         "newfstatat fstat statfs fstatfs getdents64 ftruncate fadvise64 mkdirat flock")
AT_THE_END = ("end", 1)
CUTS = ("nothing", "journal")


def must(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    require(done.returncode == 0, f"{' '.join(command)}: {done.stderr}")


class Disk:
    """A file system in a file, that loses power."""

    def __init__(self, directory, kind):
        self.kind = kind
        self.image = os.path.join(directory, "disk")
        self.path = os.path.join(directory, "mounted")
        os.mkdir(self.path)
        with open(self.image, "wb") as file:
            file.truncate(320 << 20)
        must(*MAKE[kind], self.image)
        self.mount()

    def mount(self):
        must("mount", "-o", MOUNT[self.kind], self.image, self.path)

    def cut(self, written):
        flush = " -f" if written == "journal" else ""
        must("xfs_io", "-x", "-c", "shutdown" + flush, self.path)
        must("umount", self.path)
        self.mount()

    def close(self):
        subprocess.run(["umount", "--lazy", self.path], stderr=subprocess.DEVNULL)


class Sweep:
    def __init__(self, driver, kind):
        self.replica = Replica(driver)
        self.disk = Disk(self.replica.directory, kind)
        self.replica.volume = os.path.join(self.disk.path, "volume")
        self.stored = os.path.join(self.replica.directory, "stored")
        os.mkdir(self.replica.volume)
        require(self.replica.run("save") == "SUCCESS OK", "the first save failed")
        self.old = self.replica.expected
        shutil.copytree(self.replica.volume, self.stored)
        with open(os.path.join(self.replica.saved, "ab", "later.py"), "w") as file:
            file.write("import later\n")
        self.replica.expected = snapshot(self.replica.saved)

    def close(self):
        self.disk.close()
        self.replica.close()

    def prepare(self, what):
        """All of it on the disk."""
        for name in os.listdir(self.replica.volume):
            os.unlink(os.path.join(self.replica.volume, name))
        if what != "save":
            for name in os.listdir(self.stored):
                shutil.copy2(os.path.join(self.stored, name), self.replica.volume)
        must("sync", "--file-system", self.disk.path)

    def save(self, what, *strace):
        mode = "merge" if what == "merge" else "replace"
        command = self.replica.command("save", 0, f"b10_save_mode={mode}")
        done = subprocess.run([*strace, *command], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout.strip()

    def calls(self, what):
        """(call, number) of those that have to do with the volume."""
        log = os.path.join(self.replica.directory, "trace")
        self.prepare(what)
        code, answer = self.save(what, "strace", "-f", "-qq", "-y", "-e", "signal=none", "-e",
                                 "trace=" + CALLS.replace(" ", ","), "-o", log)
        require(code == 1, f"without a cut: {answer}")
        seen, calls = {}, []
        with open(log, errors="replace") as lines:
            for line in lines:
                match = re.match(r"(?:\d+ +)?(\w+)\(", line)
                if match:
                    seen[match[1]] = seen.get(match[1], 0) + 1
                    if self.replica.volume in line:
                        calls.append((match[1], seen[match[1]]))
        return [*calls, AT_THE_END]

    def cut_once(self, what, call, number, written):
        self.prepare(what)
        inject = ["strace", "-f", "-qq", "-e", "signal=none", "-o", "/dev/null", "-e", f"trace={call}", "-e",
                  f"inject={call}:signal=KILL:when={number}"]
        ended = (call, number) == AT_THE_END
        code, answer = self.save(what, *([] if ended else inject))
        self.disk.cut(written)
        try:
            require(code == 1 if ended else code in (-9, 137), f"exit {code}: {answer}")
            self.check(what, ended)
        except Broken as broken:
            print(f"{self.disk.kind}, {what}, cut at {call} {number}, {written} written: {broken}")
            return False
        return True

    def check(self, what, ended):
        self.replica.check_volume()
        archives = [name for name in os.listdir(self.replica.volume) if ARCHIVE.match(name)]
        require(archives or (what == "save" and not ended), "the archive is gone")
        if archives:
            tree = self.load()
            require(tree == self.replica.expected or (what != "save" and tree == self.old and not ended),
                    "neither the old tree nor the new one")
        outcome = self.replica.run("save", 1, "b10_save_mode=replace")
        require(outcome == "SUCCESS OK", f"next save: {outcome}")
        require(self.load() == self.replica.expected, "the next save did not save the tree")

    def load(self):
        self.replica.clear_local()
        outcome = self.replica.run("load")
        require(outcome == "SUCCESS OK", f"load: {outcome}")
        return snapshot(self.replica.local)


def require_tools(kind):
    for tool in ("strace", "xfs_io", MAKE[kind][0]):
        if shutil.which(tool) is None:
            skip(f"{tool} is not installed")
    enter_namespace()


def main():
    driver, kind = sys.argv[1:3]
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 60
    require_tools(kind)
    try:
        sweep = Sweep(driver, kind)
    except Broken as broken:
        skip(f"this machine mounts no {kind}: {broken}")
    every = [(what, call, number, written) for what in ("save", "replace", "merge")
             for call, number in sweep.calls(what) for written in CUTS]
    ends = [case for case in every if case[1:3] == AT_THE_END]
    amid = [case for case in every if case[1:3] != AT_THE_END]
    ended, failed_after = try_cases(ends, sweep.cut_once, 0)
    tried, failed = try_cases(amid, sweep.cut_once, seconds)
    sweep.close()
    print(f"{kind}: {ended + tried} of {len(every)} moments, {failed_after + failed} failed")
    return 0 if failed_after + failed == 0 and tried > 20 else 1


if __name__ == "__main__":
    sys.exit(main())
