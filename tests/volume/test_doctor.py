#!/usr/bin/env python3
"""What `b10-compile-cache doctor` says about a network volume is what tests/volume/probe.py measures there.

    test_doctor.py VOLUME COMMAND"""

import json
import os
import sys

import probe
from volume_lab.lab import main, require
from volume_lab.volumes import VOLUMES


def ask_doctor(lab, command, shared):
    settings = {"BASETEN_FS_ENABLED": 1, "B10FS_CACHE_DIR": shared, "B10_LOCAL_PREFIXES": "any", "MIN_LOCAL_SPACE_MB": 0,
                "MIN_B10FS_SPACE_MB": 0, "TORCHINDUCTOR_CACHE_DIR": os.path.join(lab.scratch, "local")}
    words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    answer = json.loads(lab.hosts[2].run(command, "doctor", "--json", "--quiet", *words, check=False))
    return {check["name"]: check["verdict"] for check in answer["checks"]}, answer


def test(lab):
    shared = os.path.join(lab.volume.path, "compile_cache")
    lab.hosts[1].run("mkdir", shared)
    measured = probe.ask(lab, "names", ["names"])[0]
    checks, answer = ask_doctor(lab, os.path.realpath(sys.argv[2]), shared)
    lab.say(f"doctor: {', '.join(f'{name} {verdict}' for name, verdict in checks.items() if verdict != 'OK')}, the rest OK")
    for name, question in (("volume.link", "link to a new name"),
                           ("volume.rename_noreplace", "RENAME_NOREPLACE to a new name"),
                           ("volume.rename", "rename over a taken name"),
                           ("volume.fsync_directory", "fsync of a directory")):
        require((checks[name] == "OK") == (measured[question] == "done"), f"{name}: {checks[name]}, measured: {measured[question]}")
    require(answer["exit_code"] == 0 and "FAIL" not in checks.values(), f"a volume that is fit: {checks}")
    require(lab.hosts[1].run("ls", "-A", shared) == "", "doctor left something")


if __name__ == "__main__":
    main(VOLUMES, test)
