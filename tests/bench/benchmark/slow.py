"""Saves and loads on a slow volume: FUSE, 5 ms for every operation, 100 MB/s for each open file."""
import os
import subprocess
import sys
import time

from benchmark import volumes
from benchmark.peers import LIBRARY, PYPI, SLOW_TAR
from benchmark.quiet import wait_until_idle

LATENCY_MS, MB_PER_S, CACHE_S = 5, 100, 1
BEHIND = volumes.CACHE / "behind"
WHO = [LIBRARY, SLOW_TAR, PYPI]


class SlowVolume:
    """The shared volume as it is, seen through a program that takes its time. A context."""

    def __init__(self, faultfs):
        self._command = [faultfs, "--latency", str(LATENCY_MS), "--bandwidth", str(MB_PER_S), "--cache", str(CACHE_S)]

    def __enter__(self):
        BEHIND.mkdir(exist_ok=True)
        volumes.quietly("mount", "--bind", volumes.VOLUME, BEHIND)
        fast = os.stat(volumes.VOLUME).st_dev
        self._process = subprocess.Popen([*self._command, BEHIND, volumes.VOLUME])
        while os.stat(volumes.VOLUME).st_dev == fast:
            if self._process.poll() is not None:
                sys.exit("the slow volume does not mount")
            time.sleep(0.01)
        return self

    def __exit__(self, *_):
        volumes.quietly("umount", volumes.VOLUME)
        self._process.wait()
        volumes.quietly("umount", BEHIND)


def measure_slow(peers, source, rounds, patience):
    """{"save": {name: answers}, "load": …}, interleaved."""
    results = {operation: {name: [] for name in WHO} for operation in ("save", "load")}
    target = volumes.LOCAL / source.name
    for number in range(rounds):
        for name in WHO:
            volumes.fresh(volumes.LOCAL)
            volumes.fresh(volumes.VOLUME)
            with SlowVolume(peers.slow_volume):
                wait_until_idle(patience)
                results["save"][name].append(peers.save(name, source))
                volumes.fresh(volumes.LOCAL)
                wait_until_idle(patience)
                results["load"][name].append(peers.load(name, source, target))
            volumes.same_tree(source, target, name)
        print(f"  slow volume, round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return results
