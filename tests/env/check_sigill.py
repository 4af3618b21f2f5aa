"""Where a program compiled with -march=native on one processor dies on another one, or computes something else there,
their keys differ. On processors that qemu plays. Usage: check_sigill.py CPU_PRINT"""

import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support import Facts, emulated_processors, native_options, need, need_x86_64, run

PROCESSORS = [
    "qemu64", "Conroe", "Penryn", "Nehalem", "Westmere", "SandyBridge", "IvyBridge", "Haswell", "Broadwell",
    "Skylake-Client", "Skylake-Server", "Icelake-Server", "Opteron_G3", "Opteron_G5", "EPYC", "EPYC-Rome", "max",
]  # fmt: skip

QEMU = "qemu-x86_64"


def build(folder, name):
    """What gcc would make of sigill.c on that processor."""
    program = Path(folder) / name
    run("gcc", "-O3", "-ffp-contract=fast", "-static", *native_options(QEMU, "-cpu", name), "-o", str(program),
        str(Path(__file__).with_name("sigill.c")))  # fmt: skip
    return program


def outcome(program, name):
    """What a program prints there; 'dies' if an instruction is unknown."""
    result = subprocess.run([QEMU, "-cpu", name, str(program)], capture_output=True, text=True, timeout=120)
    if result.returncode in (-signal.SIGILL, 128 + signal.SIGILL):
        return "dies"
    return result.stdout.strip() if result.returncode == 0 else f"status {result.returncode}"


def run_everywhere(folder, names, pool):
    """{(built for, run on): outcome}; only what qemu plays well enough to run its own code counts as a builder."""
    programs = dict(zip(names, pool.map(lambda name: build(folder, name), names)))
    pairs = [(a, b) for a in names for b in names]
    return dict(zip(pairs, pool.map(lambda pair: outcome(programs[pair[0]], pair[1]), pairs)))


def main(cpu_print):
    need_x86_64()
    need(QEMU, "gcc")
    names = emulated_processors(QEMU, PROCESSORS)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        keys = dict(zip(names, pool.map(lambda name: Facts(QEMU, "-cpu", name, cpu_print).key, names)))
        outcomes = run_everywhere(folder, names, pool)

    builders = [name for name in names if outcomes[name, name] != "dies"]
    broken = [(a, b) for a in builders for b in names if outcomes[a, b] != outcomes[a, a]]
    died = [pair for pair in broken if outcomes[pair] == "dies"]
    problems = [f"{a} on {b}: {outcomes[a, b]}, and the key is the same" for a, b in broken if keys[a] == keys[b]]
    problems += [
        f"code for {name} dies there: qemu shows what it cannot play" for name in names if name not in builders
    ]
    for a in builders:
        print(f"{a:15} dies on {', '.join(b for x, b in died if x == a) or 'none'}")
    print(
        f"{len(builders)} builders, {len(names)} processors, {len(set(keys.values()))} keys, {len(died)} pairs die, "
        f"{len(broken) - len(died)} compute something else"
    )
    if not died:
        problems.append("nothing died anywhere: the test shows nothing")
    print("\n".join(problems))
    sys.exit(bool(problems))


main(sys.argv[1])
