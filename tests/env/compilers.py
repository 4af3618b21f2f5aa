"""Our feature names against those of a compiler: where they may differ, and why."""

# A compiler's name for what we call otherwise: on exactly where ours is. "": every x86-64 processor has it.
OURS = {
    "64bit": "",
    "cmov": "",
    "cx8": "",
    "x87": "",
    "crc32": "sse4.2",  # one of its instructions
    "sse4": "sse4.2",  # gcc's alias
    "abm": "lzcnt",  # AMD's word
    "evex512": "avx512f",
    "egpr": "apxf",
    "push2pop2": "apxf",
    "ppx": "apxf",
    "ndd": "apxf",
    "ccmp": "apxf",
    "nf": "apxf",
    "cf": "apxf",
    "zu": "apxf",
    "avx10.1-256": "avx10.1",
    "avx10.1-512": "avx10.1",
    "avx10.2-256": "avx10.2",
    "avx10.2-512": "avx10.2",
}

# Options of gcc that are on and say nothing about the processor.
NO_FEATURES = set(
    # an alias's negation; an instruction of the kernel's, on with sse3
    "no-sse4 mwait "
    # memory layout and calling conventions
    "128bit-long-double 64 80387 fancy-math-387 fp-ret-in-387 hard-float ieee-fp long-double-80 push-args red-zone "
    "tls-direct-seg-refs direct-extern-access glibc "
    # which of several correct codes is faster
    "align-stringops stv vzeroupper avx256-split-unaligned-load avx256-split-unaligned-store relax-cmpxchg-loop recip "
    "accumulate-outgoing-args".split()
)

# gcc has it on by the processor's name, whatever CPUID says. Its prefixes do nothing where it is missing.
GCC_GOES_BY_NAME = {"hle"}

# Only clang asks the processor for it.
GCC_LEAVES_OFF = {"3dnowa"}

# clang's -march=native has these only together with AVX. It never emits them by itself.
CLANG_WANTS_AVX = {"xsave", "xsavec", "xsaveopt", "xsaves"}

# clang does not ask whether the kernel has turned these on; gcc and we do.
CLANG_IGNORES_THE_KERNEL = {"kl", "widekl"}


def may_be_on(compiler, name):
    """On there, missing here."""
    if compiler.name == "clang":
        return name in CLANG_IGNORES_THE_KERNEL
    return name in NO_FEATURES | GCC_GOES_BY_NAME


def may_be_off(compiler, name, ours):
    """Off there, ours here."""
    if compiler.name == "clang":
        return name in CLANG_WANTS_AVX and "avx" not in ours
    return name in GCC_LEAVES_OFF


def differences(compiler, ours):
    """Where a compiler and we take the processor for different ones."""
    for name in sorted(compiler.on):
        known_as = OURS.get(name, name)
        if known_as and known_as not in ours and not may_be_on(compiler, name):
            yield f"{compiler.name} has {name} on, we have it not"
    for name in sorted(compiler.known - compiler.on):
        known_as = OURS.get(name, name)
        if known_as in ours and not may_be_off(compiler, name, ours):
            yield f"we have {known_as}, {compiler.name} has {name} off"
