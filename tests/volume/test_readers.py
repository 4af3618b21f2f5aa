#!/usr/bin/env python3
"""Loads while the archive is replaced again and again, and loads without any right to write.

    test_readers.py VOLUME DRIVER"""

import collections
import itertools
import os
import sys
import time

from volume_lab.lab import main, require
from volume_lab.replicas import Replicas
from volume_lab.volumes import VOLUMES

REPLACEMENTS, AT_ONCE = 24, 6
INTERVAL = 0.5  # seconds between two replacements, at least
NOBODY = 65534


def loads_survive_replacement(lab, replicas):
    """Every load is complete and of one generation. Where the volume itself shows no file for a moment, or pages of two
    files under one name, one in twenty may find nothing; what is installed is complete there, too."""
    allowed = () if lab.volume.REPLACES_AT_ONCE else ("DOES_NOT_EXIST", "ERROR")
    seen, loaders, number = collections.Counter(), collections.deque(), itertools.count()
    require(replicas.save(lab.hosts[1]).result().status == "SUCCESS", "first save")
    for generation in range(1, REPLACEMENTS + 1):
        replicas.cache(generation % 8)
        saver = replicas.save(lab.hosts[generation % 3 + 1], generation % 8, B10_SAVE_MODE="replace")
        while saver.running() or time.monotonic() < saver.begin + INTERVAL:
            loaders.append(replicas.load(lab.hosts[next(number) % 3 + 1]))
            if len(loaders) >= AT_ONCE:
                seen[replicas.check_load(loaders.popleft(), allowed)] += 1
        outcome = saver.result()
        require(outcome.status == "SUCCESS", f"replacement {generation}: {outcome}")
    for loader in loaders:
        seen[replicas.check_load(loader, allowed)] += 1
    lab.say(f"{seen.total()} loads while the archive was replaced {REPLACEMENTS} times: {dict(seen)} by generation")
    require(seen[None] * 20 <= seen.total(), f"{seen[None]} loads found nothing")
    require(len(seen) > 2, "the loads saw no replacement")


def load_needs_no_writable_mount(lab, replicas):
    host = lab.hosts[3]
    host.run("mount", "-o", "remount,bind,ro", lab.volume.path)
    saver = replicas.save(host, B10_SAVE_MODE="replace").result()
    require(saver.status == "ERROR", f"a save on a read-only mount: {saver}")
    require(replicas.check_load(replicas.load(host), allowed=()) is not None, "no load")
    host.run("mount", "-o", "remount,bind,rw", lab.volume.path)
    lab.say("load from a read-only mount: complete")


def load_needs_no_write_permission(lab, replicas):
    host = lab.hosts[2]
    place = os.path.join(lab.scratch, "nobody")
    os.mkdir(place)
    os.chown(place, NOBODY, NOBODY)
    os.chmod(lab.scratch, 0o755)
    answer = host.run("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", replicas.driver, "load",
                      f"{place}/local", replicas.shared, "2", check=False)
    require(answer.split()[:2] == ["SUCCESS", "OK"], f"load by a user who may not write to the volume: {answer}")
    lab.say("load by a user who may not write to the volume: complete")


def load_finds_what_another_directory_holds(lab, replicas):
    own = os.path.join(lab.volume.path, "empty")
    lab.hosts[1].run("mkdir", own)
    loader = replicas.start("load", lab.hosts[2], None, own, B10_READ_DIRS=replicas.shared)
    require(replicas.check_load(loader, allowed=()) is not None, "no load")
    require(replicas.check_load(replicas.start("load", lab.hosts[2], None, own)) is None, "a load from an empty directory")
    lab.say("load from B10_READ_DIRS: complete")


def test(lab):
    replicas = Replicas(lab, sys.argv[2])
    loads_survive_replacement(lab, replicas)
    load_needs_no_writable_mount(lab, replicas)
    if lab.volume.OTHER_USERS:
        load_needs_no_write_permission(lab, replicas)
    load_finds_what_another_directory_holds(lab, replicas)
    replicas.check_clean(1)


if __name__ == "__main__":
    main(VOLUMES, test)
