"""A server whose cache is as large as that of a vLLM on the CPU, and which only tells when it began."""
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmark import volumes

ALONE = "the server alone"
NO_VOLUME = "run, no volume"
STORED = "run, a cache to load"
KINDS = [ALONE, NO_VOLUME, STORED]

SERVER = ["/usr/bin/date", "+%s%N"]
# PyTorch precompiles headers such as these once for each set of flags; either file is 149 MB.
HEADERS = ["torch/csrc/inductor/cpp_prefix.h", "bits/stdc++.h"]
FLAGS = ["-O3", "-O1"]
FILES, FILE_BYTES = 64, 44000  # beside the headers


def make_tree(python, folder):
    """Makes the caches of a replica below `folder`, once: vllm and tmp, which hold what an archive's roots hold."""
    if folder.exists():
        return
    begun = folder.with_name(f"{folder.name}.begun")
    volumes.quietly("rm", "-rf", begun)
    include = Path(volumes.quietly(python, "-c", "import torch; print(torch.__path__[0])").strip()) / "include"
    headers = begun / "tmp/torchinductor_bench/precompiled_headers"
    headers.mkdir(parents=True)
    for number, flag in enumerate(FLAGS):
        header = headers / f"header{number}.h"
        header.write_text("".join(f"#include <{name}>\n" for name in HEADERS))
        volumes.quietly("g++", "-std=c++20", flag, f"-I{include}", f"-I{include}/torch/csrc/api/include",
                        "-x", "c++-header", header, "-o", f"{header}.gch")
    text = b"".join(path.read_bytes() for path in sorted((include / "ATen/ops").glob("[a-c]*.h")))
    (begun / "vllm").mkdir()
    for number in range(FILES):
        (begun / f"vllm/entry{number}").write_bytes(text[number * FILE_BYTES:][:FILE_BYTES])
    begun.rename(folder)


def size(folder):
    sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file()]
    return len(sizes), sum(sizes)


class Server:
    def __init__(self, command, tree):
        self._command = command
        self.files, self.bytes = size(tree)
        volumes.fresh(volumes.SOURCE)
        volumes.fresh(volumes.VOLUME)
        volumes.quietly("cp", "-a", tree / "vllm", tree / "tmp", volumes.SOURCE)
        done = subprocess.run([command, "--quiet", "save"], env=self._environment(volumes.SOURCE, volumes.SHARED),
                              stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            sys.exit(f"save: exit code {done.returncode}")
        volumes.quietly("sync", "--file-system", volumes.VOLUME)

    def _environment(self, disk, shared):
        environment = volumes.settings(disk / "inductor") | {
            "TMPDIR": str(disk / "tmp"), "VLLM_CACHE_ROOT": str(disk / "vllm"), "B10_CACHE_KIND": "vllm",
            "B10FS_CACHE_DIR": str(shared)}
        del environment["TORCHINDUCTOR_CACHE_DIR"]
        return environment

    def start(self, kind):
        """Seconds until the server began, on a new local disk."""
        volumes.fresh(volumes.LOCAL)
        (volumes.LOCAL / "tmp").mkdir()
        shared = volumes.SHARED if kind == STORED else volumes.CACHE / "none/compile_cache"
        report = volumes.LOCAL / "report.json"
        line = SERVER if kind == ALONE else [self._command, "run", "--report", report, "--", *SERVER]
        environment = self._environment(volumes.LOCAL, shared)
        began = time.time_ns()
        done = subprocess.run(line, env=environment, capture_output=True, text=True, check=True)
        if kind != ALONE:
            self._check(kind, json.loads(report.read_text())["load"], done.stderr)
        return (int(done.stdout) - began) / 1e9

    def _check(self, kind, load, log):
        wanted = ("SUCCESS", self.files) if kind == STORED else ("DOES_NOT_EXIST", 0)
        if (load["status"], load["files"]) != wanted:
            sys.exit(f"{kind}: {load}\n{log}")
