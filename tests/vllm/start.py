"""One start of vLLM: alone, or with one of the two start lines, somewhere, with some volume."""
import http.client
import json
import os
import re
import shutil
import socket
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sessions import Failed, Session, wait_for

ALONE, RUN, BACKGROUND = "alone", "run", "background"
READY_S = 300
SAVED_S = 150  # the cache may be written for 120 s after the server is ready
END_S = 60
ENGINE = re.compile(r"init engine \(.*?\) took ([0-9.]+) s")
REFUSAL = re.compile(r"Compiling model again due to a load failure from .*?, reason: (.*)")
OFFLINE = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
SMALL = ["--max-model-len", "256", "--dtype", "bfloat16", "--max-num-seqs", "4", "--gpu-memory-utilization", "0.3"]
QUESTION = {"prompt": "w1 w2 w3 w4", "max_tokens": 16, "temperature": 0}


class Place:
    """HOME, TMPDIR and VLLM_CACHE_ROOT of a replica, and the user that it runs as."""

    def __init__(self, folder, uid=None):
        self.folder, self.uid = folder, uid
        self.cache, self.temporary = folder / "vllm", folder / "tmp"
        for directory in (folder, folder / "home", self.temporary):
            directory.mkdir()
            if uid is not None:
                os.chown(directory, uid, uid)

    def environment(self):
        return {"HOME": str(self.folder / "home"), "TMPDIR": str(self.temporary), "VLLM_CACHE_ROOT": str(self.cache)}

    def prefix(self):
        """What runs a command as that user: one that no password database knows."""
        if self.uid is None:
            return []
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups", "--"]

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class Volume:
    """The directory that the replicas share."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        folder.chmod(0o777)

    def archives(self):
        return sorted(self.folder.glob("*.v1.tar.zst"))

    def others(self):
        """What is there beside archives: nothing, when nobody saves."""
        return sorted(path.name for path in self.folder.iterdir() if path not in self.archives())

    def state(self):
        """Changes whenever an archive is published."""
        states = [path.stat() for path in self.archives()]
        return [(state.st_ino, state.st_mtime_ns, state.st_size) for state in states]


@dataclass
class Group:
    """Starts that may be compared with each other: one model with one set of settings."""
    name: str
    model: Path
    settings: dict = field(default_factory=dict)


@dataclass
class Outcome:
    """What a start has shown."""
    name: str
    how: str
    group: str  # with which others it may be compared
    log: Path
    engine_s: float = None  # "init engine took"; None: its log does not say
    ready_s: float = None   # from the start of the first process until the server answered
    answer: str = None      # what the model said
    publishes: int = 0
    report: dict = field(default_factory=dict)

    def part(self, name):
        return self.report.get(name) or {}

    def text(self):
        return self.log.read_text(errors="replace")

    def refusals(self):
        """Why vLLM did not take what it found in its cache."""
        return {reason.strip() for reason in REFUSAL.findall(self.text())}

    def read_engine(self):
        found = ENGINE.findall(self.text())
        self.engine_s = float(found[-1]) if found else None


class Starter:
    """Starts replicas of one vLLM with one command; everything lies below a scratch folder."""

    def __init__(self, python, command, scratch):
        self.python, self.command, self.scratch, self._starts = python, command, scratch, 0
        (scratch / "logs").mkdir()

    def environment(self, place, port, volume, settings):
        path = f"{self.python.parent}:/usr/local/bin:/usr/bin:/bin"
        shared = {} if volume is None else {
            "BASETEN_FS_ENABLED": "1", "B10FS_CACHE_DIR": str(volume.folder), "B10_LOCAL_PREFIXES": str(self.scratch),
            "MIN_LOCAL_SPACE_MB": "100", "MIN_B10FS_SPACE_MB": "100",
            "B10_TRANSFER_VLLM_URL": f"http://127.0.0.1:{port}/v1/models"}
        return {"PATH": path, "LANG": "C.UTF-8", **OFFLINE, **place.environment(), **shared, **settings}

    def _server(self, model, port):
        return [self.python, "-m", "vllm.entrypoints.openai.api_server", "--model", model, "--host", "127.0.0.1",
                "--port", port, *SMALL]

    def _line(self, how, server, report):
        if how == RUN:
            return [self.command, "run", "--report", report, "--", *server]
        if how == BACKGROUND:
            return ["sh", "-c", '"$0" --report "$1" & shift; exec "$@"', self.command, report, *server]
        return server

    @contextmanager
    def running(self, name, how, place, group, volume=None):
        """A server that is ready: its session, its outcome so far, and its environment. Killed at the end."""
        port, model = free_port(), group.model
        self._starts += 1
        log = self.scratch / "logs" / f"{self._starts:03}-{name.replace(' ', '-').replace(',', '')}.log"
        report = place.folder / "report.json"
        report.unlink(missing_ok=True)
        environment = self.environment(place, port, volume, group.settings)
        outcome = Outcome(name, how, group.name, log)
        line = place.prefix() + self._line(how, self._server(model, port), report)
        begun = time.monotonic()
        with Session(line, environment, log, place.folder) as session:
            wait_for(lambda: is_ready(port, session), READY_S, "the server is ready", every=0.25)
            outcome.ready_s = time.monotonic() - begun
            outcome.answer = ask(port, model)
            outcome.read_engine()
            yield session, outcome, environment

    def start(self, name, how, place, group, volume=None):
        """One life of a replica: ready, answered, saved, asked to end, ended."""
        before = volume and volume.state()
        with self.running(name, how, place, group, volume) as (session, outcome, _):
            report = place.folder / "report.json"
            if how == BACKGROUND:
                wait_for(lambda: is_whole(report), SAVED_S, "the flow has ended")
            elif how == RUN:
                wait_for(lambda: "b10-compile-cache: save: " in outcome.text(), SAVED_S, "the cache is saved")
            between = volume and volume.state()
            session.end(END_S)
            if how != ALONE:
                outcome.report = json.loads(report.read_text())
                outcome.publishes = (before != between) + (between != volume.state())
        return outcome


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_whole(report):
    return report.exists() and report.read_text().endswith("\n")


def is_ready(port, session):
    if session.process.poll() is not None:
        raise Failed(f"the server ended with {session.process.returncode} before it was ready")
    try:
        return request(port, "GET", "/v1/models")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def request(port, method, path, body=None, seconds=5):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def ask(port, model):
    """What the model says to a question to which there is one answer."""
    status, body = request(port, "POST", "/v1/completions", json.dumps({"model": str(model), **QUESTION}), seconds=60)
    if status != 200:
        raise Failed(f"a completion is status {status}: {body[:300]!r}")
    return json.loads(body)["choices"][0]["text"]
