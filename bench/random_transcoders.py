"""Random but sparse transcoders for a model and a prompt, in the layout that circuit-tracer opens, for timing only.

    python bench/random_transcoders.py MODEL_FOLDER TOKENS.npy FOLDER [--features 4096] [--active 16]

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

from hooke.lab import open_lab
from hooke.models.load import load
from hooke.sites import Site


def main() -> None:
    """Draw, fit and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("tokens", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--features", type=int, default=4096)
    parser.add_argument("--active", type=int, default=16)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        model = load(asked.model, device="cpu", lab=open_lab(place))
    run = model.run(torch.from_numpy(np.load(asked.tokens))[None], capture=["mlp_in.*"], logits=False)
    generator = torch.Generator().manual_seed(1665)
    asked.folder.mkdir(parents=True, exist_ok=True)
    for layer in range(model.n_layers):
        encoder, decoder = (
            torch.randn(asked.features, model.d_model, generator=generator) / model.d_model**0.5 for _ in range(2)
        )
        values = run[Site("mlp_in", layer)][0, 1:] @ encoder.T
        threshold = values.flatten().kthvalue(values.numel() - asked.active * len(values)).values
        save_file(
            {
                "W_enc": encoder,
                "W_dec": decoder,
                "b_enc": torch.zeros(asked.features),
                "b_dec": torch.zeros(model.d_model),
                "activation_function.threshold": torch.full((asked.features,), float(threshold)),
            },
            asked.folder / f"layer_{layer}.safetensors",
        )
    described = {
        "model_name": model.name,
        "model_kind": "transcoder_set",
        "feature_input_hook": "mlp.hook_in",
        "feature_output_hook": "hook_mlp_out",
        "scan": "random",
    }
    (asked.folder / "config.yaml").write_text(yaml.safe_dump(described))


if __name__ == "__main__":
    main()
