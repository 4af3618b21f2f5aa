#!/usr/bin/env python3
"""A save that meets a quota is NO_SPACE and leaves nothing; without the quota the next one succeeds.

    test_quota.py moosefs DRIVER"""

import sys

from volume_lab.lab import main, require
from volume_lab.moosefs import MooseFS
from volume_lab.replicas import Replicas


def save_meets(lab, replicas, *quota):
    host = lab.hosts[1]
    host.run("mfssetquota", *quota, replicas.shared)
    outcome = replicas.save(lab.hosts[2]).result()
    lab.say(f"mfssetquota {' '.join(quota)}: {outcome}")
    require(outcome[:2] == ("ERROR", "NO_SPACE"), f"a save over the quota: {outcome}")
    host.run("mfsdelquota", "-A", replicas.shared)
    replicas.check_clean(0)


def test(lab):
    replicas = Replicas(lab, sys.argv[2])
    save_meets(lab, replicas, "-L", "1M")  # half of the archive
    save_meets(lab, replicas, "-I", "1")  # the directory itself
    require(replicas.save(lab.hosts[3]).result().status == "SUCCESS", "a save without a quota")
    require(replicas.check_load(replicas.load(lab.hosts[1])) == 0, "a load after that")
    replicas.check_clean(1)
    lab.say("without a quota: saved and loaded")


if __name__ == "__main__":
    main({"moosefs": MooseFS}, test)
