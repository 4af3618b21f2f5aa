"""The features that we find on this machine are those that gcc and clang select for -march=native, and no others.
Usage: check_gcc.py CPU_PRINT"""

import subprocess
import sys

from compilers import OURS, differences
from support import ENVIRONMENT, Facts, ask_clang, ask_gcc, need, need_x86_64, run

# Names that an installed compiler need not know yet, by the first release that does.
NEWER = {
    "clang 15": "rdpru",
    "gcc 13": "amx-fp16 avxifma avxneconvert avxvnniint8 cmpccxadd prefetchi raoint",
    "gcc 14": "amx-complex apxf avxvnniint16 sha512 sm3 sm4 usermsr",
    "gcc 15": "amx-avx512 amx-fp8 amx-movrs amx-tf32 amx-transpose movrs",
    "gcc 16": "avx512bmm",
}

# Options that define a macro as features do, and are none: code size, C library, ABI.
NO_FEATURES = "16 32 x32 iamcu android bionic soft-float general-regs-only long-double-64 long-double-128".split()


def macros(*options):
    """The names that gcc predefines; None where it refuses the options."""
    result = subprocess.run(
        ["gcc", *options, "-dM", "-E", "-x", "c", "/dev/null"], env=ENVIRONMENT, capture_output=True, text=True
    )
    return {line.split()[1] for line in result.stdout.splitlines()} if result.returncode == 0 else None


def features_of_gcc(known):
    """Every option that code can be selected by: it defines a macro, or its negation takes one away."""
    plain = macros("-march=x86-64")
    for name in sorted(known):
        on, off = macros("-march=x86-64", f"-m{name}"), macros("-march=x86-64", f"-mno-{name}")
        if (on is not None and on - plain) or (off is not None and plain - off):
            yield name


def gaps(every, gcc, clang):
    """Names that the compilers know and our table lacks, or the other way round. Any machine finds them."""
    newer = set(" ".join(NEWER.values()).split())
    for name in features_of_gcc(gcc.known):
        if OURS.get(name, name) not in every | {""} and name not in NO_FEATURES:
            yield f"gcc selects on {name}, which is not in the table"
    for name in sorted(clang.known):
        if OURS.get(name, name) not in every | {""}:
            yield f"clang selects on {name}, which is not in the table"
    for name in sorted(every - gcc.known - clang.known - newer):
        if not name.startswith(("avx10.", "cpuid-")):
            yield f"{name} is in the table, and no compiler is known to have it"


def main(cpu_print):
    need_x86_64()
    need("gcc", "clang")
    gcc, clang = ask_gcc(), ask_clang()
    here, every = Facts(cpu_print).features, Facts(cpu_print, "all").features
    problems = [*differences(gcc, here), *differences(clang, here), *gaps(every, gcc, clang)]
    compared = len(here & (gcc.known | clang.known))
    print(f"gcc {run('gcc', '-dumpfullversion')[0].strip()}, clang {run('clang', '-dumpversion')[0].strip()}")
    print(f"{len(here)} features here, {compared} known to them, {len(every)} in the table")
    print("\n".join(problems))
    sys.exit(bool(problems) or compared < 5)  # every x86-64 processor has five


main(sys.argv[1])
