#!/usr/bin/env python3
"""A model server that starts warm: load the compile cache, compile, save it for the next replica.

A Truss uses the class as it stands. As a program it starts once, answers one request and prints what that took:

    pip install torch transformers b10-transfer      # or `pip install .` in this repository
    BASETEN_FS_ENABLED=1 B10FS_CACHE_DIR=/cache/model/compile_cache python model.py

The second start, on any machine with the same volume, finds everything compiled. The weights are random, from a fixed
seed: nothing is downloaded.
"""

import time

import torch
from b10_transfer import load_compile_cache, save_compile_cache
from transformers import BertConfig, BertModel

BERT = BertConfig(
    hidden_size=256,
    intermediate_size=1024,
    num_hidden_layers=4,
    num_attention_heads=4,
    vocab_size=1000,
)


class Model:
    def __init__(self, **kwargs):
        self._model = None

    def load(self):
        torch.manual_seed(1)
        bert = BertModel(BERT).eval()

        self.load_status, self.load_seconds = timed(load_compile_cache)  # before anything is compiled
        self._model = torch.compile(bert)
        _, self.compile_seconds = timed(self.predict, {"tokens": list(range(64))})
        self.save_status, self.save_seconds = timed(save_compile_cache)  # when everything is

    def predict(self, model_input):
        with torch.inference_mode():
            output = self._model(input_ids=torch.tensor([model_input["tokens"]]))
        return {"embedding": output.pooler_output[0].tolist()}


def timed(function, *arguments):
    start = time.perf_counter()
    return function(*arguments), time.perf_counter() - start


def main():
    import hashlib

    from torch._dynamo.utils import counters

    model = Model()
    model.load()
    embedding = model.predict({"tokens": list(range(100, 164))})["embedding"]
    digest = hashlib.sha256(" ".join(f"{x:.3f}" for x in embedding).encode()).hexdigest()[:16]
    print(f"load: {model.load_status.name} in {model.load_seconds:.3f} s")
    print(f"compile: {model.compile_seconds:.3f} s")
    print(f"save: {model.save_status.name} in {model.save_seconds:.3f} s")
    print(f"cache hits: {counters['inductor']['fxgraph_cache_hit']}")
    print(f"cache misses: {counters['inductor']['fxgraph_cache_miss']}")
    print(f"output: {digest}")


if __name__ == "__main__":
    main()
