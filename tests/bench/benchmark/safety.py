"""What lock, jobs and watchdog cost: the library beside the same code without them (programs/bare.c)."""
from benchmark import volumes
from benchmark.quiet import wait_until_idle

WITH, WITHOUT = "with lock, jobs and watchdog", "without"
PER_ROUND = 4  # the difference is smaller than what one call differs from the next


def measure_safety(peers, source, rounds, patience):
    """{"save": {WITH: answers, WITHOUT: answers}, "load": …}, interleaved, each first in turn."""
    programs = {WITH: peers.path("whole"), WITHOUT: peers.path("bare")}
    results = {operation: {name: [] for name in programs} for operation in ("save", "load")}
    target = volumes.LOCAL / source.name
    for number in range(rounds * PER_ROUND + 1):
        if number % PER_ROUND == 0:
            wait_until_idle(patience)
        for operation, answers in results.items():
            for name in sorted(programs, reverse=number % 2):
                volumes.fresh(volumes.LOCAL)
                if operation == "save":
                    volumes.fresh(volumes.VOLUME)
                answer = peers.program(programs[name], operation, source if operation == "save" else target)
                if number > 0:
                    answers[name].append(answer)
    return results
