#!/usr/bin/env python3
"""The volume disappears from a host (umount -l) during saves and loads.

    test_vanish.py VOLUME DRIVER [SEED]

Never SUCCESS for a file on the container's own disk, which then shows under the same path: nothing is ever written there.
On the volume is no archive or a whole one."""

import os
import random
import shutil
import sys
import time

from volume_lab.lab import main, require
from volume_lab.replicas import Replicas, count
from volume_lab.volumes import VOLUMES

ROUNDS = 8


class Vanish:
    def __init__(self, lab, replicas, source):
        self.lab, self.replicas, self.source = lab, replicas, source
        self.victim, self.healthy = lab.hosts[3], lab.hosts[2]
        self.own_disk = f"/proc/{self.victim.pid}/root{lab.volume.path}"

    def own_files(self):
        """Files on the container's own disk where the volume was."""
        return [os.path.join(directory, name) for directory, _, names in os.walk(self.own_disk) for name in names]

    def come_back(self):
        require(self.own_files() == [], f"written to the container's own disk: {self.own_files()}")
        self.lab.volume.mount(self.victim)

    def check_save(self, saver):
        outcome = saver.result()
        there = self.replicas.check_volume(self.healthy)
        require(outcome.status in ("SUCCESS", "ERROR", "SKIPPED"), f"save: {outcome}")
        require(outcome.status != "SUCCESS" or there, f"SUCCESS without an archive on the volume: {outcome}")
        return outcome

    def save_at_random(self, duration):
        """The own disk has no directory under that path, so it does not matter whether the save had opened it."""
        saver = self.replicas.slow_save(self.victim)
        time.sleep(self.source.uniform(0, duration))
        self.lab.volume.unmount(self.victim)
        outcome = self.check_save(saver)
        self.come_back()
        self.replicas.remove_archives()
        return outcome

    def save_with_a_double(self):
        """The own disk has a directory under the same path. The save has opened the volume's."""
        saver = self.replicas.save_in_the_middle(self.victim)
        self.lab.volume.unmount(self.victim)
        double = self.own_disk + "/model/compile_cache"
        os.makedirs(double)
        outcome = self.check_save(saver)
        require(outcome.status == "ERROR", f"the volume is gone, and yet: {outcome}")
        require(self.own_files() == [], f"written to the container's own disk: {self.own_files()}")
        shutil.rmtree(os.path.dirname(double))
        self.come_back()
        self.replicas.remove_archives()
        return outcome

    def load_at_random(self, duration):
        loader = self.replicas.load(self.victim)
        time.sleep(self.source.uniform(0, duration))
        self.lab.volume.unmount(self.victim)
        generation = self.replicas.check_load(loader, allowed=("DOES_NOT_EXIST", "ERROR"))
        self.come_back()
        return generation


def test(lab):
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 32)
    replicas = Replicas(lab, sys.argv[2])
    vanish = Vanish(lab, replicas, random.Random(seed))
    saver = replicas.slow_save(vanish.healthy)
    saver.result()
    replicas.remove_archives()
    lab.say(f"seed {seed}; an undisturbed save takes {saver.seconds:.1f} s")
    lab.say(f"save, own disk empty: {count(vanish.save_at_random(1.5 * saver.seconds) for _ in range(ROUNDS))}")
    lab.say(f"save, own disk with the same path: {count(vanish.save_with_a_double() for _ in range(ROUNDS // 2))}")
    outcome = replicas.save(vanish.healthy).result()
    require(outcome.status == "SUCCESS", f"an undisturbed save: {outcome}")
    loader = replicas.load(vanish.healthy)
    replicas.check_load(loader, allowed=())
    loads = [vanish.load_at_random(1.5 * loader.seconds) for _ in range(2 * ROUNDS)]
    lab.say(f"load: {loads.count(0)} complete, {loads.count(None)} without a volume")
    require(loads.count(0) > 0, "no load came in time")


if __name__ == "__main__":
    main(VOLUMES, test)
