"""What a save in mode merge costs beside a full save: the stored archive lacks one leaf directory in twenty."""
import shutil
from pathlib import Path

from benchmark import volumes
from benchmark.peers import LIBRARY
from benchmark.quiet import wait_until_idle

FULL, MERGE = "full save", "merge save, 5 % new"
ONE_IN = 20


def part_of(source):
    """A copy of the tree beside it without every twentieth of the directories that hold no other: whole entries of a cache."""
    part = source.parent / f"{source.name}_part"
    volumes.quietly("cp", "-a", source, part)
    leaves = sorted(folder for folder in part.rglob("*") if folder.is_dir() and not any(
        entry.is_dir() for entry in folder.iterdir()))
    for leaf in leaves[::ONE_IN]:
        shutil.rmtree(leaf)
    volumes.quietly("sync", "--file-system", part)
    return part


def measure_merges(peers, source, rounds, patience):
    results = {FULL: [], MERGE: []}
    part = part_of(Path(source))
    for number in range(rounds + 1):
        for name, answers in results.items():
            volumes.fresh(volumes.LOCAL)
            volumes.fresh(volumes.VOLUME)
            if name == MERGE:
                peers.save(LIBRARY, part)
            wait_until_idle(patience)
            answer = peers.library("save", source, **({"B10_SAVE_MODE": "merge"} if name == MERGE else {}))
            if answer["status"] != "SUCCESS":
                raise SystemExit(f"{name}: {answer}")
            if number > 0:
                answers.append(answer)
    shutil.rmtree(part)
    return results
