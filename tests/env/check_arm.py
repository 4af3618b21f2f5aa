"""aarch64 for real: the detection, cross-compiled, on processors that qemu plays; and the names of the bits against the
kernel's header. Usage: check_arm.py SOURCE_FOLDER CPU_PRINT"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from support import Facts, emulated_processors, need, run, skip

GCC, QEMU = "aarch64-linux-gnu-gcc", "qemu-aarch64"
HEADER = Path("/usr/aarch64-linux-gnu/include/asm/hwcap.h")

# Processor: class, some of what it has, some of what it lacks.
PROCESSORS = {
    "cortex-a57": ("neon", "asimd crc32 aes sha2", "atomics asimddp sve fphp"),
    "cortex-a76": ("neon", "atomics asimddp fphp lrcpc", "sve paca bf16"),
    "neoverse-n1": ("neon", "atomics asimddp fphp lrcpc", "sve bf16 i8mm"),
    "a64fx": ("sve", "sve atomics fcma sve-bits:512", "sve2 asimddp bf16"),
    "max,sve-max-vq=1": ("sve2", "sve2 i8mm bf16 sve-bits:128", "sve-bits:256"),
    "max,sve-max-vq=2": ("sve2", "sve2 i8mm bf16 sve-bits:256", "sve-bits:128"),
    "max,sve-max-vq=4": ("sve2", "sve2 i8mm bf16 sve-bits:512", "sve-bits:256"),
    "max,sve=off": ("neon", "i8mm bf16 atomics", "sve sve2 sve-bits:128"),
}

# Not selected on by any compiler, so in no list.
UNLISTED = {
    "evtstrm",
    "cpuid",
    "dcpop",
    "dit",
    "dcpodp",
    "dgh",
    "bti",
    "mte",
    "ecv",
    "afp",
    "rpres",
    "mte3",
    "ebf16",
    "sveebf16",
    "rprfm",
}


def build(sources, folder, name, program, *options):
    target = Path(folder) / name
    includes = [f"-I{sources}/include", f"-I{sources}/src"]
    warnings = ["-Wall", "-Wextra", "-Werror"]
    run(GCC, "-std=c11", "-D_GNU_SOURCE", "-O2", "-static", *warnings, *includes, *options, "-o", target, *program)
    return str(target)


def check_processors(cpu_print):
    names = emulated_processors(QEMU, PROCESSORS)
    keys = {}
    for name in names:
        facts = Facts(QEMU, "-cpu", name, cpu_print)
        print(f"{name:18} {facts.cpu:5} {','.join(sorted(facts.features))}")
        level, has, lacks = PROCESSORS[name]
        if facts.arch != "aarch64":
            yield f"{name}: architecture {facts.arch}"
        if facts.cpu != level:
            yield f"{name}: class {facts.cpu}, not {level}"
        for feature in set(has.split()) - facts.features:
            yield f"{name}: no {feature}"
        for feature in set(lacks.split()) & facts.features:
            yield f"{name}: {feature}"
        keys.setdefault(facts.key, []).append(name)
    for equal in keys.values():
        if len(equal) > 1 and equal != ["cortex-a76", "neoverse-n1"]:
            yield f"{', '.join(equal)} look the same"
    if len(names) < 6:
        yield f"only {names} can be played"


def check_crash(sigill):
    """Code for the newer processor dies on the older one: that is why they must differ."""
    if subprocess.run([QEMU, "-cpu", "neoverse-n1", sigill], capture_output=True).returncode != 0:
        yield "code for a Neoverse N1 does not run there"
    if subprocess.run([QEMU, "-cpu", "cortex-a57", sigill], capture_output=True).returncode == 0:
        yield "code for a Neoverse N1 runs on a Cortex-A57: the comparison shows nothing"


def check_names(cpu_print):
    """By a native cpu_print: every bit of the kernel's header has the kernel's name."""
    bits = re.findall(r"#define HWCAP(2|3|)_(\w+)\s+\(1(?:UL)? << (\d+)\)", HEADER.read_text())
    if len(bits) < 50:
        yield f"only {len(bits)} bits in {HEADER}"
    for word, name, bit in bits:
        values = ["0", "0", "0"]
        values[int(word or 1) - 1] = str(1 << int(bit))
        name = name.lower().replace("_", "")
        said = Facts(cpu_print, "arm", *values).features
        if said != ({name} - UNLISTED):
            yield f"HWCAP{word} bit {bit} is {name} to the kernel, {said or 'nothing'} to us"


def main(sources, native):
    need(GCC, QEMU)
    if not HEADER.exists():
        skip(f"{HEADER} is not installed")
    with tempfile.TemporaryDirectory() as folder:
        files = [f"src/env/{name}.c" for name in ("cpu", "cpu_x86", "cpu_arm")] + [
            f"src/base/{name}.c" for name in ("bytes", "error", "guard", "line")
        ]
        here = Path(__file__).parent
        cross = build(sources, folder, "cpu_print", [here / "cpu_print.c", *(f"{sources}/{file}" for file in files)])
        sigill = build(sources, folder, "sigill", [here / "sigill.c"], "-O3", "-mcpu=neoverse-n1")
        problems = [*check_processors(cross), *check_crash(sigill), *check_names(native)]
    print("\n".join(problems))
    sys.exit(bool(problems))


main(*sys.argv[1:3])
