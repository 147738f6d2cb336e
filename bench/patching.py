"""Patching and edge scores on indirect objects: hooke, plain hooks and TransformerLens, in turns on the same pairs.

    python bench/patching.py [--pairs 100] [--every 10] [--repeats 1] [--threads 2] [--peer PYTHON]

Exact: every tenth head of all (27 of 270) patched on every pair, so that all layers are met. Attribution: all heads.
EAP-IG: all 123,211 edges, five steps; no peer of it is in a registry, so it is told in forward passes of the pairs.
Speeds are told beside a plain forward pass of transformers in the same process. Prints one JSON object.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from peers.measure import matmul_gflops, seconds

from hooke.circuits.edge_scores import eap_ig_inputs
from hooke.circuits.pairs import Pairs, readable_pairs
from hooke.circuits.patch import PatchSettings, patch
from hooke.models.load import load
from hooke.models.model import Model
from hooke.text.tasks import task

_PEER = Path(__file__).parent / "peers" / "patch_transformer_lens.py"


def plain_hooks(model: Model, pairs: Pairs, cells: list[tuple[int, int]]) -> list[float]:
    """What a reader would write: the clean run's head outputs, put into the corrupted one by a hook, cell by cell."""
    hf: Any = model.hf
    layers, width = hf.model.layers, hf.config.hidden_size // hf.config.num_attention_heads
    kept: dict[int, torch.Tensor] = {}
    takers = [
        layer.self_attn.o_proj.register_forward_pre_hook(lambda _, args, at=at: kept.update({at: args[0].clone()}))
        for at, layer in enumerate(layers)
    ]
    found = []
    with torch.no_grad():
        hf(pairs.clean.ids)
        for taker in takers:
            taker.remove()
        for at, head in cells:
            own = slice(head * width, (head + 1) * width)

            def put(_: Any, args: tuple[torch.Tensor], at: int = at, own: slice = own) -> tuple[torch.Tensor]:
                changed = args[0].clone()
                changed[..., own] = kept[at][..., own]
                return (changed,)

            handle = layers[at].self_attn.o_proj.register_forward_pre_hook(put)
            found.append(float(pairs.judge(pairs.last(hf(pairs.corrupted.ids).logits)).mean()))
            handle.remove()
    return found


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peer", type=Path, help="python of an environment with transformer-lens")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    model = load("smollm2-135m")
    pairs, _ = readable_pairs(model, task("indirect-object").pairs())
    # The set has 40 pairs; the first come again where more are asked for.
    pairs = pairs.some([at % len(pairs) for at in range(asked.pairs)])
    heads = [(layer, head) for layer in range(model.n_layers) for head in range(9)]
    cells = heads[:: asked.every]
    hf: Any = model.hf
    effects: dict[str, list[float]] = {}

    def exact() -> None:
        found = patch(model, pairs, PatchSettings(kind="heads"), cells=cells)
        effects["hooke"] = [float(found.changes[:, layer, head].mean() + found.base.mean()) for layer, head in cells]

    def plain() -> None:
        effects["plain hooks"] = plain_hooks(model, pairs, cells)

    def forward() -> None:
        with torch.no_grad():
            hf(pairs.clean.ids)

    works = {
        "forward": forward,
        "exact, hooke": exact,
        "exact, plain hooks": plain,
        "attribution, hooke": lambda: patch(model, pairs, PatchSettings(kind="heads", method="attribution")),
        "EAP-IG, hooke": lambda: eap_ig_inputs(model, pairs, steps=5),
    }
    forward()
    taken = {name: [] for name in works}
    for _ in range(asked.repeats):
        for name, work in works.items():
            taken[name].append(seconds(work))
    found: dict[str, Any] = {"pairs": len(pairs), "cells": len(cells), "threads": asked.threads}
    found["seconds"] = {name: median(some) for name, some in taken.items()}
    found["matmul_gflops"] = matmul_gflops()
    if asked.peer is not None:
        found["TransformerLens"], effects["TransformerLens"] = _peer(asked.peer, model, pairs, cells, asked.threads)
    found["largest_difference"] = {
        name: float(np.abs(np.array(effects["hooke"]) - np.array(some)).max()) for name, some in effects.items()
    }
    print(json.dumps(found))


def _peer(
    python: Path, model: Model, pairs: Pairs, cells: list[tuple[int, int]], threads: int
) -> tuple[dict[str, Any], list[float]]:
    with tempfile.TemporaryDirectory() as folder:
        hf: Any = model.hf
        hf.save_pretrained(folder)
        model.tokenizer.save_pretrained(folder)
        given = {
            "clean": pairs.clean.ids.tolist(),
            "corrupted": pairs.corrupted.ids.tolist(),
            "answers": [one[0] for one in pairs.answers],
            "wrong": [one[0] for one in pairs.wrong],
            "cells": cells,
            "threads": threads,
        }
        (Path(folder) / "given.json").write_text(json.dumps(given))
        done = subprocess.run([python, _PEER, folder], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return {name: found[name] for name in ("forward", "exact", "version")}, found["metrics"]


if __name__ == "__main__":
    main()
