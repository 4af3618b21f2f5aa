#!/usr/bin/env python3
"""Starts one model that uses torch.compile on the CPU, once, and prints what the first call cost as one line of JSON.

    inductor.py bert|resnet [--mode MODE] [--load FILE] [--save FILE]

The weights are random with a fixed seed, so that nothing is downloaded and every start computes the same output.
TORCHINDUCTOR_CACHE_DIR and TMPDIR decide where the compile cache lies. --load and --save are PyTorch's own way to carry
a cache in one file, torch.compiler.load_cache_artifacts() and save_cache_artifacts().
"""
import argparse
import hashlib
import json
import time

import torch
from torch._dynamo.utils import counters


def bert():
    from transformers import BertConfig, BertModel
    size = BertConfig(vocab_size=2000, hidden_size=256, intermediate_size=1024,
                      num_hidden_layers=4, num_attention_heads=4)
    return BertModel(size), {"input_ids": torch.randint(0, 2000, (2, 64))}


def resnet():
    from transformers import ResNetConfig, ResNetModel
    size = ResNetConfig(embedding_size=32, hidden_sizes=[32, 64, 128, 256], depths=[2, 2, 2, 2], layer_type="basic")
    return ResNetModel(size), {"pixel_values": torch.randn(2, 3, 96, 96)}


def load_artifacts(path):
    began = time.perf_counter()
    with open(path, "rb") as file:
        torch.compiler.load_cache_artifacts(file.read())
    return time.perf_counter() - began


def save_artifacts(path):
    data, _ = torch.compiler.save_cache_artifacts()
    with open(path, "wb") as file:
        file.write(data)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", choices=("bert", "resnet"))
    parser.add_argument("--mode")
    parser.add_argument("--load", metavar="FILE")
    parser.add_argument("--save", metavar="FILE")
    options = parser.parse_args()

    torch.manual_seed(0)
    torch.set_num_threads(2)
    model, inputs = {"bert": bert, "resnet": resnet}[options.model]()
    restored = load_artifacts(options.load) if options.load else 0

    began = time.perf_counter()
    with torch.inference_mode():
        compiled = torch.compile(model.eval(), mode=options.mode)
        output = compiled(**inputs).last_hidden_state
    seconds = time.perf_counter() - began

    if options.save:
        save_artifacts(options.save)
    rounded = output.float().numpy().round(3) + 0.0  # no negative zeros
    print(json.dumps({
        "seconds": seconds,
        "restored": restored,
        "output": hashlib.sha256(rounded.tobytes()).hexdigest()[:12],
        "hits": counters["inductor"]["fxgraph_cache_hit"],
        "misses": counters["inductor"]["fxgraph_cache_miss"],
    }))


if __name__ == "__main__":
    main()
