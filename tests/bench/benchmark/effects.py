"""A replica that starts one model: cold, or with its cache restored in one of four ways."""
import sys

from benchmark import volumes
from benchmark.peers import PYPI, measure
from benchmark.programs import BENCH
from benchmark.quiet import wait_until_idle

COLD = "cold"
MEGA = "PyTorch mega-cache"
LIBRARY = "this library"
UNTOUCHED = "untouched cache"
KINDS = [COLD, MEGA, PYPI, LIBRARY, UNTOUCHED]

CACHE = volumes.LOCAL / "inductor"
TEMPORARY = volumes.LOCAL / "tmp"  # PyTorch's default directory is below it


class Replica:
    def __init__(self, programs, model, patience):
        self._programs = programs
        self._model = model
        self._patience = patience
        self._artifacts = volumes.SOURCE / f"{model}.artifacts"
        self._environment = volumes.settings(CACHE) | {"TMPDIR": str(TEMPORARY)}

    def prepare(self):
        """Two cold starts: one leaves its cache behind, in all three archives but PyTorch's; one makes PyTorch's."""
        self._new_disk()
        self._run("--save", self._artifacts)
        self._new_disk()
        self._run()
        volumes.fresh(volumes.VOLUME)
        self._call(LIBRARY, "save")
        self._call(PYPI, "save")
        volumes.quietly("sync", "--file-system", volumes.LOCAL)
        volumes.keep(volumes.LOCAL, f"untouched-{self._model}")

    def start(self, kind):
        """What tests/bench/trees/inductor.py prints, with `restored`: the seconds that restoring took."""
        if kind == UNTOUCHED:
            return self._untouched()
        self._new_disk()
        if kind == COLD:
            return self._checked(kind, self._run())
        if kind == MEGA:
            return self._checked(kind, self._run("--load", self._artifacts))
        restored = self._call(kind, "load")
        return self._checked(kind, self._run()) | {"restored": restored}

    def _untouched(self):
        volumes.again(volumes.LOCAL, f"untouched-{self._model}")
        volumes.read_all(volumes.LOCAL)
        answer = self._checked(UNTOUCHED, self._run())
        volumes.keep(volumes.LOCAL, f"untouched-{self._model}")
        return answer

    def _new_disk(self):
        volumes.fresh(volumes.LOCAL)
        TEMPORARY.mkdir()

    def _call(self, who, operation):
        """One save or load; returns its seconds."""
        if who == LIBRARY:
            command = [self._programs.path("library"), operation]
        else:
            command = [self._programs.python, BENCH / "peers/pypi.py", self._programs.path("pypi"), operation]
        answer = measure(command, self._environment)
        if answer["status"] != "SUCCESS":
            sys.exit(f"{who}, {operation}: {answer}")
        return answer["seconds"]

    def _run(self, *arguments):
        program = BENCH / "trees/inductor.py"
        wait_until_idle(self._patience)
        return measure([self._programs.python, program, self._model, *arguments], self._environment)

    @staticmethod
    def _checked(kind, answer):
        """Every start but the cold one must find the graph in the cache."""
        if (answer["hits"] > 0) == (kind == COLD):
            sys.exit(f"{kind}: {'a cache hit' if kind == COLD else 'no cache hit'}: {answer}")
        return answer
