"""What is tried. Each case is a function of the laboratory; what it checks is a statement.

Cases are tried once. What they have shown to be a warm start can be tried again, in rounds that interleave it with
starts on untouched caches: seconds of one session compare, those of two do not.
"""
import json
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass

from sessions import Failed, Session, wait_for
from start import ALONE, BACKGROUND, READY_S, RUN, Group, Outcome, Place, Volume

NEW_FILES = 3  # that a start may compile although everything was loaded: vLLM measures and tunes anew
# vLLM 0.32 on the CPU says this of every cache, an untouched one as well, and then finds the compiled parts of the model in it.
ITS_OWN_REFUSAL = "'function' object has no attribute 'finalize_loading'"
UNKNOWN_UID = 54321
COMMAND_S = 120
UNTOUCHED = "untouched"
SLOW_SAVE = {"B10_COMPRESSION_LEVEL": "19", "B10_THREADS": "1"}


class Skipped(Exception):
    """This machine cannot do that; the text says why."""


@dataclass
class Origin:
    """The cold start of a group: its caches stay where they were made."""
    place: Place
    outcome: Outcome


@dataclass
class Warm:
    """A kind of warm start: with which line, from which volume, as whom."""
    name: str
    how: str
    group: Group
    volume: Volume
    uid: int = None


class Lab:
    """The starts of one session, the first of which many cases build upon."""

    def __init__(self, starter, models):
        self.starter = starter
        self.first, self.second = Group("model 1", models[0]), Group("model 2", models[1])
        self.no_aot = Group("model 1, no AOT", models[0], {"VLLM_USE_AOT_COMPILE": "0"})
        self.outcomes, self.failures, self.kinds = [], [], []
        self._volumes, self._places, self._origins = {}, 0, {}
        self._cold_tried = False

    def check(self, holds, statement):
        if not holds:
            self.failures.append(statement)

    def volume(self, name):
        if name not in self._volumes:
            self._volumes[name] = Volume(self.starter.scratch / f"volume-{name}")
        return self._volumes[name]

    def place(self, uid=None):
        """Another HOME, TMPDIR and VLLM_CACHE_ROOT than any before."""
        self._places += 1
        return Place(self.starter.scratch / f"place{self._places}", uid)

    def note(self, outcome):
        engine = "?" if outcome.engine_s is None else f"{outcome.engine_s:.1f}"
        print(f"    {outcome.name}: engine {engine} s, ready after {outcome.ready_s:.1f} s"
              f"{', ' + outcome.report['verdict'] if outcome.report.get('verdict') else ''}", flush=True)
        self.outcomes.append(outcome)
        self.check(outcome.engine_s is not None, f"{outcome.name}: its log says how long the engine took")
        return outcome

    def cold(self, name, group, volume, how=RUN):
        """The first start of a group, whose caches stay untouched from now on."""
        place = self.place()
        outcome = self.note(self.starter.start(name, how, place, group, volume))
        self._origins[group.name] = Origin(place, outcome)
        return outcome

    def origin(self):
        """The cold start of the first model. Its archive is the volume `shared`; `five` gets a copy."""
        if self.first.name not in self._origins:
            if self._cold_tried:
                raise Failed("the cold start had failed")
            self._cold_tried = True
            volume = self.volume("shared")
            self.check_cold(self.cold("cold run", self.first, volume), volume)
            for archive in volume.archives():
                shutil.copy2(archive, self.volume("five").folder)
        return self._origins[self.first.name]

    def untouched(self, group):
        """Another start where the first one was, without any cache tool: the bound of the warm ones."""
        origin = self._origins[group.name]
        outcome = self.note(self.starter.start(UNTOUCHED, ALONE, origin.place, group))
        self.check(outcome.answer == origin.outcome.answer, "untouched: the model answers the same")
        self.check(outcome.refusals() <= {ITS_OWN_REFUSAL}, f"untouched: vLLM takes its own cache: {outcome.refusals()}")

    def warm(self, kind, again=True):
        """One start of a kind, in a place of its own. `again`: further rounds try it, too."""
        if again and kind not in self.kinds:
            self.kinds.append(kind)
        place = self.place(kind.uid)
        try:
            outcome = self.note(self.starter.start(kind.name, kind.how, place, kind.group, kind.volume))
        finally:
            place.remove()
        self.check_warm(outcome, kind.volume, self._origins[kind.group.name].outcome.answer)
        return outcome

    def round(self):
        """Every kind once more, an untouched start before every second one of a group."""
        for group in (self.first, self.no_aot, self.second):
            for number, kind in enumerate(kind for kind in self.kinds if kind.group is group):
                if number % 2 == 0:
                    self.untouched(group)
                self.warm(kind)

    def command(self, *arguments, environment):
        done = subprocess.run([self.starter.command, *arguments], env=environment, capture_output=True, text=True,
                              timeout=COMMAND_S, check=False)
        return done.returncode, done.stdout + done.stderr

    def check_volume(self, name, volume):
        """One archive, intact, and nothing beside it."""
        archives = volume.archives()
        self.check(len(archives) == 1, f"{name}: one archive on the volume, not {len(archives)}")
        self.check(not volume.others(), f"{name}: nothing but archives on the volume: {volume.others()}")
        for archive in archives:
            environment = {"PATH": "/usr/bin:/bin", "HOME": str(volume.folder)}
            code, text = self.command("verify", str(archive), environment=environment)
            self.check(code == 0, f"{name}: the archive is intact: {text.strip()}")

    def check_cold(self, outcome, volume):
        report = outcome.report
        self.check(report.get("warmth") == "cold", f"{outcome.name}: cold, not {report.get('warmth')}")
        self.check(outcome.part("save").get("status") == "SUCCESS" and outcome.part("save").get("files", 0) > 0,
                   f"{outcome.name}: its cache is saved: {outcome.part('save')}")
        self.check_volume(outcome.name, volume)

    def check_warm(self, outcome, volume, answer):
        """Nearly everything came from the cache, was accepted, and computes the same."""
        name, report = outcome.name, outcome.report
        load = outcome.part("load")
        self.check(load.get("status") == "SUCCESS" and load.get("files", 0) > 0, f"{name}: something is loaded: {load}")
        verdict = report.get("verdict") or ""
        self.check(verdict.startswith(("warm: ", "partly: ")), f"{name}: it is said to be warm: '{verdict}'")
        self.check(f"b10-compile-cache: {verdict}" in outcome.text(), f"{name}: the log says so, too")
        self.check(report.get("new_files", 1 << 30) <= NEW_FILES,
                   f"{name}: at most {NEW_FILES} new files, not {report.get('new_files')}")
        refusals = outcome.refusals()
        self.check(refusals <= {ITS_OWN_REFUSAL}, f"{name}: vLLM takes what was loaded: {refusals}")
        if outcome.how == RUN:
            said = report.get("refused")
            self.check(refusals == ({said} if said else set()), f"{name}: `run` tells why it does not: {refusals}, not {said}")
        self.check(outcome.answer == answer, f"{name}: the model answers '{answer}', not '{outcome.answer}'")
        self.check_volume(name, volume)


def cold(lab):
    """Nothing on the volume, `run`."""
    lab.origin()


def untouched(lab):
    """The second start where the first one was, without any cache tool."""
    lab.origin()
    lab.untouched(lab.first)


def run(lab):
    """`b10-compile-cache run -- server`, loaded elsewhere."""
    lab.origin()
    lab.warm(Warm("warm run", RUN, lab.first, lab.volume("shared")))


def background(lab):
    """`b10-compile-cache & server`, loaded elsewhere while the server starts."""
    lab.origin()
    lab.warm(Warm("warm background", BACKGROUND, lab.first, lab.volume("shared")))


def background_cold(lab):
    """The same with a volume of its own: what the background saves serves the background."""
    lab.origin()
    volume, place = lab.volume("background"), lab.place()
    outcome = lab.note(lab.starter.start("cold background", BACKGROUND, place, lab.first, volume))
    place.remove()
    lab.check_cold(outcome, volume)
    lab.warm(Warm("warm background, own volume", BACKGROUND, lab.first, volume))


def user(lab):
    """Another user, whom no password database knows, with both lines."""
    if os.geteuid() != 0:
        raise Skipped("only root can start a server as somebody else")
    place = lab.place(UNKNOWN_UID)
    for program in (lab.starter.python, lab.starter.command):
        try:
            subprocess.run([*place.prefix(), program, "--version"], check=True, capture_output=True, timeout=COMMAND_S)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Skipped(f"another user may not execute {program}") from error
    place.remove()
    lab.origin()
    for how in (RUN, BACKGROUND):
        lab.warm(Warm(f"warm {how}, another user", how, lab.first, lab.volume("shared"), UNKNOWN_UID))


def no_aot(lab):
    """VLLM_USE_AOT_COMPILE=0: nearly everything lies in <tmp>/torchinductor_<user>."""
    volume = lab.volume("no-aot")
    lab.check_cold(lab.cold("cold run, no AOT", lab.no_aot, volume), volume)
    lab.untouched(lab.no_aot)
    for how in (RUN, BACKGROUND):
        lab.warm(Warm(f"warm {how}, no AOT", how, lab.no_aot, volume))


def killed(lab):
    """The flow is killed in the middle of its save; the server goes on, and the next save is fine."""
    place = lab.origin().place
    volume = lab.volume("killed")
    with lab.starter.running("save killed", ALONE, place, lab.first, volume) as (server, outcome, environment):
        lab.note(outcome)
        log, report = lab.starter.scratch / "logs/flow.log", place.folder / "flow.json"
        flow = [lab.starter.command, "--report", report]
        with Session(flow, environment | SLOW_SAVE, log, place.folder) as session:
            wait_for(lambda: half_written(volume), READY_S, "a save has begun", every=0.001)
            os.killpg(session.process.pid, signal.SIGKILL)  # all of it at once: nobody is left to tidy up
        lab.check(not volume.archives() and half_written(volume), "save killed: half an archive has no archive's name")
        lab.check(server.process.poll() is None, "save killed: the server goes on")
        with Session(flow, environment, log, place.folder) as session:
            code = session.wait(READY_S)
        save = json.loads(report.read_text())["save"] or {}
        lab.check(code == 0 and save.get("status") == "SUCCESS" and save.get("reason") == "OK",
                  f"save killed: the next one is done: {save}")
        lab.check_volume("save killed", volume)
    lab.warm(Warm("warm run, after the killed save", RUN, lab.first, volume))


def half_written(volume):
    return any(name.endswith(".tmp") and (volume.folder / name).stat().st_size > 0 for name in volume.others())


def second_model(lab):
    """Another model on the same volume: compiled once, added, and neither makes the other cold."""
    stored = lab.origin().outcome.part("save").get("files", 0)
    volume = lab.volume("shared")
    outcome = lab.cold("cold run, second model", lab.second, volume)
    save = outcome.part("save")
    lab.check(outcome.report.get("new_files", 0) > NEW_FILES, f"second model: it compiles: {outcome.report}")
    lab.check(save.get("status") == "SUCCESS" and save.get("merged_files", 0) >= stored,
              f"second model: added to what was there: {save}")
    lab.check_volume("second model", volume)
    lab.warm(Warm("warm run, first model of two", RUN, lab.first, volume))
    lab.untouched(lab.second)
    lab.warm(Warm("warm run, second model of two", RUN, lab.second, volume))


def five(lab):
    """Five replicas, one after the other: they stop publishing."""
    lab.origin()
    kind = Warm("warm run, five in a row", RUN, lab.first, lab.volume("five"))
    publishes = 0
    for number in range(5):
        outcome = lab.warm(kind, again=False)
        publishes += outcome.publishes
        if number % 2 == 1:  # the bound once more: the machine may have become slower
            lab.untouched(lab.first)
    lab.check(publishes <= 2, f"five: at most two publishes, not {publishes}")
    lab.check(outcome.publishes == 0, "five: the last one has nothing to add")


CASES = {"cold": cold, "untouched": untouched, "run": run, "background": background, "user": user,
         "killed": killed, "five": five, "background-cold": background_cold, "second-model": second_model,
         "no-aot": no_aot}
QUICK = ["cold", "run", "background"]


def attempt(lab, name, what, act):
    """True: it passed; False: it failed; None: it was skipped. Says why."""
    print(f"{name}: {what}", flush=True)
    lab.failures = []
    try:
        act(lab)
    except Skipped as reason:
        print(f"SKIPPED: {name}: {reason}", flush=True)
        return None
    except (Failed, OSError, subprocess.SubprocessError, ValueError) as error:
        lab.failures.append(f"{type(error).__name__}: {error}")
    for failure in lab.failures:
        print(f"FAILED: {name}: {failure}", flush=True)
    return not lab.failures
