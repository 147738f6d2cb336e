"""Sparse transcoders with random weights for tiny models."""

import torch

from hooke.dictionaries.crosslayer import CrossLayerConfig, CrossLayerTranscoder, layer_shapes
from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig, weight_shapes
from hooke.dictionaries.sets import TranscoderSet, set_of

LAYERS, WIDTH, N_FEATURES = 3, 32, 40


def random_set(reads: str, *, skip: bool, width: int = WIDTH) -> TranscoderSet:
    """One JumpReLU transcoder a layer."""
    made = []
    for layer in range(LAYERS):
        config = DictionaryConfig(
            name=f"random.{layer}",
            model="tiny",
            kind="jumprelu",
            reads=(f"{reads}.{layer}",),
            writes=(f"mlp_out.{layer}",),
            n_features=N_FEATURES,
            d_in=width,
            d_out=width,
            skip=skip,
        )
        generator = torch.Generator().manual_seed(layer)
        weights = {name: torch.randn(shape, generator=generator) / 4 for name, shape in weight_shapes(config).items()}
        made.append(Dictionary(config, **{**weights, "threshold": torch.full((N_FEATURES,), 1.0)}))
    return set_of("random", made)


def random_crosslayer() -> CrossLayerTranscoder:
    """A cross-layer transcoder of resid_mid."""
    config = CrossLayerConfig(
        name="cross",
        model="tiny",
        kind="jumprelu",
        layers=tuple(range(LAYERS)),
        n_features=N_FEATURES,
        d_in=WIDTH,
        d_out=WIDTH,
        reads="resid_mid",
    )
    generator = torch.Generator().manual_seed(9)
    weights = {
        layer: {
            name: torch.full(shape, 1.0) if name == "threshold" else torch.randn(shape, generator=generator) / 4
            for name, shape in layer_shapes(config, layer).items()
        }
        for layer in range(LAYERS)
    }
    return CrossLayerTranscoder(config, weights.__getitem__)
