#!/usr/bin/env python3
"""Kills saves and loads with eight workers at random moments, then checks that the promises hold.

    kill_random.py DRIVER ROUNDS [SEED]
"""

import random
import subprocess
import sys
import time

from kill_sweep import check, prepare
from replica import Broken, Replica

THREADS = 8


def duration(replica, what, operation):
    prepare(replica, what)
    begin = time.monotonic()
    replica.run(operation, THREADS)
    return time.monotonic() - begin


def main():
    driver, rounds = sys.argv[1], int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 32)
    source = random.Random(seed)
    replica = Replica(driver)
    replica.run("save")
    killed = 0
    for what in ("save", "load", "merge"):
        operation = "load" if what == "merge" else what
        longest = duration(replica, what, operation)
        for number in range(rounds):
            prepare(replica, what)
            process = subprocess.Popen(replica.command(operation, THREADS), stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            time.sleep(source.uniform(0, longest))
            process.kill()
            killed += process.wait() == -9
            try:
                check(replica, what)
            except Broken as broken:
                print(f"{what}, round {number}, seed {seed}: {broken}")
                return 1
    replica.close()
    print(f"killed {killed} of {3 * rounds} processes in the middle, seed {seed}")
    return 0 if killed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
