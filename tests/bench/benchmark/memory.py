"""Peak memory where a library could be wasteful: very many files, very large ones, many threads."""
import random
import sys

from benchmark import volumes
from benchmark.peers import LIBRARY

COUNTS = (200_000, 300_000)
LARGE = {"large.so": 512 << 20, "larger.gch": 768 << 20}
SETTINGS = {"B10_THREADS": "8", "B10_COMPRESSION_LEVEL": "1"}


def make_tree(folder, count):
    """`count` files of 200 to 1,200 bytes, 50 to a directory, a tenth of them equal to another; two large files."""
    source = random.Random(count)
    words = [source.randbytes(6).hex() for _ in range(4096)]
    content = b""
    for number in range(count):
        directory = folder / f"{number // 50 % 256:02x}" / f"{number // 50:05d}"
        if number % 50 == 0:
            directory.mkdir(parents=True)
        if number % 10:
            content = " ".join(source.choices(words, k=source.randrange(15, 90))).encode()
        (directory / f"c{number:06d}{source.randbytes(18).hex()}.py").write_bytes(content)
    for name, size in LARGE.items():
        piece = b"".join(source.randbytes(32) + bytes(source.randrange(32, 160)) for _ in range(8192))
        with open(folder / name, "wb") as file:
            while file.tell() < size:
                file.write(piece[:size - file.tell()])
                piece = piece[4096:] + piece[:4096]


def measure_memory(peers):
    results = {}
    for count in COUNTS:
        volumes.fresh(volumes.SOURCE)
        volumes.fresh(volumes.LOCAL)
        volumes.fresh(volumes.VOLUME)
        source = volumes.SOURCE / "many" / "torchinductor_bench"
        source.mkdir(parents=True)
        make_tree(source, count)
        target = volumes.LOCAL / source.name
        peak = {}
        for operation, local in (("save", source), ("load", target)):
            answer = peers.library(operation, local, **SETTINGS)
            if answer["status"] != "SUCCESS":
                sys.exit(f"memory, {operation} of {count} files: {answer}")
            peak[operation] = answer["peak"]
        results[str(count)] = peak | {"large": " + ".join(f"{size >> 20} MiB" for size in LARGE.values())}
        volumes.fresh(volumes.LOCAL)
    volumes.fresh(volumes.SOURCE)
    return results
