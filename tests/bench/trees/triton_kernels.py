#!/usr/bin/env python3
"""Fills TRITON_CACHE_DIR with real CUDA kernels; no GPU is needed.

    triton_kernels.py KERNELS CAPABILITY...      triton_kernels.py 72 80 86 89 90 100

Triton compiles for any target it is given and carries its own assembler. Each kernel leaves a directory with its
intermediate forms (.ttir, .ttgir, .llir, .ptx), the binary (.cubin) and two .json files: a matrix product in variants of
tile sizes, warps and pipeline stages, as an autotuner makes them.
"""
import itertools
import sys

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

TILE_M, TILE_N, TILE_K, WARPS, STAGES = (32, 64, 128), (64, 128), (32, 64), (4, 8), (2, 3, 4)


@triton.jit
def product(left, right, result, rows, columns, depth,
            left_row, left_step, right_step, right_column, result_row, result_column,
            TILE_M: tl.constexpr, TILE_N: tl.constexpr, TILE_K: tl.constexpr):
    tiles = tl.cdiv(columns, TILE_N)
    row = tl.program_id(0) // tiles * TILE_M + tl.arange(0, TILE_M)
    column = tl.program_id(0) % tiles * TILE_N + tl.arange(0, TILE_N)
    step = tl.arange(0, TILE_K)
    left_tile = left + row[:, None] * left_row + step[None, :] * left_step
    right_tile = right + step[:, None] * right_step + column[None, :] * right_column
    total = tl.zeros((TILE_M, TILE_N), dtype=tl.float32)
    for tile in range(0, tl.cdiv(depth, TILE_K)):
        within = step < depth - tile * TILE_K
        a = tl.load(left_tile, mask=within[None, :], other=0.0)
        b = tl.load(right_tile, mask=within[:, None], other=0.0)
        total = tl.dot(a, b, total)
        left_tile += TILE_K * left_step
        right_tile += TILE_K * right_step
    inside = (row[:, None] < rows) & (column[None, :] < columns)
    place = result + row[:, None] * result_row + column[None, :] * result_column
    tl.store(place, total.to(tl.float16), mask=inside)


def compile_variant(capability, tile_m, tile_n, tile_k, warps, stages):
    signature = {name: "*fp16" for name in ("left", "right", "result")}
    signature |= {name: "i32" for name in product.arg_names[3:12]}
    constants = {"TILE_M": tile_m, "TILE_N": tile_n, "TILE_K": tile_k}
    signature |= {name: "constexpr" for name in constants}
    source = ASTSource(fn=product, signature=signature, constexprs=constants)
    triton.compile(source, target=GPUTarget("cuda", capability, 32),
                   options={"num_warps": warps, "num_stages": stages})


def main():
    kernels, capabilities = int(sys.argv[1]), [int(word) for word in sys.argv[2:]]
    variants = itertools.islice(itertools.product(TILE_M, TILE_N, TILE_K, WARPS, STAGES), kernels)
    for variant, capability in itertools.product(list(variants), capabilities):
        compile_variant(capability, *variant)


if __name__ == "__main__":
    main()
