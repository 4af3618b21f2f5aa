"""A server that compiles a model on the GPU, in one of three ways; see check.

    model.py           load, compile, save, and what that took
    model.py --facts   the key and the step that answered, once CUDA is initialised here
    model.py --fork    whether asking for the key leaves CUDA alone
"""
import hashlib
import os
import sys
import time

import torch
from b10_transfer import get_cache_info, load_compile_cache, save_compile_cache


def timed(function, *arguments):
    start = time.perf_counter()
    result = function(*arguments)
    return result, time.perf_counter() - start


def serve():
    from torch._dynamo.utils import counters

    torch.manual_seed(1)
    model = torch.nn.Sequential(*(torch.nn.TransformerEncoderLayer(256, 4, 512, batch_first=True) for _ in range(2)))
    model = model.eval().cuda()
    tokens = torch.arange(2 * 64 * 256, dtype=torch.float32, device="cuda").reshape(2, 64, 256).sin()
    load, load_seconds = timed(load_compile_cache)
    compiled = torch.compile(model)

    def predict():
        with torch.inference_mode():
            return compiled(tokens).float().mean(dim=(0, 1)).tolist()

    output, compile_seconds = timed(predict)
    save, save_seconds = timed(save_compile_cache)
    digest = hashlib.sha256(" ".join(f"{x:.3f}" for x in output).encode()).hexdigest()[:16]
    print(f"load: {load.name} in {load_seconds:.3f} s")
    print(f"compile: {compile_seconds:.3f} s")
    print(f"save: {save.name} in {save_seconds:.3f} s")
    print(f"cache hits: {counters['inductor']['fxgraph_cache_hit']}")
    print(f"cache misses: {counters['inductor']['fxgraph_cache_miss']}")
    print(f"output: {digest}")


def facts():
    torch.zeros(1, device="cuda")
    info = get_cache_info()
    print(f"key: {info['environment_key']}")
    print(f"detection: {info['detection']}")


def fork():
    get_cache_info()
    print(f"before: {'initialised' if torch.cuda.is_initialized() else 'not initialised'}", flush=True)
    child = os.fork()
    if child == 0:
        computed = torch.ones(4, device="cuda").sum().item()
        os._exit(0 if computed == 4 else 1)
    _, status = os.waitpid(child, 0)
    print(f"child: {'computes' if status == 0 else f'ended with {status}'}")


if __name__ == "__main__":
    {"--facts": facts, "--fork": fork}.get(sys.argv[1] if len(sys.argv) > 1 else "", serve)()
