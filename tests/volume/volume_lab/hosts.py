"""Hosts on one switch: each has its own network, mounts, pids, host name, boot id, /etc/hosts and TMPDIR, so that pids of two
hosts collide as they do in containers. All of them see the lab's scratch directory and what lies under it."""

import os
import signal
import subprocess
import uuid

from . import namespaces

NETWORK = "10.77.0."


def _ip(*words):
    subprocess.run(["ip", *words], check=True, stdout=subprocess.DEVNULL)


class Hosts:
    """The switch is a bridge in the lab's own network namespace; nothing of it reaches the machine's network."""

    def __init__(self, scratch, count):
        self.scratch = scratch
        _ip("link", "add", "switch", "type", "bridge")
        _ip("link", "set", "switch", "up")
        self.all = [Host(self, number + 1, count) for number in range(count)]

    def __iter__(self):
        return iter(self.all)

    def __getitem__(self, number):
        """Hosts are counted from 1, as their addresses are."""
        return self.all[number - 1]


class Host:
    def __init__(self, hosts, number, count):
        self.name = f"host{number}"
        self.address = f"{NETWORK}{number}"
        self.directory = os.path.join(hosts.scratch, self.name)
        self.known = [(f"{NETWORK}{other}", f"host{other}") for other in range(1, count + 1)]
        self.temporary = os.path.join(self.directory, "tmp")
        os.makedirs(self.temporary)
        self.start()

    def start(self):
        """Switched on, for the first time or again."""
        self._write("boot_id", str(uuid.uuid4()))
        self._write("machine-id", uuid.uuid4().hex)
        self._write("hosts", "\n".join(["127.0.0.1 localhost", *(" ".join(pair) for pair in self.known)]))
        self.pid = namespaces.start_host(self._prepare)
        _ip("link", "add", self.name, "type", "veth", "peer", "name", "eth0", "netns", str(self.pid))
        _ip("link", "set", self.name, "master", "switch", "up")
        self.run("ip", "addr", "add", f"{self.address}/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")

    def _prepare(self):
        subprocess.run(["hostname", self.name], check=True)
        for name, place in (("boot_id", "/proc/sys/kernel/random/boot_id"), ("hosts", "/etc/hosts"),
                            ("machine-id", "/etc/machine-id")):
            if os.path.exists(place):
                subprocess.run(["mount", "--bind", os.path.join(self.directory, name), place], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"], check=True)
        os.makedirs("/run/lock")

    def _write(self, name, text):
        with open(os.path.join(self.directory, name), "w", encoding="ascii") as file:
            file.write(text + "\n")

    def words(self, *words):
        return ["nsenter", f"--target={self.pid}", "--net", "--mount", "--uts", "--ipc", "--pid", "--",
                "env", f"TMPDIR={self.temporary}", *words]

    def popen(self, *words, **options):
        return subprocess.Popen(self.words(*words), stdin=subprocess.DEVNULL, **options)

    def run(self, *words, timeout=60, check=True):
        """Runs a command to its end and returns what it printed on both streams. Daemons that it leaves behind must not
        keep the pipe open, so the output goes to a file."""
        with open(os.path.join(self.directory, "output"), "w+b") as output:
            done = subprocess.run(self.words(*words), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                  timeout=timeout, check=False)
            output.seek(0)
            text = output.read().decode(errors="replace")
        if check and done.returncode != 0:
            raise OSError(f"{self.name}: {' '.join(words)}: exit {done.returncode}: {text}")
        return text

    def cut(self):
        """The cable is pulled."""
        _ip("link", "set", self.name, "down")

    def heal(self):
        _ip("link", "set", self.name, "up")

    def power_off(self):
        """Every process of the host is gone at once, its mounts and its network with them."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
