#!/usr/bin/env python3
"""Fails a save and a load at every system call they make, one call with one error at a time, then checks that the promises hold.

    error_sweep.py DRIVER save|save_merge|load|merge [SECONDS]

SECONDS bounds the time (default 120, 0: every case, however long it takes). `merge` is a load into a directory that is not
empty, `save_merge` a save that adds to an archive. After each: an answer that fits the error, nothing partial anywhere, no
temporary name left unless removing it was what failed, and the next operation, without a fault, succeeds.
"""

import os
import re
import shutil
import subprocess
import sys

from cases import try_cases
from replica import ARCHIVE, STAGING, Broken, Replica, require, snapshot

# What a file system on its own, a network or a limit of the process may answer.
ERRORS = {
    "openat": "EIO EACCES EMFILE EINTR",
    "openat2": "EIO EACCES EMFILE EINTR",
    "read": "EIO EINTR",
    "pread64": "EIO EINTR",
    "write": "EIO ENOSPC EINTR",
    "pwrite64": "EIO ENOSPC EINTR",
    "fsync": "EIO ENOSPC EINTR",
    "close": "EIO ENOSPC EINTR",
    "renameat": "EIO EACCES",
    "rename": "EIO EACCES",
    "renameat2": "EIO EACCES",
    "linkat": "EIO EACCES",
    "unlink": "EIO EACCES",
    "unlinkat": "EIO EACCES",
    "mkdir": "EIO ENOSPC EACCES",
    "mkdirat": "EIO ENOSPC EACCES",
    "newfstatat": "EIO EACCES",
    "fstat": "EIO",
    "statfs": "EIO EINTR",
    "fstatfs": "EIO EINTR",
    "getdents64": "EIO EINTR",
    "ftruncate": "EIO ENOSPC",
    "utimensat": "EIO EACCES",
    "flock": "EIO EINTR",
    "symlinkat": "EIO ENOSPC",
    "readlink": "EIO",
    "readlinkat": "EIO",
    "fchmod": "EIO EACCES",
    "fadvise64": "EIO",
    "getrandom": "EINTR",
}
REASONS = {
    "EIO": {"IO"},
    "ENOSPC": {"NO_SPACE"},
    "EACCES": {"DENIED", "IO"},  # IO: the shared directory cannot be seen any more
    "EMFILE": {"IO"},
    "EINTR": {"IO"},
}
# Calls that are repeated when a signal interrupts them.
REPEATED = {"read", "pread64", "write", "pwrite64", "fsync", "fstatfs", "getdents64", "getrandom"}
# Calls without which what is temporary cannot be removed: the next load or save does it.
REMOVING = {"unlinkat", "openat", "getdents64", "newfstatat", "fstat", "close"}
# Calls that look for signs of a GPU in /dev: where they fail, nobody can tell that there is none.
LOOKING_FOR_GPUS = {"openat", "getdents64", "newfstatat", "fstat"}
NO_GPU_TOLD = {"SKIPPED NO_KEY", "DOES_NOT_EXIST ABSENT"}
# A file that may not be read, or whose state cannot be compared after reading, is left out of a save.
LEAVES_OUT = {"openat": "EACCES", "openat2": "EACCES", "newfstatat": "EIO EACCES", "fstat": "EIO"}


def strace(options, command):
    leaks_off = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"  # its search does not work under ptrace
    done = subprocess.run(["strace", "-f", "-qq", "-e", "signal=none", *options, *command], capture_output=True,
                          text=True, timeout=60, env={**os.environ, "ASAN_OPTIONS": leaks_off})
    return done.returncode, done.stdout.strip(), done.stderr.strip()


def command(replica, what):
    if what == "save_merge":
        return replica.command("save", 0, "B10_SAVE_MODE=merge")
    return replica.command("save" if what == "save" else "load", 0)


def traced_calls(replica, what):
    """(call, number) of every call from the first one that names the replica to the printing of the answer."""
    log = os.path.join(replica.directory, "trace")
    strace(["-o", log, "-e", "trace=" + ",".join(ERRORS)], command(replica, what))
    seen, begun, calls = {}, False, []
    with open(log, errors="replace") as lines:
        for line in lines:
            match = re.match(r"(?:\d+ +)?(\w+)\((.*)", line)
            if not match:
                continue
            call = match[1]
            seen[call] = seen.get(call, 0) + 1
            begun = begun or replica.directory in line
            if call == "write" and match[2].startswith("1,"):
                break
            if begun:
                calls.append((call, seen[call]))
    os.unlink(log)
    return calls


def prepare(replica, what):
    if what == "save":
        replica.clear_volume()
    if what == "save_merge":
        replica.put_part()
    replica.clear_local()
    if what == "merge":
        replica.fill_local()


def check_answer(call, error, answer):
    status, _, reason = answer.partition(" ")
    reasons = REASONS[error] | ({"CONFIG"} if call == "readlink" else set())  # a setting that cannot be resolved
    untold = call in LOOKING_FOR_GPUS and answer in NO_GPU_TOLD
    require(answer == "SUCCESS OK" or untold or (status == "ERROR" and reason in reasons), f"answered {answer}")
    if error == "EINTR" and call in REPEATED:
        require(status == "SUCCESS", f"not repeated: {answer}")


def check_save(replica, call, error, answer):
    replica.check_volume()
    replica.check_saved_untouched()
    names = os.listdir(replica.volume)
    left = [name for name in names if not ARCHIVE.match(name)]
    require(not left or call in ("unlinkat", "renameat2"), f"left on the volume: {left}")
    if answer == "SUCCESS OK":
        require(len(names) == 1, "no archive")
        outcome = replica.run("load")
        require(outcome == "SUCCESS OK", f"next load: {outcome}")
        present = replica.check_local()
        missing = set(replica.expected) - set(present)
        require(not missing or error in LEAVES_OUT.get(call, ""), f"left out: {missing}")
    replica.check_next_save_succeeds()


def check_save_merge(replica, call, answer):
    replica.check_volume()
    replica.check_saved_untouched()
    left = [name for name in os.listdir(replica.volume) if not ARCHIVE.match(name)]
    require(not left or call in ("unlinkat", "renameat2"), f"left on the volume: {left}")
    replica.check_next_merge_completes()


def check_load(replica, call, answer, merged):
    require(len([name for name in os.listdir(replica.volume) if ARCHIVE.match(name)]) == 1, "the archive is gone")
    replica.check_volume()
    present = replica.check_local()
    staging = [name for name in os.listdir(os.path.dirname(replica.local)) if STAGING.match(name)]
    require(not staging or call in REMOVING, f"left beside the destination: {staging}")
    present = {name: entry for name, entry in present.items() if not name.startswith(("locks", ".b10transfer"))}
    require(merged or not present or present == replica.expected, "a part of the tree is in place")
    if answer == "SUCCESS OK":
        require(present == replica.expected, "SUCCESS without the whole tree")
    replica.check_next_load_succeeds()


def fail_once(replica, what, call, number, error):
    prepare(replica, what)
    inject = f"{call}:error={error}:when={number}"
    code, answer, message = strace(["-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={inject}"],
                                   command(replica, what))
    try:
        require(code in (1, 2, 3, 4), f"exit {code}")
        check_answer(call, error, answer)
        require(code == 1 or message, "no message")
        if what == "save":
            check_save(replica, call, error, answer)
        elif what == "save_merge":
            check_save_merge(replica, call, answer)
        else:
            check_load(replica, call, answer, what == "merge")
    except Broken as broken:
        print(f"{what}: {inject}: {broken} ({answer}: {message})")
        return False
    return True


def cases(replica, what):
    prepare(replica, what)
    calls = traced_calls(replica, what)
    return [(call, number, error) for call, number in calls for error in ERRORS[call].split()]


def main():
    driver, what = sys.argv[1:3]
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 120
    if shutil.which("strace") is None:
        print("SKIPPED: strace is not installed")
        return 77
    replica = Replica(driver)
    replica.store_part()
    replica.clear_volume()
    replica.run("save")
    every = cases(replica, what)
    tried, failed = try_cases(every, lambda *case: fail_once(replica, what, *case), seconds)
    replica.close()
    print(f"{what}: {tried} of {len(every)} cases, {failed} failed")
    return 0 if failed == 0 and tried > 50 else 1


if __name__ == "__main__":
    sys.exit(main())
