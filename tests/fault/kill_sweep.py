#!/usr/bin/env python3
"""Kills a save and a load at every system call they make on files, then checks that the promises hold.

    kill_sweep.py DRIVER save|save_merge|load|merge

On one thread: strace counts calls per thread. `merge` is a load into a directory that is not empty, so that entries are moved
one by one; `save_merge` a save that adds to an archive. After each death: the target is the old tree or the new one, whole; the next operation succeeds; nothing is left
that a sweep would not know.
"""

import collections
import os
import re
import shutil
import subprocess
import sys

from replica import Broken, Replica

CALLS = (
    "openat openat2 read pread64 write pwrite64 fsync close rename renameat renameat2 linkat unlink unlinkat mkdir mkdirat "
    "newfstatat fstat statfs fstatfs getdents64 ftruncate utimensat flock fchmod fadvise64 symlinkat readlinkat ioctl "
    "getrandom nanosleep clock_nanosleep"
).split()


def strace(options, command):
    return subprocess.run(
        ["strace", "-f", "-qq", "-e", "signal=none", *options, *command],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120,
    )


def command(replica, what):
    if what == "save_merge":
        return replica.command("save", 0, "B10_SAVE_MODE=merge")
    return replica.command("load" if what == "merge" else what, 0)


def count_calls(replica, what):
    log = os.path.join(replica.directory, "trace")
    strace(["-o", log, "-e", "trace=" + ",".join(CALLS)], command(replica, what))
    with open(log, errors="replace") as lines:
        return collections.Counter(re.findall(r"^(?:\d+ +)?(\w+)\(", lines.read(), re.MULTILINE))


def prepare(replica, what):
    if what == "save":
        replica.clear_volume()
    elif what == "save_merge":
        replica.put_part()
    else:
        replica.clear_local()
    if what == "merge":
        replica.fill_local()


def check(replica, what):
    replica.check_volume()
    replica.check_saved_untouched()
    if what == "save":
        replica.check_next_save_succeeds()
    elif what == "save_merge":
        replica.check_next_merge_completes()
    else:
        replica.check_local()
        replica.check_next_load_succeeds()


def main():
    driver, what = sys.argv[1:]
    if shutil.which("strace") is None:
        print("SKIPPED: strace is not installed")
        return 77
    replica = Replica(driver)
    replica.store_part()
    replica.clear_volume()
    replica.run("save")
    prepare(replica, what)
    counts = count_calls(replica, what)
    kills = 0
    for call, count in sorted(counts.items()):
        for number in range(1, count + 1):
            prepare(replica, what)
            inject = f"{call}:signal=KILL:when={number}"
            done = strace(["-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={inject}"],
                          command(replica, what))
            if done.returncode not in (-9, 137):
                print(f"{inject}: not killed (exit {done.returncode})")
                return 1
            kills += 1
            try:
                check(replica, what)
            except Broken as broken:
                print(f"killed at {call} number {number} of {count}: {broken}")
                return 1
    replica.close()
    print(f"{what}: killed {kills} times at {len(counts)} kinds of system calls: {dict(sorted(counts.items()))}")
    return 0 if kills > 50 else 1


if __name__ == "__main__":
    sys.exit(main())
