#!/usr/bin/env python3
"""Cuts the power between any two writes of blocks that a save makes on its disk: a real file system, mounted again after each.

    block_cut.py DRIVER LOGDISK xfs|ext4 [SECONDS]

A save runs on a file system whose disk remembers every write (logdisk.c). Then the disk is made anew as it was after each of
them, as if the power had gone right there, mounted, and looked at: the old archive or the new one, whole; the new one if the
save had said SUCCESS by then; the next save succeeds. power_cut.py cuts at system calls and leaves it to the file system what
it still writes; this takes every state that the disk was really in. SECONDS bounds the time (default 40, 0: every
prefix); every nth prefix is tried then, and all of the last ones before SUCCESS, when the archive gets its name.
"""

import os
import shutil
import struct
import subprocess
import sys
import time

from power_cut import MAKE, MOUNT, Disk, Sweep, must, require_tools
from replica import Broken, require
from volume import skip

WRITE, RECORD = 1, struct.Struct("<IIQ")
CLOSE_TO_THE_END = 12  # writes


class LoggedDisk:
    """The same disk, seen through logdisk while a save runs on it."""

    def __init__(self, logdisk, disk, directory):
        self.disk, self.log = disk, os.path.join(directory, "log")
        self._seen = os.path.join(directory, "blocks")
        os.mkdir(self._seen)
        must("umount", disk.path)
        self.base = os.path.join(directory, "base")
        must("cp", "--sparse=always", disk.image, self.base)
        self._process = subprocess.Popen([logdisk, disk.image, self.log, self._seen])
        blocks = os.path.join(self._seen, "disk")
        deadline = time.monotonic() + 10
        while not os.path.exists(blocks):
            require(time.monotonic() < deadline and self._process.poll() is None, "logdisk does not mount")
            time.sleep(0.01)
        must("mount", "-o", MOUNT[disk.kind], blocks, disk.path)

    def position(self):
        return os.path.getsize(self.log)

    def close(self):
        must("umount", self.disk.path)
        must("umount", self._seen)
        self._process.wait()


def read_log(path):
    """(kind, offset, bytes, position in the log behind it) of every record."""
    records, at = [], 0
    with open(path, "rb") as file:
        log = file.read()
    while at < len(log):
        kind, size, offset = RECORD.unpack_from(log, at)
        at += RECORD.size
        records.append((kind, offset, log[at:at + size], at + size))
        at += size
    return records


def record(sweep, logdisk, what):
    """Saves once; returns the disk before it, its records, and how many of them were there when SUCCESS was said."""
    directory = os.path.join(sweep.replica.directory, what)
    os.mkdir(directory)
    sweep.prepare(what)
    logged = LoggedDisk(logdisk, sweep.disk, directory)
    code, answer = sweep.save(what)
    success = logged.position()
    logged.close()
    require(code == 1, f"without a cut: {answer}")
    records = read_log(logged.log)
    return logged.base, records, sum(position <= success for *_, position in records)


def choose(count, success, step):
    """How many records were written before the cut."""
    near = range(max(0, success - CLOSE_TO_THE_END), min(count, success + 2) + 1)
    return sorted({*range(0, count + 1, step), *near, count})


def check(sweep, image, what, written, ended):
    must("cp", "--sparse=always", image, sweep.disk.image)
    sweep.disk.mount()
    try:
        sweep.check(what, ended)
    except Broken as broken:
        print(f"{sweep.disk.kind}, {what}, cut after {written} records{', after SUCCESS' if ended else ''}: {broken}")
        return False
    finally:
        must("umount", sweep.disk.path)
    return True


def replay(sweep, what, base, records, success, seconds):
    """Makes the disk of each chosen moment; returns (moments, failures)."""
    begin = time.monotonic()
    failed = not check(sweep, base, what, 0, False)
    each = time.monotonic() - begin
    step = 1 if seconds == 0 else max(1, round(len(records) * each / seconds))
    chosen = choose(len(records), success, step)
    with open(base, "r+b") as disk:
        for number in range(len(records) + 1):
            if number in chosen and number > 0:
                disk.flush()
                failed += not check(sweep, base, what, number, number >= success)
            if number < len(records) and records[number][0] == WRITE:
                disk.seek(records[number][1])
                disk.write(records[number][2])
    return len(chosen), failed


def main():
    driver, logdisk, kind = sys.argv[1:4]
    seconds = float(sys.argv[4]) if len(sys.argv) > 4 else 40
    if logdisk == "none" or not os.path.exists("/dev/fuse"):
        skip("this machine has no FUSE, or this was built without libfuse3")
    require_tools(kind)
    try:
        sweep = Sweep(driver, kind)
    except Broken as broken:
        skip(f"this machine mounts no {kind}: {broken}")
    tried = every = failures = 0
    for what in ("save", "replace", "merge"):
        base, records, success = record(sweep, logdisk, what)
        moments, failed = replay(sweep, what, base, records, success, seconds / 3)
        tried, every, failures = tried + moments, every + len(records) + 1, failures + failed
        sweep.disk.mount()
    sweep.close()
    print(f"{kind}: {tried} of {every} moments between two writes, {failures} failed")
    return 0 if failures == 0 and tried > 20 else 1


if __name__ == "__main__":
    sys.exit(main())
