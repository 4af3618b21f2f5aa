"""A volume that fails on demand (faultfs/rules.h), in a mount namespace of the test's own."""

import os
import re
import shutil
import subprocess
import sys
import time

from replica import Replica, require, snapshot

NAMESPACE = "B10_TEST_NAMESPACE"


def skip(reason):
    print(f"SKIPPED: {reason}")
    sys.exit(77)


def enter_namespace():
    """Starts this program again in a mount namespace of its own, where mounts are seen by nobody else and end with it."""
    if os.environ.get(NAMESPACE) == "entered":
        return
    if os.geteuid() != 0:
        skip("mounts need root")
    if subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        skip("this machine allows no mount namespaces (in a chroot, / is no mount)")
    os.environ[NAMESPACE] = "entered"
    os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv])


def require_fuse(faultfs):
    if faultfs == "none":
        skip("built without libfuse3")
    if not os.path.exists("/dev/fuse"):
        skip("this machine has no FUSE")
    enter_namespace()


def enter_where_possible(faultfs):
    """The same for a program of which only a part needs it: that part asks whether NAMESPACE is "entered"."""
    probe = ["unshare", "--mount", "true"]
    if (faultfs != "none" and os.path.exists("/dev/fuse") and os.geteuid() == 0 and shutil.which("unshare")
            and subprocess.run(probe, stderr=subprocess.DEVNULL).returncode == 0):
        enter_namespace()


class Volume:
    """`directory`/volume is `directory`/backing seen through faultfs. Nothing fails until rules() says so."""

    def __init__(self, faultfs, directory, *options):
        self.program = [faultfs, *options]
        self.backing = os.path.join(directory, "backing")
        self.path = os.path.join(directory, "volume")
        self._rules = os.path.join(directory, "rules")
        self._log = os.path.join(directory, "log")
        self._process = None
        os.makedirs(self.backing, exist_ok=True)
        os.makedirs(self.path, exist_ok=True)
        self.rules()
        self.mount()

    def mount(self):
        outside = os.stat(self.path).st_dev
        self._process = subprocess.Popen(
            [*self.program, "--rules", self._rules, "--log", self._log, self.backing, self.path])
        deadline = time.monotonic() + 10
        while os.stat(self.path).st_dev == outside:
            require(time.monotonic() < deadline and self._process.poll() is None, "faultfs does not mount")
            time.sleep(0.005)
        self.forget()

    def kill(self):
        """As if the volume's machine were gone: whoever waits for an answer gets ENOTCONN."""
        self._process.kill()
        self._process.wait()

    def close(self):
        self.kill()
        subprocess.run(["umount", "--lazy", self.path], stderr=subprocess.DEVNULL)

    def rules(self, *lines):
        """From now on these rules; operations are counted anew."""
        with open(self._rules + ".new", "w") as file:
            file.writelines(line + "\n" for line in lines)
        os.rename(self._rules + ".new", self._rules)

    def log(self):
        """(operation, path, action) of every operation since forget()."""
        with open(self._log) as file:
            return [tuple((line.split() + [""])[:3]) for line in file]

    def forget(self):
        with open(self._log, "w"):
            pass

    def wait_for(self, action, seconds=10):
        """Returns the operation and the path that met `action`."""
        deadline = time.monotonic() + seconds
        while True:
            met = [(operation, path) for operation, path, happened in self.log() if happened == action]
            if met:
                return met[0]
            require(time.monotonic() < deadline, f"nothing met {action}")
            time.sleep(0.01)


class VolumeReplica(Replica):
    """A replica whose shared directory lies on a volume that fails on demand."""

    def __init__(self, driver, faultfs, *options):
        super().__init__(driver)
        self.mounted = Volume(faultfs, self.directory, *options)
        self.stored = os.path.join(self.directory, "stored")  # what restore_volume() puts there

    def close(self):
        self.mounted.close()
        super().close()

    def clear_volume(self):
        for name in os.listdir(self.mounted.backing):
            os.unlink(os.path.join(self.mounted.backing, name))

    def keep_volume(self):
        shutil.rmtree(self.stored, ignore_errors=True)
        shutil.copytree(self.mounted.backing, self.stored)

    def restore_volume(self):
        self.clear_volume()
        for name in os.listdir(self.stored):
            shutil.copy2(os.path.join(self.stored, name), self.mounted.backing)

    def loaded(self):
        """The tree that a load gets."""
        self.clear_local()
        outcome = self.run("load")
        require(outcome == "SUCCESS OK", f"load: {outcome}")
        return snapshot(self.local)
