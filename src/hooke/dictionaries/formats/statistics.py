"""Statistics of the inputs that a dictionary carries with it, folded into its weights.

It encodes (x - mean) · s and gives back x̂ / (s + 1e-8) + mean, with one factor s for each place that it reads:

    W_enc · s,  b_enc - (mean · s) · W_enc,  W_dec / (s + 1e-8),  b_dec / (s + 1e-8) + mean
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hooke.dictionaries.formats.assemble import bad, require_shapes

UNCHECKED = ("activation_mean", "activation_std")
"""Tensors that hold no numbers where nothing is to be done."""
NAMES = (*UNCHECKED, "activation_global_scale", "target_rms")

_LEAST = 1e-8


def fold_statistics(
    path: Path, weights: dict[str, Tensor], found: dict[str, Any]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The weights for inputs as they are, and what was folded. What is read is all places side by side.

    Raises:
        BadArtefact: the statistics do not fit one another or the weights.
    """
    told = {name: found[name] for name in NAMES if name in found}
    if not told:
        return weights, ()
    if len(told) < len(NAMES) or not all(isinstance(one, Tensor) and one.is_floating_point() for one in told.values()):
        raise bad(path, f"Of its inputs' statistics it has {', '.join(told)} only, or they are no numbers.")
    mean, deviation, scale, target = (told[name].float() for name in NAMES)
    require_shapes(path, {"activation_std": deviation}, {"activation_std": tuple(mean.shape)})
    if bool(mean.isnan().all()) and bool(deviation.isnan().all()):
        return weights, ()
    due = target / (deviation.square().sum(-1) + _LEAST).sqrt()
    fits = mean.numel() == len(weights["W_enc"]) and scale.shape == due.shape
    if not fits or not torch.allclose(scale, due, rtol=1e-3):
        raise bad(path, f"Its factor of inputs is {scale.tolist()!r:.60}; their deviations give {due.tolist()!r:.60}.")
    factor, centre = scale.unsqueeze(-1).expand(mean.shape).flatten(), mean.flatten()
    encoder = weights["W_enc"] * factor[:, None]
    folded = {
        "W_enc": encoder,
        "b_enc": weights["b_enc"] - centre @ encoder,
        "W_dec": weights["W_dec"] / (factor + _LEAST),
        "b_dec": weights["b_dec"] / (factor + _LEAST) + centre,
    }
    shown = ",".join(f"{one:.6g}" for one in scale.flatten().tolist())
    return weights | folded, (f"input_scale={shown}", "input_centre")
