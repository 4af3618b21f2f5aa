"""Waiting for an idle machine before a measurement: on a shared one, that costs less than more rounds."""
import time

IDLE, SAMPLE = 0.9, 0.25  # this share of all CPUs, during this many seconds


def _ticks():
    with open("/proc/stat") as file:
        fields = [int(field) for field in file.readline().split()[1:9]]
    idle = fields[3] + fields[4]
    return idle, sum(fields)


def wait_until_idle(patience):
    """Returns when the CPUs are idle, or after `patience` seconds; whether they are."""
    deadline = time.monotonic() + patience
    while patience > 0:
        idle_before, all_before = _ticks()
        time.sleep(SAMPLE)
        idle, everything = _ticks()
        if idle - idle_before >= IDLE * (everything - all_before):
            return True
        if time.monotonic() > deadline:
            return False
    return False
