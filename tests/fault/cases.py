"""The cases of a sweep, for as long as the time allows."""

import random
import time


def try_cases(cases, attempt, seconds):
    """Calls attempt(*case), which says whether what was promised held, for one case after the other, in an order that is
    mixed but the same in every run: where the time ends before the cases do, those that were tried lie everywhere among
    them. seconds: 0 for all of them, however long it takes. Returns how many were tried and how many of them failed."""
    end = time.monotonic() + seconds
    tried = failed = 0
    for case in random.Random(0).sample(cases, len(cases)):
        if seconds and time.monotonic() > end:
            break
        tried += 1
        failed += not attempt(*case)
    return tried, failed
