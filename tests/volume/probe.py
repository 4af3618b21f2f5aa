#!/usr/bin/env python3
"""What a network file system does between two hosts: the facts behind the protocol in docs/locking.md.

    probe.py moosefs|sshfs|gluster

Prints a line per question. The same file runs on the hosts: probe.py on-host QUESTION DIRECTORY."""

import collections
import ctypes
import errno
import fcntl
import json
import os
import sys
import time

ROUNDS = 200
RENAME_NOREPLACE = 1
AT_FDCWD = -100


def name_of(number):
    return errno.errorcode.get(number, str(number)) if number else "done"


def attempt(call, *words):
    try:
        call(*words)
    except OSError as error:
        return name_of(error.errno)
    return "done"


def fill(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def content(path):
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except FileNotFoundError:
        return None


def rename_noreplace(old, new):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), RENAME_NOREPLACE) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


# What runs on a host; each prints one JSON value.


def race_to_create(directory):
    """Both hosts try to create the same names at the same time: what the losers are told."""
    told = []
    for number in range(ROUNDS):
        try:
            os.close(os.open(f"{directory}/race{number}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            told.append("done")
        except OSError as error:
            told.append(name_of(error.errno))
    return told


def race_to_link(directory):
    """The same with link(), each time of a file of its own: there are limits on the number of links."""
    told = []
    for number in range(ROUNDS):
        own = f"{directory}/own{number}-{os.uname().nodename}"
        os.close(os.open(own, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        told.append(attempt(os.link, own, f"{directory}/link{number}"))
    return told


def replace_again_and_again(directory):
    """Renames a new file over `live` ROUNDS / 4 times; prints when each call had returned."""
    times = []
    for number in range(ROUNDS // 4):
        fill(f"{directory}/next", str(number))
        os.rename(f"{directory}/next", f"{directory}/live")
        times.append(time.monotonic())
        time.sleep(0.05)
    return times


def watch_live(directory):
    """When each content of `live` was last seen by open and read, and what went wrong meanwhile."""
    seen, failures, deadline = {}, collections.Counter(), time.monotonic() + 30
    while str(ROUNDS // 4 - 1) not in seen and time.monotonic() < deadline:
        try:
            text = content(f"{directory}/live")
        except OSError as error:
            failures[name_of(error.errno)] += 1
            continue
        if text:
            seen[text] = time.monotonic()
        elif text == "":
            failures["empty"] += 1
    return {"seen": seen, "failures": failures}


def watch_absent(directory):
    """Looks for a name that is not there until it is; prints when it was."""
    deadline = time.monotonic() + 30
    while not os.path.exists(f"{directory}/late") and time.monotonic() < deadline:
        time.sleep(0.002)
    return time.monotonic()


def make_late(directory):
    fill(f"{directory}/early", "x")
    time.sleep(1)
    os.rename(f"{directory}/early", f"{directory}/late")
    return time.monotonic()


def hold_flock(directory):
    with open(f"{directory}/flock", "w", encoding="ascii") as file:
        told = attempt(fcntl.flock, file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fill(f"{directory}/held", "x")
        time.sleep(3)
    return told


def try_flock(directory):
    while not os.path.exists(f"{directory}/held"):
        time.sleep(0.01)
    with open(f"{directory}/flock", "w", encoding="ascii") as file:
        return attempt(fcntl.flock, file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def names(directory):
    fill(f"{directory}/a", "a")
    fill(f"{directory}/b", "b")
    answers = {
        "link to a new name": attempt(os.link, f"{directory}/a", f"{directory}/c"),
        "link to a taken name": attempt(os.link, f"{directory}/a", f"{directory}/b"),
        "RENAME_NOREPLACE to a new name": attempt(rename_noreplace, f"{directory}/a", f"{directory}/d"),
        "RENAME_NOREPLACE to a taken name": attempt(rename_noreplace, f"{directory}/a", f"{directory}/b"),
        "rename over a taken name": attempt(os.rename, f"{directory}/a", f"{directory}/b"),
    }
    descriptor = os.open(directory, os.O_RDONLY)
    answers["fsync of a directory"] = attempt(os.fsync, descriptor)
    return answers


def statvfs(directory):
    answer = os.statvfs(directory)
    return {"blocks": answer.f_blocks * answer.f_frsize, "available": answer.f_bavail * answer.f_frsize,
            "inodes": answer.f_files, "free inodes": answer.f_ffree}


ON_HOST = {function.__name__: function for function in (
    race_to_create, race_to_link, replace_again_and_again, watch_live, watch_absent, make_late, hold_flock, try_flock,
    names, statvfs)}


# What runs in the lab.


def ask(lab, directory, questions):
    """Asks host 1, 2, … at the same time, each its own question."""
    place = os.path.join(lab.volume.path, directory)
    lab.hosts[1].run("mkdir", "-p", place)
    asked = [lab.hosts[number + 1].popen(sys.executable, __file__, "on-host", question, place, stdout=-1)
             for number, question in enumerate(questions)]
    return [json.loads(process.communicate(timeout=120)[0]) for process in asked]


def describe_race(first, second):
    losers = collections.Counter(b if a == "done" else a for a, b in zip(first, second))
    both = sum(a == b == "done" for a, b in zip(first, second))
    none = sum("done" not in pair for pair in zip(first, second))
    return f"{dict(losers)}, two winners: {both}, no winner: {none}, wins {first.count('done')} to {second.count('done')}"


def test(lab):
    lab.say(f"statvfs at once: {ask(lab, '.', ['statvfs'])[0]}")
    for answer, told in ask(lab, "names", ["names"])[0].items():
        lab.say(f"{answer}: {told}")
    lab.say(f"losers of exclusive create: {describe_race(*ask(lab, 'create', ['race_to_create'] * 2))}")
    lab.say(f"losers of link: {describe_race(*ask(lab, 'link', ['race_to_link'] * 2))}")
    times, watched = ask(lab, "live", ["replace_again_and_again", "watch_live"])
    stale = sorted(max(0, last - times[int(number) + 1]) for number, last in watched["seen"].items() if int(number) + 1 < len(times))
    lab.say(f"a file that was renamed over another is still the old one elsewhere for {stale[len(stale) // 2]:.3f} s (median), "
            f"{stale[-1]:.3f} s (longest); {len(watched['seen'])} of {len(times)} seen; reader's failures: {watched['failures']}")
    made, seen = ask(lab, "late", ["make_late", "watch_absent"])
    lab.say(f"a name that was absent is seen after {seen - made:.3f} s")
    held, tried = ask(lab, "flock", ["hold_flock", "try_flock"])
    lab.say(f"flock: {held} on one host, {tried} on the other")
    lab.say(f"statvfs later: {ask(lab, '.', ['statvfs'])[0]}")


if __name__ == "__main__":
    if sys.argv[1] == "on-host":
        print(json.dumps(ON_HOST[sys.argv[2]](sys.argv[3])))
    else:
        from volume_lab.lab import main
        from volume_lab.volumes import VOLUMES
        main(VOLUMES, test)
