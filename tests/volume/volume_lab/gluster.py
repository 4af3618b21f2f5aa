"""GlusterFS, replica 3: a brick on every host, each on a small xfs of its own; every host mounts the volume.

Any two hosts are a quorum, so that one can be cut off or switched off. Its lookups may be stale for most of a second."""

import os
import shutil
import subprocess

from .lab import wait_until

BRICK_SIZE = "600M"
PING_TIMEOUT = 3  # seconds until a host that does not answer counts as gone


class Gluster:
    PROGRAMS = ("glusterd", "gluster", "mount.glusterfs", "mkfs.xfs")
    STALE_SECONDS = 1.1  # so long may another host see a name as it was
    OTHER_USERS = True  # may users other than root reach it
    REPLACES_AT_ONCE = True  # a name that is renamed over is the old file or the new one

    def __init__(self, lab):
        self.path = os.path.join(lab.scratch, "volume")
        os.makedirs(self.path)
        first, others = lab.hosts[1], lab.hosts.all[1:]
        for host in lab.hosts:
            self._make_brick(host)
            self.boot(host)
        for host in lab.hosts:
            wait_until(lambda host=host: "Number of Peers" in host.run("gluster", "peer", "status", check=False), 30,
                       f"{host.name}: glusterd answers")
        for host in others:
            self._gluster(first, "peer", "probe", host.address)
        for host in lab.hosts:
            wait_until(lambda host=host: self._connected(host) == len(others), 30, f"{host.name} knows every peer")
        bricks = [f"{host.address}:{self._brick(host)}/b" for host in lab.hosts]
        self._gluster(first, "volume", "create", "vol", "replica", str(len(bricks)), "transport", "tcp", *bricks, "force")
        self._gluster(first, "volume", "set", "vol", "network.ping-timeout", str(PING_TIMEOUT))
        self._gluster(first, "volume", "start", "vol")
        for host in lab.hosts:
            self.mount(host)

    @staticmethod
    def _gluster(host, *words):
        return host.run("gluster", "--mode=script", *words)

    def _connected(self, host):
        return self._gluster(host, "peer", "status").count("Peer in Cluster (Connected)")

    @staticmethod
    def _brick(host):
        return os.path.join(host.directory, "brick")

    def _make_brick(self, host):
        """State of glusterd and the brick survive the host's power loss: they lie in its directory."""
        for name in ("glusterd", "log", "brick"):
            os.makedirs(os.path.join(host.directory, name))
        shutil.copytree("/var/lib/glusterd", os.path.join(host.directory, "glusterd"), dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("glusterd.info", "peers", "vols"))
        image = self._brick(host) + ".img"
        subprocess.run(["truncate", "-s", BRICK_SIZE, image], check=True)
        subprocess.run(["mkfs.xfs", "-q", "-i", "size=512", image], check=True)

    def boot(self, host):
        """What a host does when it is switched on."""
        for name, place in (("glusterd", "/var/lib/glusterd"), ("log", "/var/log/glusterfs")):
            host.run("mkdir", "-p", place)
            host.run("mount", "--bind", os.path.join(host.directory, name), place)
        host.run("mkdir", "-p", "/run/gluster")
        host.run("mount", "-o", "loop", self._brick(host) + ".img", self._brick(host))
        host.run("mkdir", "-p", self._brick(host) + "/b")
        host.run("glusterd", "--log-level", "WARNING")

    def mount(self, host, *options):
        if "/vol " not in host.run("cat", "/proc/mounts") and "glusterd" not in host.run("ps", "-e"):
            self.boot(host)

        def mounted():
            host.run("mount", "-t", "glusterfs", "-o", "log-level=WARNING", *options, "127.0.0.1:/vol", self.path, check=False)
            return f" {self.path} fuse.glusterfs" in host.run("cat", "/proc/mounts")

        wait_until(mounted, 60, f"{host.name} mounts the volume")

    def unmount(self, host):
        """The volume disappears, also from under those who use it."""
        host.run("umount", "-l", self.path)
