#!/usr/bin/env python3
"""How often a replica asks the volume for something when there is nothing to do: every answer may take milliseconds.

    volume_counts.py DRIVER FAULTFS

The kernel may remember names and attributes for a second here, as on a network file system. Counted is what the caller waits
for, as in tests/bench --slow.
"""

import collections
import os
import sys

from replica import Broken, require
from volume import VolumeReplica, require_fuse

LOAD_ABSENT_MAX = 8
SAVE_SKIPPED_MAX = 10
# Nobody waits for these.
UNHEARD = {"release"}


def asked(replica, operation, expected):
    """Mounts anew, so that the kernel remembers nothing, and runs the operation."""
    replica.mounted.close()
    replica.mounted.mount()
    outcome = replica.run(operation, 8, "b10fs_cache_dir=" + os.path.join(replica.volume, "compile_cache"))
    require(outcome == expected, f"{operation}: {outcome}")
    return [(step, path) for step, path, _ in replica.mounted.log() if step not in UNHEARD]


def check(what, steps, most):
    counts = dict(collections.Counter(step for step, _ in steps))
    print(f"{what}: {len(steps)} operations of the volume, at most {most}: {counts}")
    if len(steps) > most:
        print(*(f"    {step} {path}" for step, path in steps), sep="\n")
    return len(steps) <= most


def main():
    driver, faultfs = sys.argv[1:3]
    require_fuse(faultfs)
    replica = VolumeReplica(driver, faultfs, "--cache", "1")
    os.mkdir(os.path.join(replica.mounted.backing, "compile_cache"))
    try:
        absent = asked(replica, "load", "DOES_NOT_EXIST ABSENT")
        asked(replica, "save", "SUCCESS OK")
        skipped = asked(replica, "save", "SKIPPED ALREADY_SAVED")
    except Broken as broken:
        print(broken)
        return 1
    finally:
        replica.close()
    good = check("load that finds nothing", absent, LOAD_ABSENT_MAX)
    return 0 if check("save of what is saved", skipped, SAVE_SKIPPED_MAX) and good else 1


if __name__ == "__main__":
    sys.exit(main())
