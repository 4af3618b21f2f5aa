"""The features that we find are those of /proc/cpuinfo, as far as the kernel has a word for them.
Usage: check_proc.py CPU_PRINT"""

import os
import re
import sys
from pathlib import Path

from support import Facts, need_x86_64, skip

# Our name: the kernel's, where it is not ours without punctuation.
FLAGS = {
    "sse3": "pni", "pclmul": "pclmulqdq", "rdrnd": "rdrand", "bmi": "bmi1", "sha": "sha_ni", "pku": "ospke", "sahf":
    "lahf_lm", "lzcnt": "abm", "prfchw": "3dnowprefetch", "3dnowa": "3dnowext", "shstk": "user_shstk", "avx5124vnniw":
    "avx512_4vnniw", "avx5124fmaps": "avx512_4fmaps",
}  # fmt: skip

# Without a word in any kernel: features that it neither uses nor offers, and those that it hides from the list.
WITHOUT_FLAG = {
    "ptwrite", "uintr", "hreset", "prefetchwt1", "kl", "widekl", "usermsr", "raoint", "cmpccxadd", "avxifma",
    "avxneconvert", "avxvnniint8", "avxvnniint16", "amx-fp16", "amx-complex", "prefetchi", "apxf", "movrs", "sha512",
    "sm3", "sm4", "amx-fp8", "amx-transpose", "amx-tf32", "amx-avx512", "amx-movrs", "avx512bmm",
}  # fmt: skip

# The first kernel that has the word, where servers run older ones.
SINCE = {
    "avx512vbmi2": (4, 16), "avx512vnni": (4, 16), "avx512bitalg": (4, 16), "gfni": (4, 16), "vaes": (4, 16),
    "vpclmulqdq": (4, 16), "pconfig": (4, 18), "cldemote": (4, 19), "movdiri": (5, 0), "movdir64b": (5, 0),
    "wbnoinvd": (5, 0), "waitpkg": (5, 2), "avx512bf16": (5, 3), "rdpru": (5, 5), "avx512vp2intersect": (5, 5),
    "serialize": (5, 9), "tsxldtrk": (5, 9), "amx-tile": (5, 9), "amx-int8": (5, 9), "amx-bf16": (5, 9), "enqcmd": (5,
    11), "sgx": (5, 11), "avxvnni": (5, 12), "avx512fp16": (5, 12), "shstk": (6, 6),
}  # fmt: skip

# The kernel takes these words back although the instructions remain, as the compilers see it too.
MAY_BE_HIDDEN = {
    "sgx",  # firmware or hypervisor leave it off
    "shstk",  # built without user shadow stacks
    "enqcmd",  # no address space identifiers
    "invpcid", "xsaves", "xsavec", "rdseed",  # errata, boot parameters; no compiler emits them by itself
}  # fmt: skip


def plain(name):
    return re.sub(r"[^a-z0-9]", "", name)


def kernel_version():
    return tuple(int(part) for part in re.findall(r"\d+", os.uname().release)[:2])


def compare(flags, here, every):
    """Between the flags of one processor and ours."""
    by_plain = {plain(flag): flag for flag in flags}
    for name in sorted(every | set(FLAGS)):
        flag = FLAGS.get(name) or by_plain.get(plain(name))
        listed = flag in flags
        if listed and name not in here:
            yield f"the kernel lists {flag}, we have no {name}"
        unknown = (
            name in WITHOUT_FLAG or name.startswith(("avx10.", "cpuid-")) or SINCE.get(name, (0, 0)) > kernel_version()
        )
        if name in here and not listed and not unknown and name not in MAY_BE_HIDDEN:
            yield f"we have {name}, the kernel does not list it"


def main(cpu_print):
    need_x86_64()
    lines = re.findall(r"^flags\s*:(.*)", Path("/proc/cpuinfo").read_text(), re.M)
    if not lines:
        skip("/proc/cpuinfo lists no flags")
    here, every = Facts(cpu_print).features, Facts(cpu_print, "all").features
    flags = [set(line.split()) for line in lines]
    problems = {problem for one in flags for problem in compare(one, here, every)}
    print(f"{len(lines)} processors, {len(flags[0])} flags, {len(here)} features")
    print("\n".join(sorted(problems)))
    sys.exit(bool(problems))


main(sys.argv[1])
