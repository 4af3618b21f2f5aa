#!/usr/bin/env python3
"""pypi.py PACKAGE load|save: one call of the PyPI package b10-transfer, as published, in a process of its own.

PACKAGE is the folder its wheel was unpacked into. Prints what the call cost as one line of JSON, in the form of
programs/library.c. Importing torch, which the package needs to name its archive, is not part of the time.
"""
import json
import resource
import sys
import time

sys.path.insert(0, sys.argv[1])
import b10_transfer  # noqa: E402


def cpu():
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


call = {"load": b10_transfer.load_compile_cache, "save": b10_transfer.save_compile_cache}[sys.argv[2]]
cpu_before, began = cpu(), time.perf_counter()
status = call()
took = time.perf_counter() - began
print(json.dumps({"status": status.name, "seconds": took, "cpu": cpu() - cpu_before, "peak": peak()}))
