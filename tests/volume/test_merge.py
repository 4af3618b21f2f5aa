#!/usr/bin/env python3
"""Replicas that compiled different things merge them into one archive, all at once.

    test_merge.py VOLUME DRIVER

Who is told IN_PROGRESS comes again, as a later save would. In the end a load brings what every one of them had."""

import os
import shutil
import sys
import time

from volume_lab.lab import main, require
from volume_lab.replicas import Replicas, contents, count
from volume_lab.volumes import VOLUMES

SAVERS = 6  # fewer than the eight merges after which an archive is made anew


def compile_more(lab, replicas, number):
    """A cache that holds what all have, and files of its own; more of them each time, or it would be churn."""
    root = os.path.join(lab.scratch, "own", str(number))
    shutil.copytree(replicas.cache(), root)
    for part in range(number + 1):
        place = os.path.join(root, f"kernel{number}-{part}")
        os.makedirs(place)
        with open(os.path.join(place, "cubin"), "wb") as file:
            file.write(os.urandom(20000 * (number + 1)))
    return root


def test(lab):
    replicas = Replicas(lab, sys.argv[2], B10_SAVE_MODE="merge")
    roots = [compile_more(lab, replicas, number) for number in range(SAVERS)]
    everything = {name: data for root in roots for name, data in contents(root).items()}
    waiting, outcomes = list(range(SAVERS)), []
    while waiting:
        savers = [(number, replicas.start("save", lab.hosts[number % 3 + 1], roots[number])) for number in waiting]
        told = [(number, saver.result()) for number, saver in savers]
        outcomes += [outcome for _, outcome in told]
        waiting = [number for number, outcome in told if outcome.reason == "IN_PROGRESS"]
        for _, outcome in told:
            require(outcome.status == "SUCCESS" or outcome.reason == "IN_PROGRESS", f"save: {outcome}")
        require(len(outcomes) < 100, f"still not merged: {waiting}")
        require(replicas.check_volume(), "an archive is there")
    lab.say(f"{SAVERS} replicas merged: {count(outcomes)}")
    loader = replicas.load(lab.hosts[2])
    require(loader.result().status == "SUCCESS", "a load after the last merge")
    require(contents(loader.local) == everything, "the archive holds what every replica had")
    time.sleep(4)  # past both timeouts
    require(replicas.start("save", lab.hosts[1], roots[0]).result().reason == "ALREADY_SAVED", "nothing is left to merge")
    replicas.check_clean(1)


if __name__ == "__main__":
    main(VOLUMES, test)
