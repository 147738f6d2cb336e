"""Dictionaries for sparsify to read: `python -m tests.golden.sparsify_written FOLDER`, then `sparsify.py accept`.

Their numbers are small multiples of a power of two, so that the files are the same bytes on any machine.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig, weight_shapes
from hooke.dictionaries.formats.sparsify_write import write_sparsify

D, N = 6, 10
PLAIN = {"reads": ("resid_post.1",), "writes": ("resid_post.1",)}
ACROSS = {"reads": ("mlp_in.1",), "writes": ("mlp_out.1",)}
CASES: dict[str, Any] = {
    "topk": {"kind": "topk", "k": 3, **PLAIN},
    "groupmax": {"kind": "groupmax", "k": 5, **PLAIN},
    "mlp": {"kind": "topk", "k": 3, "reads": ("mlp_out.2",), "writes": ("mlp_out.2",)},
    "transcoder": {"kind": "topk", "k": 3, **ACROSS},
    "skip": {"kind": "groupmax", "k": 2, "skip": True, **ACROSS},
    "block": {"kind": "topk", "k": 3, "reads": ("resid_pre.1",), "writes": ("resid_post.1",)},
}


def made(case: str) -> Dictionary:
    return built(case, **CASES[case])


def built(name: str, *, seed: int = 0, **settings: Any) -> Dictionary:
    own: dict[str, Any] = {"n_features": N, "d_in": D, "d_out": D} | settings
    config = DictionaryConfig(name=name, model="tiny", **own)
    tensors = {name: numbers(shape, seed=seed + sum(name.encode())) for name, shape in weight_shapes(config).items()}
    return Dictionary(config, **tensors)


def numbers(shape: tuple[int, ...], *, seed: int) -> Tensor:
    """Multiples of 1/512 between -1 and 1."""
    return torch.randint(-512, 513, shape, generator=torch.Generator().manual_seed(seed)) / 512


def main(folder: Path) -> None:
    for case in CASES:
        dictionary, x = made(case), numbers((5, D), seed=31)
        write_sparsify(dictionary, folder / case)
        acts = dictionary.encode(x)
        told = {"x": x, "acts": acts.dense(), "x_hat": dictionary.reconstruct(x, acts).contiguous()}
        save_file(told, folder / f"{case}.golden.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
