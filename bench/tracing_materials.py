"""What graphs are traced on: a prompt, and random but sparse transcoders in the layout that circuit-tracer opens.

    python bench/tracing_materials.py MODEL_FOLDER TOKENS.npy FOLDER [--length 128] [--features 4096] [--active 16]

FOLDER/prompt.npy  int64 [length], the beginning of the first window behind a special token
FOLDER/*           one file a layer and config.yaml

Thresholds are fitted on the prompt, so that so many features are active per token and layer. Edges of such a graph mean
nothing; what it costs to compute them is what it costs with trained ones.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

from hooke.lab import open_lab
from hooke.models.load import load
from hooke.models.model import Model
from hooke.sites import Site

SPECIAL = 1
"""<|im_start|>: circuit-tracer puts a special token in front of a prompt that begins with none."""


def save_transcoders(model: Model, prompt: Tensor, folder: Path, n_features: int, n_active: int) -> None:
    """Draw each layer's weights, fit its threshold, and write it."""
    run = model.run(prompt[None], capture=["mlp_in.*"], logits=False)
    generator = torch.Generator().manual_seed(1665)
    for layer in range(model.n_layers):
        encoder, decoder = (
            torch.randn(n_features, model.d_model, generator=generator) / model.d_model**0.5 for _ in range(2)
        )
        values = run[Site("mlp_in", layer)][0, 1:] @ encoder.T
        threshold = values.flatten().kthvalue(values.numel() - n_active * len(values)).values
        save_file(
            {
                "W_enc": encoder,
                "W_dec": decoder,
                "b_enc": torch.zeros(n_features),
                "b_dec": torch.zeros(model.d_model),
                "activation_function.threshold": torch.full((n_features,), float(threshold)),
            },
            folder / f"layer_{layer}.safetensors",
        )
    described = {
        "model_name": model.name,
        "model_kind": "transcoder_set",
        "feature_input_hook": "mlp.hook_in",
        "feature_output_hook": "hook_mlp_out",
        "scan": "random",
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(described))


def main() -> None:
    """Write into a folder aside, which gets its name when it is whole."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("tokens", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--features", type=int, default=4096)
    parser.add_argument("--active", type=int, default=16)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        model = load(asked.model, device="cpu", lab=open_lab(place))
    prompt = np.concatenate([[SPECIAL], np.load(asked.tokens)[0, : asked.length - 1]]).astype(np.int64)
    with tempfile.TemporaryDirectory(dir=asked.folder.parent) as place:
        aside = Path(place) / "whole"
        aside.mkdir()
        np.save(aside / "prompt.npy", prompt)
        save_transcoders(model, torch.from_numpy(prompt), aside, asked.features, asked.active)
        aside.rename(asked.folder)


if __name__ == "__main__":
    main()
