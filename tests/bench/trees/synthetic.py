#!/usr/bin/env python3
"""Fills a folder with a synthetic compile cache of any size, the same for the same arguments.

    synthetic.py POOL FOLDER FILES MEGABYTES [SEED]

POOL is a tree of real Triton kernels (triton_kernels.py); the files are put together from pieces of them, of Python's own
sources and of the system's shared libraries, in the proportions of a measured cache: half of the files belong to
kernels, a quarter is Python, the rest pickles, tuning results and a few shared objects. No two files are equal.
"""
import base64
import json
import math
import pickle
import random
import sys
import sysconfig
from pathlib import Path

KERNEL_FILES = {".ttir": (3e3, 2e4), ".ttgir": (4e3, 3e4), ".llir": (8e3, 5e4), ".ptx": (8e3, 5e4),
                ".cubin": (8e3, 1.4e5)}
DRAWS = {"kernel": 14, ".py": 48, "pickle": 30, "tuning": 16, ".so": 6}  # a kernel is seven files
PIECE = 2048


class Generator:
    def __init__(self, pool, seed):
        self._random = random.Random(seed)
        self._pools = {suffix: read(sorted(pool.rglob(f"*{suffix}"))) for suffix in KERNEL_FILES}
        self._pools[".py"] = read(sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[:120])
        libraries = sorted(Path("/usr/lib").glob("*-linux-gnu/lib*.so.*"))
        self._pools[".so"] = read([file for file in libraries if not file.is_symlink()][:60])

    def plan(self, count):
        """(path, kind, relative size) of `count` files."""
        files = []
        while len(files) < count:
            files += self._draw()
        return files[:count]

    def _draw(self):
        shard = self._name(2).lower()
        kind, = self._random.choices(list(DRAWS), DRAWS.values())
        if kind == "kernel":
            return self._kernel()
        if kind == ".py":
            return [(f"{shard}/c{shard}{self._name(49).lower()}.py", kind, self._size(4e3, 4e5))]
        if kind == "pickle":
            folder = f"fxgraph/{shard}/f{self._name(51).lower()}"
            return [(f"{folder}/{self._name(52).lower()}", kind, self._size(1e4, 3e5))]
        if kind == "tuning":
            return [(f"{shard}/{self._name(52).lower()}.best_config", kind, 0)]
        return [(f"{shard}/c{shard}{self._name(49).lower()}.so", kind, self._size(1e5, 5e6))]

    def _kernel(self):
        folder, name = f"triton/0/{self._name(52)}", f"triton_fused_{self._random.randrange(10**6)}"
        scale = self._random.uniform(0.5, 2)
        files = [(f"{folder}/{name}{suffix}", suffix, self._size(*sizes) * scale)
                 for suffix, sizes in KERNEL_FILES.items()]
        return files + [(f"{folder}/{name}.json", "tuning", 0), (f"{folder}/__grp__{name}.json", "group", 0)]

    def content(self, path, kind, size):
        if kind == "tuning":
            values = {"hash": self._random.randbytes(32).hex(), "num_warps": self._random.choice((2, 4, 8)),
                      "num_stages": self._random.randint(1, 5), "shared": self._random.choice((0, 1024, 16384))}
            return json.dumps(values).encode()
        if kind == "group":
            name = Path(path).name.removeprefix("__grp__").removesuffix(".json")
            children = {name + suffix: f"/tmp/torchinductor_bench/{Path(path).parent}/{name}{suffix}"
                        for suffix in KERNEL_FILES}
            return json.dumps({"child_paths": children}).encode()
        if kind == "pickle":
            return pickle.dumps({"key": self._random.randbytes(32).hex(), "code": self._pieces(".py", size)})
        return self._pieces(kind, size)

    def _pieces(self, kind, size):
        parts, total = [self._random.randbytes(16).hex().encode()], 0
        while total < size:
            source = self._random.choice(self._pools[kind])
            begin = self._random.randrange(max(1, len(source) - PIECE))
            parts.append(source[begin:begin + self._random.randint(64, PIECE)])
            total += len(parts[-1])
        return b"".join(parts)[:max(64, int(size))]

    def _name(self, length):
        return base64.b32encode(self._random.randbytes(35)).decode()[:length]

    def _size(self, low, high):
        return math.exp(self._random.uniform(math.log(low), math.log(high)))


def read(files):
    contents = [file.read_bytes() for file in files]
    return [content for content in contents if content]


def main():
    pool, folder, count, megabytes = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    generator = Generator(pool, int(sys.argv[5]) if len(sys.argv) > 5 else 7)
    files = generator.plan(count)
    scale = megabytes * 1e6 / sum(size for _, _, size in files)
    for path, kind, size in files:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(generator.content(path, kind, size * scale))


if __name__ == "__main__":
    main()
