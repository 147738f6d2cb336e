"""The control of every measurement of a dictionary: one of the same shape that has learnt nothing."""

import dataclasses

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from hooke.dictionaries import Dictionary, DictionaryConfig
from hooke.dictionaries.crosscoders import column_scales


def random_dictionary(
    dictionary: Dictionary,
    x: Float[Tensor, "token d_in"],
    y: Float[Tensor, "token d_out"],
    *,
    generator: torch.Generator,
) -> Dictionary:
    """Random unit directions, as many as the dictionary has, as many of them active per token as of its features.

    It is no straw man: it is centred on the mean of this sample, and its decoder has the one scale that
    reconstructs the sample best. Where the dictionary writes where it reads, it decodes with what it encodes with.
    Directions of a crosscoder are random where all its sites are alike, and each site has a decoder scale of its own.
    """
    k = max(1, round(float(dictionary.encode(x).l0().float().mean())))
    return random_features(dictionary.config, k, x, y, generator=generator)


def random_features(
    config: DictionaryConfig,
    k: int,
    x: Float[Tensor, "token d_in"],
    y: Float[Tensor, "token d_out"],
    *,
    generator: torch.Generator,
) -> Dictionary:
    """The same for a dictionary with this config and so many active features per token."""
    directions = functional.normalize(_normal(config.n_features, config.d_in, generator), dim=-1).to(x.device)
    rows = directions
    if config.reads != config.writes:
        rows = functional.normalize(_normal(config.n_features, config.d_out, generator), dim=-1).to(x.device)
    centre, columns = x.float().mean(0), column_scales(config).to(x.device)
    directions, rows = directions * columns, rows if config.reads != config.writes else rows / columns
    active = {"kind": "topk", "k": min(k, config.n_features), "groups": (), "signed": False, "skip": False}
    found = Dictionary(
        dataclasses.replace(config, name=f"random-{config.name}", **active),
        W_enc=directions.T.contiguous(),
        b_enc=-directions @ centre,
        W_dec=rows.clone(),
        b_dec=torch.zeros_like(rows[0]),
    )
    rebuilt, centred = found(x), y.float() - y.float().mean(0)
    parts = max(1, len(config.site_scales)) if config.reads == config.writes else 1
    for own, target, to in zip(
        rebuilt.chunk(parts, 1), centred.chunk(parts, 1), found.W_dec.chunk(parts, 1), strict=True
    ):
        to.mul_((own * target).sum() / (own**2).sum().clamp_min(1e-12))
    found.b_dec.add_(y.float().mean(0))
    return found


def _normal(rows: int, columns: int, generator: torch.Generator) -> Float[Tensor, "rows columns"]:
    return torch.randn(rows, columns, generator=generator)
