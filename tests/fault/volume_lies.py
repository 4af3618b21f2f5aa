#!/usr/bin/env python3
"""A volume that lies, or a replica that misunderstands it: what is healthy for others stays as it is.

    volume_lies.py DRIVER FAULTFS
"""

import os
import re
import subprocess
import sys
import time

from replica import ARCHIVE, SET_ASIDE, Broken, require, snapshot
from volume import VolumeReplica, require_fuse

ALWAYS = 1_000_000_000
HOUR = 3600


def content(path):
    with open(path, "rb") as file:
        return file.read()


def backed(replica, pattern):
    return [os.path.join(replica.mounted.backing, name) for name in os.listdir(replica.mounted.backing)
            if pattern.match(name)]


def archive(replica):
    """Path of the only archive, seen behind the volume."""
    found = backed(replica, ARCHIVE)
    require(len(found) == 1, f"archives: {found}")
    return found[0]


def expect(replica, operation, outcomes, *settings):
    replica.clear_local()
    answer = replica.run(operation, 1, *settings)
    require(answer in outcomes.split(" or "), f"{operation}: {answer}, not {outcomes}")
    return answer


def saved(replica):
    """Saves and returns the archive's bytes."""
    expect(replica, "save", "SUCCESS OK")
    return content(archive(replica))


# ---- space ----

def a_volume_that_does_not_know_its_space_is_not_full(replica):
    replica.mounted.rules(f"statfs 1 {ALWAYS} zero 0")
    expect(replica, "save", "SUCCESS OK", "min_b10fs_space_mb=1024")


def a_full_volume_gets_nothing(replica):
    replica.mounted.rules(f"statfs 1 {ALWAYS} avail 0")
    expect(replica, "save", "ERROR NO_SPACE", "min_b10fs_space_mb=1")
    require(os.listdir(replica.mounted.backing) == [], "something was left")


def a_volume_that_becomes_full_keeps_nothing(replica):
    for number in range(2, 5):
        replica.mounted.rules(f"statfs {number} {ALWAYS} avail 0")
        expect(replica, "save", "ERROR NO_SPACE or SUCCESS OK", "min_b10fs_space_mb=1")
        full = number == 2
        require(not full or os.listdir(replica.mounted.backing) == [], "something was left")
        replica.clear_volume()


# ---- clocks ----

def a_live_saver_is_not_swept_whatever_the_clocks_say(replica):
    for skew in (-HOUR, HOUR):
        replica.clear_volume()
        replica.mounted.forget()
        replica.mounted.rules(f"write 1 {ALWAYS} delay 700 .tmp")
        command = replica.command("save", 1)
        saver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        replica.mounted.wait_for("delay")
        temporary = [name for name in os.listdir(replica.mounted.backing) if name.endswith(".tmp")]
        slow = f"write 1 {ALWAYS} delay 700 {temporary[0]}"
        replica.mounted.rules(slow, f"getattr 1 {ALWAYS} skew {skew}")
        outcome = replica.run("save", 1, "b10_environment_key=another")
        present = os.listdir(replica.mounted.backing)
        require(saver.poll() is None, "the slow saver was not slow")
        require(outcome == "SUCCESS OK", f"another key: {outcome}")
        require(all(name in present for name in temporary), f"{temporary} was swept")
        replica.mounted.rules(f"getattr 1 {ALWAYS} skew {skew}")
        answer, _ = saver.communicate(timeout=30)
        require(answer.strip() == "SUCCESS OK", f"the slow saver: {answer}")
        replica.mounted.rules()
        for name in backed(replica, re.compile("another")):
            os.unlink(name)
        require(replica.loaded() == replica.expected, "what the slow saver saved is not whole")


# ---- replicas that cannot read what others can ----

def an_archive_beyond_this_hosts_limits_stays(replica):
    with open(os.path.join(replica.saved, "sparse.bin"), "wb") as file:
        file.truncate(70 << 20)
    replica.expected = snapshot(replica.saved)
    healthy = saved(replica)
    small = "max_cache_size_mb=1"
    expect(replica, "load", "ERROR TOO_LARGE", small)
    expect(replica, "save", "SKIPPED ALREADY_SAVED", small)
    require(content(archive(replica)) == healthy and len(os.listdir(replica.mounted.backing)) == 1, "it was touched")


def offsets(healthy):
    """Bytes all over the archive, and more of them in its tail."""
    size = len(healthy)
    return sorted({*range(0, size, size // 40), *range(max(0, size - 2000), size, 61), size - 1})


def a_bit_wrong_in_one_read_costs_nobody_the_archive(replica):
    healthy = saved(replica)
    for offset in offsets(healthy):
        replica.mounted.forget()
        replica.mounted.rules(f"read 1 1 flip {offset} .v1.tar.zst")
        expect(replica, "load", "SUCCESS OK or ERROR CORRUPT or ERROR UNSAFE")
        require(any(action == "flip" for _, _, action in replica.mounted.log()), f"byte {offset} was never read")
        require(content(archive(replica)) == healthy, f"byte {offset}: the archive was touched")
        require(not backed(replica, SET_ASIDE), f"byte {offset}: a healthy archive was set aside")
        expect(replica, "load", "SUCCESS OK")


def a_bit_wrong_in_every_read_sets_it_aside_once(replica):
    noticed = 0
    for offset in offsets(saved(replica))[::3]:
        replica.clear_volume()
        healthy = saved(replica)
        replica.mounted.rules(f"read 1 {ALWAYS} flip {offset} .v1.tar.zst")
        answer = expect(replica, "load", "ERROR CORRUPT or ERROR UNSAFE or SUCCESS OK")
        if answer == "SUCCESS OK":  # the index: a load has no use for it
            require(snapshot(replica.local) == replica.expected, f"byte {offset}: it installed something else")
            require(content(archive(replica)) == healthy, f"byte {offset}: the archive was touched")
            replica.mounted.rules()
            continue
        noticed += 1
        require(not backed(replica, ARCHIVE), f"byte {offset}: it is still there")
        require([content(path) for path in backed(replica, SET_ASIDE)] == [healthy], f"byte {offset}: its bytes are lost")
        expect(replica, "load", "DOES_NOT_EXIST ABSENT")
        require(len(os.listdir(replica.mounted.backing)) == 1, f"byte {offset}: set aside again")
        replica.mounted.rules()
        expect(replica, "save", "SUCCESS OK")
        require(replica.loaded() == replica.expected, "what was saved again is not whole")
    require(noticed > 10, f"noticed only {noticed} times")


def a_replica_that_reads_wrong_never_publishes_what_it_cannot_read(replica):
    healthy = saved(replica)
    for offset in offsets(healthy)[::8]:
        replica.clear_volume()
        healthy = saved(replica)
        replica.mounted.rules(f"read 1 {ALWAYS} flip {offset} .zst", f"read 1 {ALWAYS} flip {offset} .tmp")
        answer = replica.run("save")
        replica.mounted.rules()
        require(answer in ("SKIPPED ALREADY_SAVED", "ERROR IO", "ERROR CORRUPT", "ERROR UNSAFE"),
                f"byte {offset}: {answer}")
        require(content(archive(replica)) == healthy, f"byte {offset}: the archive was replaced")


def main():
    driver, faultfs = sys.argv[1:3]
    require_fuse(faultfs)
    tests = [
        a_volume_that_does_not_know_its_space_is_not_full,
        a_full_volume_gets_nothing,
        a_volume_that_becomes_full_keeps_nothing,
        a_live_saver_is_not_swept_whatever_the_clocks_say,
        an_archive_beyond_this_hosts_limits_stays,
        a_bit_wrong_in_one_read_costs_nobody_the_archive,
        a_bit_wrong_in_every_read_sets_it_aside_once,
        a_replica_that_reads_wrong_never_publishes_what_it_cannot_read,
    ]
    failed = 0
    for test in tests:
        begin = time.monotonic()
        replica = VolumeReplica(driver, faultfs)
        try:
            test(replica)
            print(f"ok      {test.__name__} ({time.monotonic() - begin:.1f} s)")
        except Broken as broken:
            failed += 1
            print(f"FAILED  {test.__name__}: {broken}")
        replica.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
