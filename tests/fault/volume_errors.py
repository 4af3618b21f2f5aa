#!/usr/bin/env python3
"""Fails every operation that an operation of the library asks of a volume, one with one error at a time.

    volume_errors.py DRIVER FAULTFS save|replace|save_merge|again|load [SECONDS]

`replace` and `save_merge` find an archive that holds less; `again` is a save where the archive exists. Each operation of
the volume fails before anything is done, and again after it was done ("late": the answer was lost on the way, as on a
network; at `flush` this is an error of close). SECONDS bounds the time (default 80, 0: every case, however long it
takes). After each: an answer that fits the error; the volume holds what it held or the new archive, whole; the local
directory is absent or whole; nothing is left that a sweep would not take; the next operation succeeds.
"""

import os
import subprocess
import sys

from cases import try_cases
from replica import ARCHIVE, STAGING, TEMPORARY, Broken, require, snapshot
from volume import VolumeReplica, require_fuse

ERRORS = "EIO ENOSPC EDQUOT ESTALE EPERM ENOTCONN".split()
REASONS = {
    "EIO": {"IO"},
    "ENOSPC": {"NO_SPACE"},
    "EDQUOT": {"NO_SPACE"},
    "ESTALE": {"IO"},
    "EPERM": {"DENIED", "IO"},  # IO: the shared directory cannot be seen any more
    "ENOTCONN": {"IO"},
}
# Only who stores something is told that there is no room.
NO_ROOM = {"ENOSPC", "EDQUOT"}
STORING = {"create", "mkdir", "write", "flush", "fsync", "fsyncdir", "rename", "link"}
# Nobody waits for the answer to these.
UNHEARD = {"release"}
# What a save must not be content with: it would call an archive published that may not be there.
DECISIVE = {"write", "flush", "fsync", "fsyncdir"}
# But for its lock: that only saves work.
LOCK = ".lock"
# Where these fail, a temporary name may stay: it could not be removed, or whether it was is unknown.
MAY_LEAVE = {"unlink", "rename", "link", "getattr", "create"}


def change_saved(replica):
    """What the next save packs differs from what is stored."""
    with open(os.path.join(replica.saved, "ab", "later.py"), "w") as file:
        file.write("import later\n")
    replica.expected = snapshot(replica.saved)


class Sweep:
    def __init__(self, replica, what):
        self.replica = replica
        self.volume = replica.mounted
        self.what = what
        self.operation = "load" if what == "load" else "save"
        self.unharmed = "SKIPPED ALREADY_SAVED" if what == "again" else "SUCCESS OK"
        self.settings = {"replace": ["b10_save_mode=replace"], "save_merge": ["b10_save_mode=merge"]}.get(what, [])
        require(replica.run("save") == "SUCCESS OK", "the first save failed")
        self.old = replica.expected
        if self.settings:
            change_saved(replica)
        if what == "save":
            replica.clear_volume()
        replica.keep_volume()

    def prepare(self):
        self.replica.restore_volume()
        self.replica.clear_local()

    def run(self):
        command = self.replica.command(self.operation, 1, *self.settings)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout.strip(), done.stderr.strip()

    def cases(self):
        self.prepare()
        self.volume.forget()
        code, answer, message = self.run()
        require(answer == self.unharmed, f"without a fault: {answer}: {message}")
        seen, cases = {}, []
        for operation, path, _ in self.volume.log():
            if operation in UNHEARD:
                continue
            seen[operation] = seen.get(operation, 0) + 1
            decides = operation in DECISIVE and LOCK not in path
            cases += [(operation, seen[operation], how, error, decides) for how in ("errno", "late") for error in ERRORS
                      if operation in STORING or error not in NO_ROOM]
        return cases

    def check_answer(self, error, decides, code, answer, message):
        require(code in (1, 2, 3, 4), f"exit {code}")
        status, _, reason = answer.partition(" ")
        # A merging save takes ESTALE for an archive that was replaced, and does all of it once more.
        again = self.what == "save_merge" and error == "ESTALE"
        fits = answer == self.unharmed or (again and answer == "SKIPPED ALREADY_SAVED")
        require(fits or (status == "ERROR" and reason in REASONS[error]), "the answer does not fit")
        require(code == 1 or message, "no message")
        if self.what in ("save", "replace", "save_merge"):
            require(status == "ERROR" or not decides or again, "the error was ignored")

    def check_names(self, operation):
        names = os.listdir(self.volume.backing)
        archives = [name for name in names if ARCHIVE.match(name)]
        left = [name for name in names if name not in archives]
        require(len(archives) <= 1, f"several archives: {archives}")
        require(all(TEMPORARY.match(name) for name in left), f"strangers on the volume: {left}")
        require(not left or operation in MAY_LEAVE, f"left on the volume: {left}")
        return archives

    def check_saved(self, operation, answer):
        archives = self.check_names(operation)
        require(self.what == "save" or archives, "the archive is gone")
        require(archives or answer != "SUCCESS OK", "SUCCESS without an archive")
        if archives:
            tree = self.replica.loaded()
            require(tree == self.replica.expected or (tree == self.old and answer != "SUCCESS OK"),
                    "neither the old tree nor the new one")
        outcome = self.replica.run("save", 1, *self.settings)
        require(outcome in ("SUCCESS OK", "SKIPPED ALREADY_SAVED"), f"next save: {outcome}")
        require(self.replica.loaded() == self.replica.expected, "the next save did not save the tree")

    def check_loaded(self, answer):
        require(self.check_names("load"), "the archive is gone")
        present = self.replica.check_local()
        beside = os.listdir(os.path.dirname(self.replica.local))
        require(not any(STAGING.match(name) for name in beside), f"left beside the destination: {beside}")
        require(not present or present == self.replica.expected, "a part of the tree is in place")
        require(present or answer != "SUCCESS OK", "SUCCESS without the tree")
        self.replica.check_next_load_succeeds()

    def fail_once(self, operation, number, how, error, decides):
        self.prepare()
        rule = f"{operation} {number} 1 {how} {error}"
        self.volume.rules(rule)
        code, answer, message = self.run()
        self.volume.rules()
        try:
            self.check_answer(error, decides, code, answer, message)
            if self.operation == "save":
                self.check_saved(operation, answer)
            else:
                self.check_loaded(answer)
        except (Broken, subprocess.TimeoutExpired) as broken:
            print(f"{self.what}: {rule}: {broken} ({answer}: {message})")
            return False
        return True


def main():
    driver, faultfs, what = sys.argv[1:4]
    seconds = float(sys.argv[4]) if len(sys.argv) > 4 else 80
    require_fuse(faultfs)
    replica = VolumeReplica(driver, faultfs)
    sweep = Sweep(replica, what)
    every = sweep.cases()
    tried, failed = try_cases(every, sweep.fail_once, seconds)
    replica.close()
    print(f"{what}: {tried} of {len(every)} cases, {failed} failed")
    return 0 if failed == 0 and tried > 50 else 1


if __name__ == "__main__":
    sys.exit(main())
