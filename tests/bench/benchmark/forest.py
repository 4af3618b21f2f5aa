"""The trees: made once below the build folder by what makes such trees in real life, and kept there."""
import os
import shutil
import subprocess
import sys

from benchmark.programs import BENCH

DESCRIPTIONS = {
    "R": "72 Triton kernels for each of five GPU generations",
    "I": "what torch.compile leaves in its default directory after BERT and ResNet in two modes",
    "M": "3,000 files, 200 MB, put together from pieces of R, Python sources and shared libraries",
}
CAPABILITIES = ("80", "86", "89", "90", "100")
MODELS = [(model, mode) for mode in ("default", "max-autotune-no-cudagraphs") for model in ("bert", "resnet")]


class Forest:
    def __init__(self, build, python, ready):
        self._folder = build / "trees"
        self._python = python
        self._ready = ready

    def tree(self, name):
        """Where tree `name` lies; it is made if it was not given and not made before."""
        if name in self._ready:
            return self._ready[name]
        done = self._folder / name
        if not done.exists():
            print(f"making tree {name}: {DESCRIPTIONS[name]}", file=sys.stderr)
            begun = self._folder / f"{name}.begun"
            shutil.rmtree(begun, ignore_errors=True)
            begun.mkdir(parents=True)
            {"R": self._kernels, "I": self._inductor, "M": self._synthetic}[name](begun)
            begun.rename(done)
        return done / "torchinductor_bench" if name == "I" else done

    def _kernels(self, folder):
        self._run("triton_kernels.py", "72", *CAPABILITIES, TRITON_CACHE_DIR=folder)

    def _inductor(self, folder):
        for model, mode in MODELS:
            self._run("inductor.py", model, "--mode", mode, TMPDIR=folder, LOGNAME="bench")

    def _synthetic(self, folder):
        self._run("synthetic.py", self.tree("R"), folder, "3000", "200")

    def _run(self, program, *arguments, **environment):
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("TORCHINDUCTOR_", "TRITON_"))}
        command = [self._python, BENCH / "trees" / program, *arguments]
        done = subprocess.run(list(map(str, command)), env=kept | {k: str(v) for k, v in environment.items()},
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(f"{program}: {done.stderr}")


def describe(tree):
    sizes = [file.stat().st_size for file in tree.rglob("*") if file.is_file()]
    return {"files": len(sizes), "bytes": sum(sizes)}
