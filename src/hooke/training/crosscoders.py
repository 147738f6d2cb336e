"""Crosscoders as dictionaries: what was trained on several sites side by side, in the sites' own units."""

import math

import torch
from torch import Tensor

from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig
from hooke.sites import Site
from hooke.training.config import TrainConfig
from hooke.training.weights import Calibration, Weights, calibrate, unscaled


def calibrate_sites(sample: Tensor, config: TrainConfig, n_sites: int) -> Calibration:
    """Units in which each of the sites that stand side by side has the same mean squared norm."""
    units = [calibrate(part, config) for part in sample.chunk(n_sites, dim=1)]
    return Calibration(
        torch.cat([one.centre for one in units]),
        tuple(one.scale for one in units),
        tuple(length for one in units for length in one.longest),
    )


def fold_sites(
    weights: Weights,
    calibration: Calibration,
    config: TrainConfig,
    *,
    threshold: float,
    name: str,
    model: str,
    sites: tuple[Site, ...],
    models: tuple[str, ...] = (),
) -> Dictionary:
    """The dictionary that reads and writes all sites. Its features' activations are in the units of training.

    There the norms of what a feature writes to the sites sum to 1. (topk holds them there; elsewhere activations are
    multiplied by that sum.)
    """
    d, n_parts = len(calibration.centre), len(calibration.scales)
    plain = Calibration(torch.zeros(d), (1.0,), (math.inf,))
    tensors = unscaled(weights, plain, config, (plain,), threshold=threshold).tensors
    rows = tensors["W_dec"][:, 0]
    if not config.has_unit_rows:
        norms = torch.linalg.vector_norm(rows.unflatten(1, (n_parts, -1)), dim=2).sum(1).clamp(min=1e-12)
        tensors |= {key: tensors[key] * norms for key in ("W_enc", "b_enc", "threshold") if key in tensors}
        rows = rows / norms[:, None]
    scales = torch.tensor(calibration.scales).repeat_interleave(d // n_parts)
    centre = calibration.centre.cpu()
    encoder = tensors["W_enc"] * scales[:, None]
    tensors |= {"W_enc": encoder, "b_enc": tensors["b_enc"] - centre @ encoder}
    tensors |= {"W_dec": rows / scales, "b_dec": tensors["b_dec"] / scales + centre}
    names = tuple(map(str, sites))
    described = DictionaryConfig(
        name=name,
        model=model,
        kind=config.kind,
        reads=names,
        writes=names,
        n_features=config.n_features,
        d_in=d,
        d_out=d,
        k=config.k if config.is_competitive else None,
        groups=config.groups,
        site_scales=calibration.scales,
        models=models,
        folded=("input_scale of each site", f"input_centre={config.centre}"),
    )
    return Dictionary(described, **tensors)
