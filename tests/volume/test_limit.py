#!/usr/bin/env python3
"""Twenty savers of different keys under MAX_CONCURRENT_SAVES=3.

    test_limit.py VOLUME DRIVER

Seen from outside, never more than three temporary files grow at once. Who is BUSY tries again, and in the end every key has
its archive."""

import os
import sys
import threading
import time

from volume_lab.lab import main, require
from volume_lab.replicas import TEMPORARY, Replicas, count
from volume_lab.volumes import VOLUMES

KEYS, LIMIT = 20, 3
LOCK_TIMEOUT = 10  # seconds: a volume that stalls for a moment under this load makes nobody dead
AGAIN = 1.5  # seconds after which who was BUSY tries again


class Watch(threading.Thread):
    """Looks at the shared directory all the time. lives: temporary file -> when it was first seen, when it last grew."""

    def __init__(self, directory):
        super().__init__()
        self.directory = directory
        self.lives, self.sizes, self.looks = {}, {}, 0
        self.over = threading.Event()

    def run(self):
        while not self.over.is_set():
            self.look()
            time.sleep(0.005)

    def look(self):
        self.looks += 1
        now = time.monotonic()
        for name in os.listdir(self.directory):
            if TEMPORARY.match(name):
                self.note(name, now)

    def note(self, name, now):
        try:
            size = os.stat(os.path.join(self.directory, name)).st_size
        except FileNotFoundError:
            return
        first, last = self.lives.get(name, (now, now))
        self.lives[name] = (first, now if size > self.sizes.get(name, 0) else last)
        self.sizes[name] = size

    def most_at_once(self):
        begins = [first for first, _ in self.lives.values()]
        return max((sum(first <= moment <= last for first, last in self.lives.values()) for moment in begins), default=0)


def save_all(lab, replicas):
    """Starts a saver for each key at once; who is BUSY starts again. Returns every outcome."""
    running, waiting, outcomes = {}, {number: 0 for number in range(KEYS)}, []
    while running or waiting:
        for number, moment in list(waiting.items()):
            if time.monotonic() >= moment:
                del waiting[number]
                running[number] = replicas.slow_save(lab.hosts[number % 3 + 1], B10_ENVIRONMENT_KEY=f"key{number}",
                                                     MAX_CONCURRENT_SAVES=LIMIT, CLEANUP_LOCK_TIMEOUT_SECONDS=LOCK_TIMEOUT)
        for number, saver in list(running.items()):
            if saver.running():
                continue
            outcome = running.pop(number).result()
            outcomes.append(outcome)
            require(outcome.status == "SUCCESS" or outcome.reason == "BUSY", f"save: {outcome}")
            if outcome.reason == "BUSY":
                waiting[number] = time.monotonic() + AGAIN
        time.sleep(0.02)
    return outcomes


def test(lab):
    replicas = Replicas(lab, sys.argv[2])
    replicas.cache()
    watch = Watch(replicas.seen_from(lab.hosts[1]))
    watch.start()
    try:
        outcomes = save_all(lab, replicas)
    finally:
        watch.over.set()
        watch.join()
    lab.say(f"{KEYS} keys: {count(outcomes)}; at most {watch.most_at_once()} of {len(watch.lives)} temporary files grew at once, "
            f"{watch.looks} looks")
    require(watch.most_at_once() <= LIMIT, f"{watch.most_at_once()} temporary files grew at once")
    require(watch.most_at_once() > 1 and any(outcome.reason == "BUSY" for outcome in outcomes), "nothing ran at once")
    for number in range(KEYS):
        verified = replicas.start("verify", lab.hosts[2], None, B10_ENVIRONMENT_KEY=f"key{number}").result()
        require(verified.status == "SUCCESS", f"key{number}: {verified}")
    replicas.check_clean(KEYS)


if __name__ == "__main__":
    main(VOLUMES, test)
