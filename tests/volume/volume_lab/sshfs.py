"""sshfs: a directory of the first host, served by OpenSSH's sftp-server to every host, over plain TCP inside the lab.

Locks are not shared between its mounts, and the server's errors are few: many an errno arrives as EPERM."""

import os

from .lab import wait_until

PORT = 2222
SERVER = "/usr/lib/openssh/sftp-server"


class Sshfs:
    STALE_SECONDS = 0  # so long may another host see a name as it was
    OTHER_USERS = False  # may users other than root reach it
    # libfuse first renames an open old file aside, so for a moment the name is absent; and all descriptors of a path share
    # their pages, of whichever file it was.
    REPLACES_AT_ONCE = False
    PROGRAMS = ("sshfs", "socat", SERVER)

    def __init__(self, lab):
        self.server = lab.hosts[1]
        self.back = os.path.join(self.server.directory, "back")
        self.path = os.path.join(lab.scratch, "volume")
        os.makedirs(self.back)
        os.makedirs(self.path)
        self.server.popen("socat", f"TCP-LISTEN:{PORT},fork,reuseaddr", f"EXEC:{SERVER}")
        for host in lab.hosts:
            self.mount(host)

    def mount(self, host, *options):
        def mounted():
            try:
                host.run("sshfs", "-o", f"directport={PORT},cache=no", *options, f"{self.server.address}:{self.back}", self.path)
            except OSError:
                return False
            return True

        wait_until(mounted, 30, f"{host.name} mounts the volume")

    def unmount(self, host):
        """The volume disappears, also from under those who use it."""
        host.run("umount", "-l", self.path)
