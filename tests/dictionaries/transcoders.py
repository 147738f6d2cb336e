"""Small transcoders with random weights: widths that differ, so that nothing fits by chance."""

import torch
from torch import Tensor

from hooke.dictionaries.crosslayer import CrossLayerConfig, CrossLayerTranscoder, layer_shapes
from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig, weight_shapes
from hooke.dictionaries.sets import TranscoderSet, set_of

D, N_FEATURES, LAYERS = 6, 10, (0, 1, 2)


def transcoder(
    layer: int, kind: str = "jumprelu", *, name: str = "small", reads: str = "mlp_in", **changes
) -> Dictionary:
    settings = {"n_features": N_FEATURES, "d_in": D, "d_out": D, "model": "tiny", "skip": True} | changes
    settings |= {"k": 3} if kind in ("topk", "batchtopk") else {}
    config = DictionaryConfig(
        name=f"{name}.{layer}", kind=kind, reads=(f"{reads}.{layer}",), writes=(f"mlp_out.{layer}",), **settings
    )
    generator = torch.Generator().manual_seed(100 + layer)
    tensors = {key: torch.randn(shape, generator=generator) for key, shape in weight_shapes(config).items()}
    if "threshold" in tensors:
        tensors["threshold"] = tensors["threshold"].abs()
    return Dictionary(config, **tensors)


def transcoder_set(kind: str = "jumprelu", **changes) -> TranscoderSet:
    return set_of("small", [transcoder(layer, kind, **changes) for layer in LAYERS])


def crosslayer_tensors(config: CrossLayerConfig) -> dict[int, dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(7)
    tensors = {
        layer: {key: torch.randn(shape, generator=generator) for key, shape in layer_shapes(config, layer).items()}
        for layer in config.layers
    }
    for own in tensors.values():
        if "threshold" in own:
            own["threshold"] = own["threshold"].abs()
    return tensors


def crosslayer_config(kind: str = "jumprelu", **changes) -> CrossLayerConfig:
    settings = {"layers": LAYERS, "n_features": N_FEATURES, "d_in": D, "d_out": D, "reads": "resid_mid"} | changes
    settings |= {"k": 3} if kind in ("topk", "batchtopk") else {}
    return CrossLayerConfig(name="cross", model="tiny", kind=kind, **settings)


def crosslayer(kind: str = "jumprelu", **changes) -> CrossLayerTranscoder:
    config = crosslayer_config(kind, **changes)
    return CrossLayerTranscoder(config, crosslayer_tensors(config).__getitem__)


def streams(seed: int = 3, width: int = D) -> dict[int, Tensor]:
    """What each layer reads, on 5 positions."""
    generator = torch.Generator().manual_seed(seed)
    return {layer: torch.randn(5, width, generator=generator) for layer in LAYERS}
