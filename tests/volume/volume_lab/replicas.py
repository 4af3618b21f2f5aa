"""Replicas on the hosts of a lab: each operation is a process of its own (tests/fault/driver.c), with local directories of
its own, all of them on one shared directory of the volume."""

import collections
import itertools
import os
import random
import re
import shutil
import signal
import subprocess
import time

from .lab import Broken, require, wait_until

TEMPORARY = re.compile(r"\.[a-z0-9._-]+\.[0-9a-f]{32}\.tmp$")
ARCHIVE = re.compile(r"[a-z0-9._-]+\.v1\.tar\.zst$")
HEADERS = "/usr/include/linux"
RANDOM_BYTES = 2 << 20

Outcome = collections.namedtuple("Outcome", "status reason message")


def make_cache(root, generation=0):
    """A few MB: kernel headers, which are many small files, and incompressible ones, in which a save spends its time."""
    source = random.Random(generation)
    names = sorted(name for name in os.listdir(HEADERS) if name.endswith(".h"))[:200]
    for name in names:
        place = os.path.join(root, name[0])
        os.makedirs(place, exist_ok=True)
        shutil.copyfile(os.path.join(HEADERS, name), os.path.join(place, name))
    for number in range(4):
        with open(os.path.join(root, f"cubin{number}"), "wb") as file:
            file.write(source.randbytes(RANDOM_BYTES // 4))
    with open(os.path.join(root, "generation"), "w", encoding="ascii") as file:
        file.write(f"{generation}\n")
    return root


def read_text(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def contents(root):
    """Relative path of every file below root -> its bytes."""
    found = {}
    for directory, _, files in os.walk(root):
        for name in files:
            path = os.path.join(directory, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, root)] = file.read()
    return found


class Operation:
    """A running save, load or verify on a host."""

    def __init__(self, host, words, environment, directory):
        self.host = host
        self.local = words[2]
        self.words = words
        self.begin = time.monotonic()
        self.answer = os.path.join(directory, "answer")
        self.message = os.path.join(directory, "message")
        with open(self.answer, "wb") as answer, open(self.message, "wb") as message:
            self.process = host.popen("env", *(f"{name}={value}" for name, value in environment.items()), *words,
                                      stdout=answer, stderr=message)

    def inner_pid(self):
        """nsenter's child: the operation itself, None when it has ended."""
        pid = self.process.pid
        try:
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
                return int(file.read().split()[0])
        except (FileNotFoundError, ProcessLookupError, IndexError):
            return None

    def send(self, number):
        """Whether the operation was still there to get the signal."""
        pid = self.inner_pid()
        if pid is None or self.process.poll() is not None:
            return False
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True

    def kill(self):
        return self.send(signal.SIGKILL)

    def stop(self):
        return self.send(signal.SIGSTOP)

    def resume(self):
        """nsenter stops itself with its child."""
        self.send(signal.SIGCONT)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)

    def running(self):
        return self.process.poll() is None

    def result(self, timeout=60):
        """Outcome; its status is KILLED if the process was."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired as late:
            raise Broken(f"{self.host.name}: {self.words[1]} has not ended after {timeout} s") from late
        self.seconds = time.monotonic() - self.begin
        if code in (-signal.SIGKILL, 128 + signal.SIGKILL):
            return Outcome("KILLED", "", "")
        told, message = read_text(self.answer).split(), read_text(self.message).strip()
        require(code in (1, 2, 3, 4) and len(told) == 2, f"{self.host.name}: {self.words[1]}: exit {code}: {message}")
        return Outcome(*told, message)


class Replicas:
    """expected: the bytes of each cache that was saved, by generation."""

    def __init__(self, lab, driver, **environment):
        self.lab = lab
        self.driver = os.path.realpath(driver)
        self.environment = {"CLEANUP_LOCK_TIMEOUT_SECONDS": 2, "CLEANUP_INCOMPLETE_TIMEOUT_SECONDS": 3, **environment}
        self.shared = os.path.join(lab.volume.path, "model", "compile_cache")
        self.numbers = itertools.count()
        self.caches, self.expected = {}, {}
        lab.hosts[1].run("mkdir", "-p", self.shared)

    def cache(self, generation=0):
        """The local cache directory of that generation; one for all savers, since a save does not change it."""
        if generation not in self.caches:
            root = os.path.join(self.lab.scratch, "caches", str(generation))
            os.makedirs(root)
            self.caches[generation] = make_cache(root, generation)
            self.expected[generation] = contents(root)
        return self.caches[generation]

    def start(self, operation, host, local, shared=None, **environment):
        directory = os.path.join(self.lab.scratch, "replicas", str(next(self.numbers)))
        os.makedirs(directory)
        local = local or os.path.join(directory, "local")
        words = [self.driver, operation, local, shared or self.shared, "2"]
        return Operation(host, words, {**self.environment, **environment}, directory)

    def save(self, host, generation=0, **environment):
        return self.start("save", host, self.cache(generation), **environment)

    def load(self, host, **environment):
        return self.start("load", host, None, **environment)

    def check_load(self, operation, allowed=("DOES_NOT_EXIST",)):
        """A load is complete and of one generation, or it is one of `allowed` and left nothing. Returns its generation."""
        outcome = operation.result()
        if outcome.status == "SUCCESS":
            found = contents(operation.local)
            generation = int(found.get("generation", b"-1"))
            require(found == self.expected.get(generation), f"{operation.host.name}: a load of generation {generation} is not complete")
        else:
            require(outcome.status in allowed, f"{operation.host.name}: load: {outcome}")
            require(outcome.status == "KILLED" or not os.path.exists(operation.local), "a load that failed left something")
            generation = None
        shutil.rmtree(os.path.dirname(operation.local))
        return generation

    def seen_from(self, host):
        """The shared directory as that host's mount shows it, for this process. Only for hosts that are well: a volume that
        hangs hangs whoever looks."""
        return f"/proc/{host.pid}/root{self.shared}"

    def names(self):
        """What a host that is well sees, less what libfuse calls a file that is replaced while it is open there."""
        return [name for name in os.listdir(self.seen_from(self.lab.hosts[1])) if not name.startswith(".fuse_hidden")]

    def archives(self):
        return [name for name in self.names() if ARCHIVE.match(name)]

    def temporaries(self):
        return [name for name in self.names() if TEMPORARY.match(name)]

    def remove_archives(self):
        for name in self.archives():
            os.unlink(os.path.join(self.seen_from(self.lab.hosts[1]), name))
            time.sleep(self.lab.volume.STALE_SECONDS)

    def slow_save(self, host, generation=0, **environment):
        """A save that takes about a second."""
        return self.save(host, generation, B10_COMPRESSION_LEVEL=19, **environment)

    def save_in_the_middle(self, host, generation=0):
        """A slow save that has begun to write, if it is not over already."""
        before = set(self.temporaries())
        saver = self.slow_save(host, generation)
        wait_until(lambda: set(self.temporaries()) - before or not saver.running(), 20, "a save begins to write")
        return saver

    def check_volume(self, host=None):
        """No archive, or a whole one."""
        outcome = self.start("verify", host or self.lab.hosts[1], None).result()
        require(outcome.status in ("SUCCESS", "DOES_NOT_EXIST"), f"the archive under its name is not whole: {outcome}")
        return outcome.status == "SUCCESS"

    def check_clean(self, archives):
        """So many archives and nothing else: no temporary file, no lock."""
        names = self.names()
        require(len(self.archives()) == archives, f"{archives} archives expected: {names}")
        require(len(names) == archives, f"left on the volume: {names}")


def count(outcomes):
    """How often each: 'SKIPPED IN_PROGRESS' -> 49."""
    return dict(collections.Counter(f"{outcome.status} {outcome.reason}".strip() for outcome in outcomes))
