#!/usr/bin/env python3
"""A volume that stops answering at every operation that is asked of it: nobody waits longer than the time set.

    volume_hangs.py SESSION LIBRARY FAULTFS [SECONDS]

For each call of the library, each operation of the volume hangs in turn. The call ends with TIMEOUT within 1 s of the time
set; the process goes on with another volume. Then the volume answers: the thread that was left behind changes nothing that
others see, cleans up and ends. Or it never answers: dlclose and exit do no harm. SECONDS bounds the time (default 40, 0:
every case); every nth is tried then. Several cases run at once, since they only wait.
"""

import concurrent.futures
import os
import subprocess
import sys
import threading
import time

from replica import ARCHIVE, Broken, require
from volume import VolumeReplica, require_fuse

ALWAYS = 1_000_000_000
LIMIT_S = 1
SLACK_MS = 1000
AT_ONCE = 4
CALLS = ["load", "save", "save_merge", "info", "list", "explain", "verify"]
# Nobody waits for these.
UNHEARD = {"release"}
# What makes an archive seen by others.
PUBLISHING = {"rename", "link"}


class Session:
    """One process that uses the library (session.c)."""

    def __init__(self, program, library, ends):
        """`ends`: all its threads will have ended at exit, so that sanitizers may look for what was lost."""
        options = {"ASAN_OPTIONS": "detect_leaks=0", "TSAN_OPTIONS": "report_thread_leaks=0"}
        environment = os.environ | {name: os.environ.get(name, "") + ":" + value for name, value in options.items()
                                    if not ends}
        self.process = subprocess.Popen([program, library], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, bufsize=1, env=environment)
        self.said = []
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self):
        for line in self.process.stderr:
            self.said.append(line.strip())

    def ask(self, command):
        try:
            self.process.stdin.write(command + "\n")
            answer = self.process.stdout.readline().strip()
        except BrokenPipeError:
            answer = ""
        require(answer, f"'{command}' was not answered: {self.said[-5:]}")
        return answer

    def set(self, **settings):
        for key, value in settings.items():
            answer = self.ask(f"set {key} {value}")
            require(answer == "ok", f"{key}: {answer}")

    def exit(self):
        """Asks for exit(); the process may outlive this while a thread of it is inside the volume."""
        self.process.stdin.write("exit\n")

    def wait(self, seconds):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None


class Case:
    """A volume with an archive (for a save: without), a session, and a second volume that is healthy."""

    def __init__(self, programs, call, ends=True):
        self.call = call
        self.command = "save" if call == "save_merge" else call
        session, library, faultfs = programs
        self.replica = VolumeReplica(None, faultfs)
        self.volume = self.replica.mounted
        self.healthy = os.path.join(self.replica.directory, "healthy")
        os.mkdir(self.healthy)
        self.session = Session(session, library, ends)
        self.session.set(baseten_fs_enabled=1, b10_local_prefixes="any", b10_cache_roots="none", b10_threads=2,
                         min_local_space_mb=0, min_b10fs_space_mb=0, b10fs_cache_dir=self.replica.volume,
                         torchinductor_cache_dir=self.replica.saved)
        if call != "save":
            require(self.session.ask("save").startswith("SUCCESS"), "the first save failed")
        if call == "save_merge":
            with open(os.path.join(self.replica.saved, "later.py"), "w") as file:
                file.write("import later\n")
            self.session.set(b10_save_mode="merge")
        if call == "load":
            self.session.set(torchinductor_cache_dir=self.replica.local)
        self.session.set(b10_load_timeout_seconds=LIMIT_S, b10_save_timeout_seconds=LIMIT_S)
        self.session.ask("info")  # whatever the first call keeps, sanitizers their own thread, is there now
        self.threads = self.count_settled_threads()
        self.descriptors = self.session.ask("descriptors")

    def count_threads(self):
        return int(self.session.ask("threads"))

    def count_settled_threads(self):
        """A thread that was joined may be listed for a moment longer."""
        counts = []
        for _ in range(5):
            counts.append(self.count_threads())
            time.sleep(0.005)
        return min(counts)

    def close(self):
        """The volume first: a thread inside it keeps its process alive."""
        self.volume.kill()
        if self.session.process.poll() is None:
            self.session.process.kill()
        self.session.process.wait(10)
        self.replica.close()

    def hang(self, operation, number):
        self.volume.forget()
        self.volume.rules(f"{operation} {number} 1 hang 0")
        answer = self.session.ask(self.command)
        require(any(action == "hang" for _, _, action in self.volume.log()), f"nothing hung ({answer})")
        status, reason, milliseconds, _ = answer.split()
        require((status, reason) == ("ERROR", "TIMEOUT"), f"answered {answer}")
        require(int(milliseconds) <= LIMIT_S * 1000 + SLACK_MS, f"answered after {milliseconds} ms")

    def check_goes_on(self):
        self.session.set(b10fs_cache_dir=self.healthy, torchinductor_cache_dir=self.replica.saved)
        answer = self.session.ask("save")
        require(answer.startswith("SUCCESS"), f"on another volume: {answer}")
        answer = self.session.ask("save")
        require(answer.startswith("SKIPPED ALREADY_SAVED"), f"on another volume: {answer}")

    def answer_at_last(self):
        """The volume answers: whoever was left behind ends, and has changed nothing."""
        require(self.count_threads() > self.threads, "no thread was left inside the volume")
        self.volume.rules()
        deadline = time.monotonic() + 10
        while self.count_threads() != self.threads:
            require(time.monotonic() < deadline, "the thread that was left behind does not end")
            time.sleep(0.01)
        require(self.session.ask("descriptors") == self.descriptors, "a descriptor was left open")
        names = os.listdir(self.volume.backing)
        left = [name for name in names if not ARCHIVE.match(name)]
        if self.command == "save":
            self.check_not_published_later()
        require(self.call == "save" or len(names) == len(left) + 1, "the archive is gone")
        require(not left, f"left on the volume: {left}")
        beside = os.listdir(os.path.dirname(self.replica.local))
        require(not beside, f"left on the local disk: {beside}")
        self.session.exit()
        require(self.session.wait(10) == 0, f"exit after all was answered: {self.session.said[-3:]}")

    def check_not_published_later(self):
        """After the hang no rename and no link but by the very system call that hung: it begins with looking names up.
        (statfs and the lock are the watchdog's, on a thread of its own.)"""
        log = self.volume.log()
        hung = [action for _, _, action in log].index("hang")
        later = [operation for operation, path, _ in log[hung + 1:]
                 if operation not in UNHEARD | {"statfs"} and ".lock" not in path]
        if log[hung][0] == "getattr" and ".lock" not in log[hung][1]:
            while later and later[0] == "getattr":
                later.pop(0)
            later = later[1:]
        require(not PUBLISHING.intersection(later), "it published after its caller had gone")

    def never_answer(self):
        """dlclose and exit with a thread inside the volume; the operator aborts the connection."""
        require(self.session.ask("dlclose") == "ok", "dlclose failed")
        require(self.count_threads() > self.threads, "no thread was left inside the volume")
        self.session.exit()
        self.session.wait(0.2)
        self.volume.kill()
        code = self.session.wait(10)
        require(code == 0, f"exit code {code}: {self.session.said[-3:]}")


def a_signal_handler_ends_a_hanging_call(programs):
    """Without a limit of its own: about 100 ms, 3 s more where a thread is inside the volume."""
    for call, rule in (("load", "read 1 1 hang 0"), ("save", "fsync 1 1 hang 0"), ("list", "opendir 1 1 hang 0")):
        case = Case(programs, call)
        try:
            case.session.set(b10_load_timeout_seconds=0, b10_save_timeout_seconds=0)
            case.session.ask("cancel 300")
            case.volume.forget()
            case.volume.rules(rule)
            status, reason, milliseconds, _ = case.session.ask(call).split()
            require((status, reason) == ("ERROR", "CANCELLED"), f"{call} answered {status} {reason}")
            require(int(milliseconds) < 300 + 3000 + SLACK_MS, f"{call} was cancelled after {milliseconds} ms")
            case.answer_at_last()
        finally:
            case.close()


def a_lock_that_hangs_holds_nobody(programs):
    """The heartbeat's write does not return while the archive is written."""
    case = Case(programs, "save")
    try:
        case.session.set(cleanup_lock_timeout_seconds=1)
        case.volume.forget()
        case.volume.rules("write 2 1 hang 0 .lock", f"write 1 {ALWAYS} delay 2500 .tmp")
        status, reason, milliseconds, _ = case.session.ask("save").split()
        require(any(action == "hang" for _, _, action in case.volume.log()), "no heartbeat hung")
        require((status, reason) == ("ERROR", "TIMEOUT"), f"answered {status} {reason}")
        require(int(milliseconds) <= LIMIT_S * 1000 + SLACK_MS, f"answered after {milliseconds} ms")
        case.check_goes_on()
        case.answer_at_last()
    finally:
        case.close()


def operations(programs, call):
    """(operation, number) of what the call asks of the volume when nothing hangs."""
    case = Case(programs, call)
    case.volume.forget()
    answer = case.session.ask(case.command)
    require(answer.startswith("SUCCESS"), f"{call}: {answer}")
    seen, asked = {}, []
    for operation, _, _ in case.volume.log():
        seen[operation] = seen.get(operation, 0) + 1
        if operation not in UNHEARD:
            asked.append((operation, seen[operation]))
    case.close()
    return asked


def hang_once(programs, call, operation, number, answers):
    case = Case(programs, call, answers)
    try:
        case.hang(operation, number)
        case.check_goes_on()
        if answers:
            case.answer_at_last()
        else:
            case.never_answer()
    except Broken as broken:
        return f"{call} hangs at {operation} {number}, {'answers' if answers else 'never answers'}: {broken}"
    finally:
        case.close()
    return None


def main():
    programs, seconds = sys.argv[1:4], float(sys.argv[4]) if len(sys.argv) > 4 else 40
    require_fuse(programs[2])
    every = [(call, operation, number, answers) for call in CALLS for operation, number in operations(programs, call)
             for answers in (True, False)]
    step = 1 if seconds == 0 else max(1, round(len(every) * (LIMIT_S + 1) / AT_ONCE / seconds))
    step += 1 - step % 2  # odd: both kinds of end
    chosen = every[::step]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as executor:
        failures = [failure for failure in executor.map(lambda case: hang_once(programs, *case), chosen) if failure]
        for test in (a_signal_handler_ends_a_hanging_call, a_lock_that_hangs_holds_nobody):
            try:
                test(programs)
            except Broken as broken:
                failures.append(f"{test.__name__}: {broken}")
    print(*failures, sep="\n")
    print(f"{len(chosen)} of {len(every)} cases (every {step}.), {len(failures)} failed")
    return 0 if not failures and len(chosen) > 20 else 1


if __name__ == "__main__":
    sys.exit(main())
