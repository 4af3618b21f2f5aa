#!/usr/bin/env python3
"""Somebody else fills the disk while a save or a load is on its way.

    full_disk.py DRIVER FAULTFS

At 30 %, 60 % and 99 % of a save to a slow volume, or of a load from one, another writer takes the space that must stay free,
all of it, or every inode. The operation ends within 1 s with NO_SPACE and leaves nothing; once there is room it succeeds.
Then the same with a quota, on btrfs, where only the calls that store data know about it.
"""

import os
import random
import shutil
import subprocess
import sys
import time

from replica import ARCHIVE, Broken, require, snapshot
from volume import VolumeReplica, require_fuse

MIB = 1 << 20
FILES, FILE_SIZE = 40, 200 << 10
CONTENT = FILES * FILE_SIZE
SLOW_MB_PER_S = 10
PERCENT = (30, 60, 99)
WITHIN_S = 1
FLOOR = ("min_local_space_mb=2", "min_b10fs_space_mb=2")
NO_FLOOR = ("min_local_space_mb=0", "min_b10fs_space_mb=0")


def mount_tmpfs(path, options):
    os.makedirs(path, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], check=True)


def used(path):
    space = os.statvfs(path)
    return (space.f_blocks - space.f_bfree) * space.f_frsize


def take_bytes(path, leave):
    """Until only `leave` bytes are free."""
    space = os.statvfs(path)
    size = space.f_bavail * space.f_frsize - leave
    with open(os.path.join(path, "intruder"), "wb", buffering=0) as file:
        try:
            while size > 0:
                size -= file.write(bytes(min(size, MIB)))
        except OSError:
            pass


def take_inodes(path):
    os.mkdir(os.path.join(path, "intruder"))
    for number in range(100_000):
        try:
            os.close(os.open(os.path.join(path, "intruder", str(number)), os.O_CREAT | os.O_WRONLY))
        except OSError:
            return
    raise Broken("there is no limit of inodes")


def remove_intruder(path):
    intruder = os.path.join(path, "intruder")
    if os.path.isdir(intruder):
        shutil.rmtree(intruder)
    else:
        os.unlink(intruder)


class Disk:
    """A replica with an incompressible tree, a slow volume and a local disk, both small."""

    def __init__(self, driver, faultfs, operation):
        self.operation = operation
        self.replica = VolumeReplica(driver, faultfs, "--bandwidth", str(SLOW_MB_PER_S))
        shutil.rmtree(self.replica.saved)
        os.mkdir(self.replica.saved)
        for number in range(FILES):
            with open(os.path.join(self.replica.saved, f"{number:03}.bin"), "wb") as file:
                file.write(random.randbytes(FILE_SIZE))
        self.replica.expected = snapshot(self.replica.saved)
        self.local = os.path.dirname(self.replica.local)
        for path in (self.local, self.replica.mounted.backing):
            mount_tmpfs(path, "size=20m,nr_inodes=300")
        self.written = self.replica.mounted.backing if operation == "save" else self.local
        if operation == "load":
            require(self.replica.run("save") == "SUCCESS OK", "the first save failed")
        self.before = sorted(os.listdir(self.written))

    def close(self):
        for path in (self.local, self.replica.mounted.backing):
            subprocess.run(["umount", "--lazy", path])
        self.replica.close()

    def interrupt(self, percent, intrude, *settings):
        """Runs the operation; the intruder comes at `percent` of it. Returns the answer and how long it still took."""
        begin = used(self.written)
        process = subprocess.Popen(self.replica.command(self.operation, 2, *settings), stdout=subprocess.PIPE, text=True)
        while used(self.written) - begin < CONTENT * percent / 100:
            require(process.poll() is None, f"it ended before {percent} % were written")
            time.sleep(0.002)
        intrude(self.written)
        came = time.monotonic()
        answer, _ = process.communicate(timeout=30)
        return answer.strip(), time.monotonic() - came

    def check(self, percent, intrude, *settings):
        answer, seconds = self.interrupt(percent, intrude, *settings)
        remove_intruder(self.written)
        left = sorted(os.listdir(self.written))
        if answer == "SUCCESS OK":  # a load that was all but done, or needed no inode any more
            late = self.operation == "load" and percent == 99
            require(late or intrude is take_inodes, f"{percent} %: answered {answer}")
            self.remove_result()
        else:
            require(answer == "ERROR NO_SPACE", f"{percent} %: answered {answer}")
            require(seconds < WITHIN_S, f"{percent} %: it took {seconds:.2f} s more")
            require(left == self.before, f"{percent} %: left {left}")

    def remove_result(self):
        if self.operation == "save":
            self.replica.clear_volume()
        else:
            shutil.rmtree(self.replica.local)

    def check_goes_well(self):
        self.replica.check_next_save_succeeds()
        require(any(ARCHIVE.match(name) for name in os.listdir(self.replica.mounted.backing)), "no archive")
        require(self.replica.run("load") == "SUCCESS OK", "the load with room failed")
        require(snapshot(self.replica.local) == self.replica.expected, "the tree is not whole")


# ---- another writer ----

def the_floor_is_kept_by_ending_the_operation(disk):
    for percent in PERCENT:
        disk.check(percent, lambda path: take_bytes(path, MIB), *FLOOR)
    disk.check_goes_well()


def a_disk_filled_by_another_ends_the_operation(disk):
    for percent in PERCENT[:2]:
        disk.check(percent, lambda path: take_bytes(path, 0), *NO_FLOOR)
    disk.check_goes_well()


def a_disk_without_inodes_ends_the_operation_or_does_not_matter(disk):
    for percent in PERCENT:
        disk.check(percent, take_inodes, *NO_FLOOR)
    disk.check_goes_well()


# ---- quota ----

def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    require(done.returncode == 0, f"{' '.join(command)}: {done.stderr}")


def has_btrfs():
    with open("/proc/filesystems") as lines:
        return shutil.which("mkfs.btrfs") is not None and "btrfs" in lines.read()


def with_a_quota(disk):
    """The disk that is written becomes a btrfs subvolume that may hold 4 MB."""
    image = os.path.join(disk.replica.directory, "btrfs")
    top = image + ".top"
    os.mkdir(top)
    with open(image, "wb") as file:
        file.truncate(256 * MIB)
    run("mkfs.btrfs", "-q", "-f", image)
    run("mount", "-o", "loop", image, top)
    run("btrfs", "quota", "enable", top)
    run("btrfs", "subvolume", "create", top + "/sub")
    run("btrfs", "qgroup", "limit", str(4 * MIB), top + "/sub")
    run("umount", disk.written)
    run("mount", "--bind", top + "/sub", disk.written)
    return top


def a_quota_ends_the_operation(disk):
    top = with_a_quota(disk)
    try:
        answer = disk.replica.run(disk.operation, 2)
        require(answer == "ERROR NO_SPACE", f"answered {answer}")
        left = os.listdir(disk.written)
        require(sorted(left) == disk.before, f"left {left}")
        run("btrfs", "qgroup", "limit", "none", top + "/sub")
        disk.check_goes_well()
    finally:
        subprocess.run(["umount", "--lazy", top])


def main():
    driver, faultfs = sys.argv[1:3]
    require_fuse(faultfs)
    tests = [
        the_floor_is_kept_by_ending_the_operation,
        a_disk_filled_by_another_ends_the_operation,
        a_disk_without_inodes_ends_the_operation_or_does_not_matter,
    ]
    if has_btrfs():
        tests.append(a_quota_ends_the_operation)
    else:
        print("SKIPPED: a_quota_ends_the_operation: no btrfs here")
    failed = 0
    for test in tests:
        for operation in ("save", "load"):
            begin = time.monotonic()
            disk = Disk(driver, faultfs, operation)
            try:
                test(disk)
                print(f"ok      {test.__name__}: {operation} ({time.monotonic() - begin:.1f} s)")
            except Broken as broken:
                failed += 1
                print(f"FAILED  {test.__name__}: {operation}: {broken}")
            disk.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
