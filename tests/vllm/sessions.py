"""A command in a session of its own, of which nothing outlives the test, whatever process groups it makes."""
import os
import signal
import subprocess
import time
from pathlib import Path


class Failed(Exception):
    """It did not come to that; the text says to what."""


def wait_for(condition, seconds, what, every=0.05):
    """The first value of condition() that is true; Failed after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {seconds:.0f} s")
        time.sleep(every)
    return value


def members(session):
    """The processes of a session that run, but for those that only wait to be reaped."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = Path("/proc", name, "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        if int(fields[3]) == session and fields[0] not in "ZX":
            found.append(int(name))
    return found


class Session:
    """with Session(command, environment, log) as session: …   At the end every process of it is killed."""

    def __init__(self, command, environment, log, folder):
        self._command, self._environment, self._folder = [str(word) for word in command], environment, folder
        self._log = log

    def __enter__(self):
        with open(self._log, "ab") as log:
            self.process = subprocess.Popen(self._command, env=self._environment, cwd=self._folder, stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        """Kills what there is until nothing is there: a process may have begun another in between."""
        for _ in range(100):
            alive = members(self.process.pid)
            for pid in alive:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass  # it has ended by itself
            if not alive and self.process.poll() is not None:
                return
            time.sleep(0.05)
        raise Failed(f"processes that cannot be killed: {members(self.process.pid)}")

    def end(self, seconds):
        """Asks it to end as a container is: SIGTERM to the first process. Its exit code."""
        self.process.terminate()
        return self.wait(seconds)

    def wait(self, seconds):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise Failed(f"it did not end within {seconds} s") from error
