"""One dictionary of each kind for SAELens to read: `python -m tests.golden.saelens_written FOLDER`.

Their numbers are small multiples of a power of two, so that the files are the same bytes on any machine.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from hooke.dictionaries.claims import Claims
from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig, weight_shapes
from hooke.dictionaries.formats.saelens_write import write_saelens

D_IN, D_OUT, N = 6, 5, 10
PLAIN = {"reads": ("resid_post.1",), "writes": ("resid_post.1",), "d_in": D_IN, "d_out": D_IN}
ACROSS = {"reads": ("mlp_in.1",), "writes": ("mlp_out.1",), "d_in": D_IN, "d_out": D_OUT}
CASES: dict[str, dict[str, Any]] = {
    "relu": {"kind": "relu", **PLAIN, "claims": Claims(source="cfg.json, metadata", l0=2.5)},
    "topk": {"kind": "topk", "k": 3, **PLAIN},
    "batchtopk": {"kind": "batchtopk", "k": 3, **PLAIN, "folded": ("input_scale=0.5", "input_centre")},
    "jumprelu": {"kind": "jumprelu", **PLAIN},
    "matryoshka": {"kind": "matryoshka", "k": 3, "groups": (4, N), **PLAIN},
    "gated": {"kind": "gated", **PLAIN},
    "z": {"kind": "relu", **PLAIN, "reads": ("z.1",), "writes": ("z.1",)},
    "embed": {"kind": "topk", "k": 2, **PLAIN, "reads": ("embed",), "writes": ("embed",)},
    "transcoder": {"kind": "relu", **ACROSS},
    "skip_transcoder": {"kind": "relu", **ACROSS, "skip": True},
    "jumprelu_transcoder": {"kind": "batchtopk", "k": 3, **ACROSS},
    "jumprelu_skip_transcoder": {"kind": "jumprelu", **ACROSS, "reads": ("resid_mid.1",), "skip": True},
}


def made(case: str) -> Dictionary:
    config = DictionaryConfig(name=case, model="tiny", n_features=N, **CASES[case])
    shapes = weight_shapes(config)
    tensors = {name: numbers(shape, start=place) for place, (name, shape) in enumerate(shapes.items())}
    return Dictionary(config, **tensors)


def numbers(shape: tuple[int, ...], *, start: int) -> Tensor:
    """Eighths between -1 and 1, in an order without a pattern in either axis."""
    places = torch.arange(start, start + int(torch.tensor(shape).prod()))
    return ((places * places * 7 + places * 3) % 17 - 8).reshape(shape) / 8


def rows(width: int) -> Tensor:
    return numbers((4, width), start=31)


def main(folder: Path) -> None:
    for case in CASES:
        dictionary = made(case)
        write_saelens(dictionary, folder / case)
        x = rows(dictionary.config.d_in)
        acts = dictionary.encode(x)
        told = {"x": x, "acts": acts.dense(), "x_hat": dictionary.reconstruct(x, acts)}
        save_file({name: one.contiguous() for name, one in told.items()}, folder / case / "golden.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
