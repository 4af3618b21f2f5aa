#!/usr/bin/env python3
"""Fifty savers of one key and two hundred loaders on three hosts at once.

    test_storm.py VOLUME DRIVER

Exactly one save succeeds (every volume here has link()), the others are skipped; every load is complete, or found nothing
because it came before the publish; nothing but the archive is left."""

import sys
import time

from volume_lab.lab import main, require
from volume_lab.replicas import Replicas, count
from volume_lab.volumes import VOLUMES

SAVERS, LOADERS = 50, 200


def storm(lab, replicas):
    """Every loader but the last hundred starts among the savers."""
    savers, loaders = [], []
    for number in range(SAVERS):
        savers.append(replicas.save(lab.hosts[number % 3 + 1]))
        loaders += [replicas.load(lab.hosts[(number + extra) % 3 + 1]) for extra in range(2)]
    outcomes = [saver.result() for saver in savers]
    while len(loaders) < LOADERS:
        loaders.append(replicas.load(lab.hosts[len(loaders) % 3 + 1]))
    return outcomes, loaders


def test(lab):
    replicas = Replicas(lab, sys.argv[2])
    replicas.cache()
    outcomes, loaders = storm(lab, replicas)
    lab.say(f"{SAVERS} savers: {count(outcomes)}")
    generations = [replicas.check_load(loader) for loader in loaders]
    lab.say(f"{LOADERS} loaders: {generations.count(0)} complete, {generations.count(None)} before the publish")
    for outcome in outcomes:
        require(outcome.status in ("SUCCESS", "SKIPPED"), f"save: {outcome}")
    require(count(outcomes).get("SUCCESS OK") == 1, "exactly one save succeeds where there is link()")
    require(generations.count(0) >= LOADERS - 2 * SAVERS, "loads after the publish found it")
    require(replicas.check_volume(), "an archive is there")
    time.sleep(4)  # past both timeouts: what is left now belongs to the dead
    lab.say(f"one more save: {replicas.save(lab.hosts[2]).result()}")
    replicas.check_clean(1)


if __name__ == "__main__":
    main(VOLUMES, test)
