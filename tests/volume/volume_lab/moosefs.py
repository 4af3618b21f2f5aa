"""MooseFS: master on the first host, data on the first two, twice each; every host mounts it.

The last host holds nothing that the others need, so that it can be cut off or switched off."""

import os

from .lab import wait_until

MASTER_CONFIG = """\
WORKING_USER = root
WORKING_GROUP = root
DATA_PATH = {directory}
EXPORTS_FILENAME = {directory}/exports.cfg
MATOML_LISTEN_HOST = {address}
MATOCS_LISTEN_HOST = {address}
MATOCL_LISTEN_HOST = {address}
"""

CHUNKSERVER_CONFIG = """\
WORKING_USER = root
WORKING_GROUP = root
DATA_PATH = {directory}
HDD_CONF_FILENAME = {directory}/hdd.cfg
HDD_LEAVE_SPACE_DEFAULT = 16MiB
MASTER_HOST = {master}
BIND_HOST = {address}
MASTER_RECONNECTION_DELAY = 1
"""


def _write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


class MooseFS:
    STALE_SECONDS = 0  # so long may another host see a name as it was
    OTHER_USERS = True  # may users other than root reach it
    REPLACES_AT_ONCE = True  # a name that is renamed over is the old file or the new one
    PROGRAMS = ("mfsmaster", "mfschunkserver", "mfsmount", "mfscli", "mfssettrashtime", "mfssetquota")

    def __init__(self, lab):
        self.master = lab.hosts[1]
        self.path = os.path.join(lab.scratch, "volume")
        os.makedirs(self.path)
        keepers = lab.hosts.all[:2]
        self._start_master()
        for host in keepers:
            self._start_chunkserver(host)
        for host in lab.hosts:
            self.mount(host)
        wait_until(lambda: self._chunkservers() >= len(keepers), 30, "every chunkserver known to the master")
        self.master.run("mfssetgoal", str(len(keepers)), self.path)
        self.master.run("mfssettrashtime", "-r", "0", self.path)

    def _start_master(self):
        directory = os.path.join(self.master.directory, "master")
        os.makedirs(directory)
        _write(f"{directory}/metadata.mfs", "MFSM NEW")
        _write(f"{directory}/exports.cfg", "* / rw,alldirs,admin,maproot=0:0\n")
        _write(f"{directory}/master.cfg", MASTER_CONFIG.format(directory=directory, address=self.master.address))
        self.master.run("mfsmaster", "-c", f"{directory}/master.cfg", "start")

    def _start_chunkserver(self, host):
        directory = os.path.join(host.directory, "chunkserver")
        os.makedirs(f"{directory}/chunks")
        _write(f"{directory}/hdd.cfg", f"{directory}/chunks\n")
        _write(f"{directory}/chunkserver.cfg",
               CHUNKSERVER_CONFIG.format(directory=directory, address=host.address, master=self.master.address))
        host.run("mfschunkserver", "-c", f"{directory}/chunkserver.cfg", "start")

    def _chunkservers(self):
        listing = self.master.run("mfscli", "-H", self.master.address, "-SCS", "-n", check=False)
        return listing.count("10.77.0.")

    def mount(self, host, *options):
        def mounted():
            try:
                host.run("mfsmount", self.path, "-H", self.master.address, *options)
            except OSError:
                return False
            return True

        wait_until(mounted, 30, f"{host.name} mounts the volume")

    def unmount(self, host):
        """The volume disappears, also from under those who use it."""
        host.run("umount", "-l", self.path)
