"""On every processor that qemu can play, our features are those that gcc and clang select for -march=native.
Usage: check_emulated.py CPU_PRINT"""

import sys
from concurrent.futures import ThreadPoolExecutor

from compilers import differences
from support import Facts, ask_clang, ask_gcc, emulated_processors, need, need_x86_64

PROCESSORS = [
    "qemu64", "Conroe", "Penryn", "Nehalem", "Westmere", "SandyBridge", "IvyBridge", "Haswell", "Broadwell",
    "Skylake-Client", "Skylake-Server", "Icelake-Server", "Snowridge", "Denverton", "KnightsMill", "Opteron_G3",
    "Opteron_G5", "EPYC", "EPYC-Rome", "EPYC-Milan", "max",
]  # fmt: skip

# clang takes a second to start there; these differ most.
FOR_CLANG = {"Nehalem", "SandyBridge", "Haswell", "Snowridge", "Opteron_G5", "EPYC-Rome", "max"}


def compare(cpu_print, name):
    prefix = ["qemu-x86_64", "-cpu", name]
    facts = Facts(*prefix, cpu_print)
    compilers = [ask_gcc(*prefix)] + ([ask_clang(*prefix)] if name in FOR_CLANG else [])
    return facts, [f"{name}: {problem}" for compiler in compilers for problem in differences(compiler, facts.features)]


def main(cpu_print):
    need_x86_64()
    need("qemu-x86_64", "gcc", "clang")
    names = emulated_processors("qemu-x86_64", PROCESSORS)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda name: compare(cpu_print, name), names))
    for name, (facts, _) in zip(names, answers):
        print(f"{name:16} {facts.cpu:8} {len(facts.features)} features")
    problems = [problem for _, found in answers for problem in found]
    if len({facts.key for facts, _ in answers}) < 8:
        problems.append("too few of them differ: the comparison shows nothing")
    print("\n".join(problems))
    sys.exit(bool(problems))


main(sys.argv[1])
