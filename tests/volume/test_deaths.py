#!/usr/bin/env python3
"""Savers that die, hang or lose their network in the middle, among loaders.

    test_deaths.py VOLUME DRIVER [SEED]

After each: nothing partial or wrong under the archive's name, and a new saver on another host succeeds within two lock
timeouts. At the end nothing of the dead is left."""

import random
import sys
import time

from volume_lab.lab import main, require
from volume_lab.replicas import Replicas, count
from volume_lab.volumes import VOLUMES

LOCK_TIMEOUT = 3  # seconds
KILL_ROUNDS, OFF_ROUNDS, CUT_ROUNDS, STOP_ROUNDS = 12, 3, 2, 1


class Deaths:
    def __init__(self, lab, replicas, source):
        self.lab, self.replicas, self.source = lab, replicas, source
        self.healthy, self.victim = lab.hosts[2], lab.hosts[3]
        self.longest = 0.0

    def check_new_saver(self):
        """The archive is absent or whole; if it is absent, the next save makes it in time."""
        if not self.replicas.check_volume(self.healthy):
            saver = self.replicas.save(self.healthy)
            outcome = saver.result(timeout=30)
            self.longest = max(self.longest, saver.seconds)
            require(outcome.status == "SUCCESS", f"the next save: {outcome}")
            require(saver.seconds < 2 * LOCK_TIMEOUT, f"the next save took {saver.seconds:.1f} s")
        require(self.replicas.check_volume(self.healthy), "no archive after the next save")
        loader = self.replicas.load(self.healthy)
        require(self.replicas.check_load(loader) == 0, "the next load finds the archive")

    def end_of_round(self, loaders):
        """Loads that ran meanwhile were complete or found nothing; the next round begins without an archive."""
        for loader in loaders:
            self.replicas.check_load(loader)
        self.check_new_saver()
        self.replicas.remove_archives()

    def loaders(self):
        return [self.replicas.load(host) for host in (self.lab.hosts[1], self.healthy)]

    def kill_at_random(self, duration):
        savers = [self.replicas.slow_save(host) for host in self.lab.hosts]
        loaders = self.loaders()
        time.sleep(self.source.uniform(0, duration))
        killed = [saver for saver in savers if saver.kill()]
        for saver in savers:
            outcome = saver.result()
            require(outcome.status in ("SUCCESS", "SKIPPED", "KILLED"), f"save: {outcome}")
        self.end_of_round(loaders)
        return len(killed)

    def power_off(self):
        saver = self.replicas.save_in_the_middle(self.victim)
        caught = saver.running()
        self.victim.power_off()
        saver.result()
        self.end_of_round(self.loaders())
        self.victim.start()
        self.lab.volume.mount(self.victim)
        return caught

    def cut(self):
        saver = self.replicas.save_in_the_middle(self.victim)
        caught = saver.running()
        self.victim.cut()
        loaders = self.loaders()
        self.check_new_saver()
        time.sleep(self.source.uniform(0, LOCK_TIMEOUT))
        self.victim.heal()
        outcome = saver.result(timeout=120)
        self.end_of_round(loaders)
        return caught, outcome

    def stop(self):
        saver = self.replicas.save_in_the_middle(self.victim)
        caught = saver.stop()
        begin = time.monotonic()
        loaders = self.loaders()
        self.check_new_saver()
        time.sleep(max(0, 3 * LOCK_TIMEOUT - (time.monotonic() - begin)))
        saver.resume()
        outcome = saver.result()
        self.end_of_round(loaders)
        return caught, outcome


def test(lab):
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 32)
    replicas = Replicas(lab, sys.argv[2], CLEANUP_LOCK_TIMEOUT_SECONDS=LOCK_TIMEOUT)
    deaths = Deaths(lab, replicas, random.Random(seed))
    for _ in range(2):  # the first one may meet a volume that is just mounted
        saver = replicas.slow_save(deaths.healthy)
        saver.result()
        replicas.remove_archives()
    lab.say(f"seed {seed}; an undisturbed save takes {saver.seconds:.1f} s")

    kills = [deaths.kill_at_random(saver.seconds) for _ in range(KILL_ROUNDS)]
    lab.say(f"killed {len(kills)} times at random, {sum(kills)} of {3 * KILL_ROUNDS} savers in the middle")
    caught = [deaths.power_off() for _ in range(OFF_ROUNDS)]
    lab.say(f"{OFF_ROUNDS} hosts switched off, {sum(caught)} in the middle of a save")
    cuts = [deaths.cut() for _ in range(CUT_ROUNDS)]
    lab.say(f"{CUT_ROUNDS} networks cut and healed, savers then: {count(outcome for _, outcome in cuts)}")
    stops = [deaths.stop() for _ in range(STOP_ROUNDS)]
    lab.say(f"{STOP_ROUNDS} savers stopped for {3 * LOCK_TIMEOUT} s and continued: {count(outcome for _, outcome in stops)}")
    lab.say(f"the longest next save took {deaths.longest:.1f} s")
    require(sum(kills) and sum(caught) and any(was for was, _ in cuts + stops), "nothing was hit in the middle")
    for was, outcome in cuts + stops:
        require(not was or outcome.status in ("SKIPPED", "ERROR"), f"a saver that was overtaken: {outcome}")
    time.sleep(LOCK_TIMEOUT + 1)  # past both timeouts
    lab.say(f"one more save: {replicas.save(lab.hosts[2]).result().reason}")
    replicas.check_clean(1)


if __name__ == "__main__":
    main(VOLUMES, test)
