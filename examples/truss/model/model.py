"""The model of a Truss that compiles once: the cache is loaded while the weights are read."""

import torch
from b10_transfer import load_compile_cache_async, save_compile_cache

EXAMPLE = {"tokens": list(range(16))}


def read_model():
    """In place of yours, whose weights take long to read."""
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Embedding(1000, 64), torch.nn.Linear(64, 8), torch.nn.GELU()).eval()


class Model:
    def __init__(self, **kwargs):
        self._model = None

    def load(self):
        loading = load_compile_cache_async()  # a concurrent.futures.Future
        model = read_model()
        self.load_status = loading.result()  # before anything compiles
        self._model = torch.compile(model)
        self.predict(EXAMPLE)  # compiles, or finds everything in the cache
        self.save_status = save_compile_cache()  # SKIPPED where an archive exists already

    def predict(self, model_input):
        with torch.inference_mode():
            return {"output": self._model(torch.tensor([model_input["tokens"]])).tolist()}
