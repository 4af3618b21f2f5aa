"""A scratch volume, a scratch local directory, and the built command run on them."""

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

COMMAND = os.environ.get("B10_COMMAND", "b10-compile-cache")
DOCS = os.environ.get("B10_DOCS", "docs")
CTRL_C, CTRL_Z = b"\x03", b"\x1a"


def child_of(process, seconds=10):
    """The pid of the one child of a process that runs: who does the command's work."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as file:
                    parent = file.read().rpartition(")")[2].split()[1]
            except OSError:
                continue  # it has ended
            if int(parent) == process.pid:
                return int(name)
        time.sleep(0.001)
    raise AssertionError("it has no child")


def is_alive(pid):
    """Whether there is such a process, beyond what only waits to be reaped."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Terminal:
    """A program with a terminal of its own as the leader of a session."""

    def __init__(self, words, environment):
        self.pid, self.leader = pty.fork()
        if self.pid == 0:
            os.execvpe(words[0], words, environment)
        self.seen = b""
        self.position = 0

    def close(self):
        for pid in self.session():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        os.close(self.leader)
        os.waitpid(self.pid, 0)

    def session(self):
        """Every process of the session."""
        listed = subprocess.run(["ps", "-s", str(self.pid), "-o", "pid="], stdout=subprocess.PIPE).stdout
        return [int(word) for word in listed.split() if is_alive(int(word))]

    def type(self, keys):
        os.write(self.leader, keys if isinstance(keys, bytes) else keys.encode())

    def read(self, seconds):
        if select.select([self.leader], [], [], seconds)[0]:
            try:
                self.seen += os.read(self.leader, 65536)
            except OSError:  # nobody has it open any more
                return False
        return True

    def expect(self, text, seconds=30):
        """Waits until the terminal shows it behind what was expected before."""
        deadline = time.monotonic() + seconds
        while (found := self.seen.find(text.encode(), self.position)) < 0:
            if time.monotonic() > deadline or not self.read(0.1):
                raise AssertionError(f"'{text}' is not shown:\n{self.seen.decode(errors='replace')}")
        self.position = found + len(text.encode())

    def number(self):
        """The number that is shown next."""
        start = self.position
        self.expect("\n")
        return int(self.seen[start : self.position])

    def forget(self):
        self.seen, self.position = b"", 0


def run_tests():
    """unittest.main() that says what it skipped and why."""
    result = unittest.main(exit=False).result
    for test, reason in result.skipped:
        print(f"SKIPPED: {test.id()}: {reason}")
    sys.exit(not result.wasSuccessful())


class CommandTest(unittest.TestCase):
    """Each test has a fresh directory with volume/ and local/ in it; the environment holds nothing else of ours."""

    def setUp(self):
        self.scratch = tempfile.mkdtemp(prefix="b10cli.")
        self.addCleanup(shutil.rmtree, self.scratch)
        self.volume = os.path.join(self.scratch, "volume")
        self.local = os.path.join(self.scratch, "local")
        os.mkdir(self.volume)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": self.scratch,
            "BASETEN_FS_ENABLED": "1",
            "B10FS_CACHE_DIR": self.volume,
            "TORCHINDUCTOR_CACHE_DIR": self.local,
            "B10_CACHE_ROOTS": "none",
            "MIN_LOCAL_SPACE_MB": "0",
            "MIN_B10FS_SPACE_MB": "0",
        }
        # Sanitizers and coverage are configured through these.
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LLVM_PROFILE_FILE", "TMPDIR"):
            if name in os.environ:
                self.environment[name] = os.environ[name]

    def fill_local(self, files=None):
        """Writes files (name -> bytes) into the local directory; a small default tree if none are given."""
        if files is None:
            files = {"aa/kernel.cpp": b"int main;\n" * 1000, "bb/kernel.bin": bytes(range(256)) * 64, "empty": b""}
        for name, content in files.items():
            path = os.path.join(self.local, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(content)
        return files

    def read_local(self):
        found = {}
        for directory, _, names in os.walk(self.local):
            for name in names:
                path = os.path.join(directory, name)
                with open(path, "rb") as file:
                    found[os.path.relpath(path, self.local)] = file.read()
        return found

    def saved(self, files=None):
        """Saves a tree and removes it locally; returns it."""
        files = self.fill_local(files)
        self.ok("save")
        shutil.rmtree(self.local)
        return files

    def archive(self):
        """The path of the one archive on the volume."""
        (name,) = [name for name in os.listdir(self.volume) if not name.startswith(".")]
        return os.path.join(self.volume, name)

    def run_command(self, *arguments, **options):
        environment = dict(self.environment, **options.pop("environment", {}))
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        return subprocess.run([COMMAND, *arguments], env=environment, stdin=subprocess.DEVNULL, **options)

    def ends(self, code, *arguments, **options):
        """Runs the command and insists on its exit code; returns stdout and stderr as text."""
        result = self.run_command(*arguments, **options)
        out = (result.stdout or b"").decode("utf-8")
        err = (result.stderr or b"").decode("utf-8")
        self.assertEqual(result.returncode, code, f"{arguments}\nstdout: {out}\nstderr: {err}")
        return out, err

    def ok(self, *arguments, **options):
        return self.ends(0, *arguments, **options)

    def json(self, code, *arguments, **options):
        """Runs with --json: stdout must be one object whose exit_code is the true one."""
        out, _ = self.ends(code, *arguments, "--json", **options)
        answer = json.loads(out)
        self.assertEqual(answer["exit_code"], code)
        return answer

    def on_terminal(self, *arguments, environment=None):
        """Runs with stderr on a terminal and stdout in a pipe; returns (exit code, stdout, what the terminal got)."""
        leader, follower = pty.openpty()
        process = subprocess.Popen(
            [COMMAND, *arguments],
            env=dict(self.environment, **(environment or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=follower,
        )
        os.close(follower)
        seen = b""
        while True:
            try:
                data = os.read(leader, 65536)
            except OSError:  # the last holder of the terminal is gone
                break
            if not data:
                break
            seen += data
        os.close(leader)
        out = process.stdout.read()
        process.stdout.close()
        return process.wait(), out.decode(), seen.decode()
