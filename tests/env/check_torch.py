"""Our class name is what PyTorch's Inductor picks for its vector code. Usage: check_torch.py CPU_PRINT"""

import os
import sys
import tempfile

from support import Facts, skip

# What torch.cpu asks of the processor, and what that is in our list.
QUESTIONS = {
    "_is_avx2_supported": "avx2",
    "_is_vnni_supported": "avx512vnni",
    "_is_avx512_bf16_supported": "avx512bf16",
    "_is_amx_tile_supported": "amx-tile",
    "_is_amx_fp16_supported": "amx-fp16",
}


def expected_x86(facts):
    """The last word of what PyTorch's classes call themselves, best first."""
    if facts.cpu == "avx512":
        return ["avx512"]
    return ["avx2"] if facts.cpu == "avx2" else []


def expected_arm(facts):
    """PyTorch has vectors of 256 bits for sve, and neon; it calls both asimd."""
    return ["asimd"] if facts.cpu in ("neon", "sve", "sve2") else []


def main(cpu_print):
    os.environ.pop("ATEN_CPU_CAPABILITY", None)  # overrides what the processor can
    try:
        import torch
        from torch._inductor.cpu_vec_isa import pick_vec_isa, valid_vec_isa_list
    except ImportError as error:
        skip(f"torch is not installed for {sys.executable}: {error}")
    facts = Facts(cpu_print)
    expected = expected_arm(facts) if facts.arch == "aarch64" else expected_x86(facts)
    picked, valid = str(pick_vec_isa()), [str(isa) for isa in valid_vec_isa_list()]
    print(f"class {facts.cpu}; torch {torch.__version__} picks '{picked}' of {valid}")

    problems = []
    if picked.split()[:1] != (expected or ["INVALID_VEC_ISA"]):
        problems.append(f"Inductor picks '{picked}', our class is {facts.cpu}")
    if facts.cpu in ("avx512", "avx2") and not any("avx2" in name for name in valid):
        problems.append(f"Inductor has no avx2, our class is {facts.cpu}")
    if facts.cpu != "avx512" and any("avx512" in name for name in valid):
        problems.append(f"Inductor has avx512, our class is {facts.cpu}")
    for question, name in QUESTIONS.items():
        answer = getattr(torch.cpu, question, lambda: name in facts.features)()
        if facts.arch == "x86_64" and bool(answer) != (name in facts.features):
            problems.append(
                f"torch.cpu.{question}() is {answer}; we have {'' if name in facts.features else 'no '}{name}"
            )
    print("\n".join(problems))
    sys.exit(bool(problems))


with tempfile.TemporaryDirectory() as directory:
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = directory
    main(sys.argv[1])
