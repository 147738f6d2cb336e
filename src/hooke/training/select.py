"""Which (token, feature) pairs of a batch are active: the only dense work of a sparse step."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hooke.dictionaries.sparse import largest
from hooke.training.config import TrainConfig
from hooke.training.weights import Weights

# Pre-activations are made about this many at a time, in one buffer: fresh pages would cost more than the arithmetic.
_CHUNK_ELEMENTS = 2**24

# Candidates for the batch's largest activations are those above this share of the previous batch's threshold.
_BOUND_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Active:
    """The pairs that have a value or a gradient, token by token."""

    tokens: Int[Tensor, " pair"]
    """Token of each pair, ascending."""
    features: Int[Tensor, " pair"]
    """Feature of each pair."""
    pre: Float[Tensor, " pair"]
    """Its pre-activation."""
    threshold: float = 0.0
    """batchtopk and matryoshka: what an activation had to reach."""


def new_buffer(config: TrainConfig) -> Float[Tensor, "token feature"]:
    """Room for the pre-activations of one chunk; chunks of a batch are of equal size."""
    n_chunks = math.ceil(config.batch * config.n_features / _CHUNK_ELEMENTS)
    return torch.empty(math.ceil(config.batch / n_chunks), config.n_features)


def select(
    weights: Weights,
    x: Float[Tensor, "token d_in_and_one"],
    config: TrainConfig,
    *,
    buffer: Tensor,
    last_threshold: float,
) -> Active:
    """The active pairs of a batch; `last_threshold` is the previous batch's, 0 when there is none."""
    match config.kind:
        case "topk":
            return _chunked(weights, x, buffer, lambda pre: _largest_pairs(pre, config.k))
        case "relu" | "gated":
            return _above(weights, x, buffer, 0.0)
        case "jumprelu":
            assert weights.log_threshold is not None
            bound = weights.log_threshold.exp() - config.bandwidth / 2
            return _above(weights, x, buffer, bound)
        case "batchtopk" | "matryoshka":
            return _batch_largest(weights, x, config, buffer, last_threshold)


def _batch_largest(weights: Weights, x: Tensor, config: TrainConfig, buffer: Tensor, last_threshold: float) -> Active:
    wanted = config.k * len(x)
    bound = _BOUND_SHARE * (last_threshold or _guess_threshold(weights, x[: len(buffer)], config.k))
    found = _above(weights, x, buffer, bound)
    # Fewer candidates than places mean that the bound was too high; above 0 are all that can be active.
    while bound > 0 and len(found.pre) < wanted:
        bound = bound / 2 if bound > 1e-3 else 0.0
        found = _above(weights, x, buffer, bound)
    if len(found.pre) < wanted:
        return found
    threshold = found.pre.kthvalue(len(found.pre) - wanted + 1).values
    kept = found.pre >= threshold
    return Active(found.tokens[kept], found.features[kept], found.pre[kept], float(threshold))


def _guess_threshold(weights: Weights, x: Tensor, k: int) -> float:
    pre = x @ weights.encoder.t()
    return max(0.0, float(pre.topk(k, dim=-1).values[:, -1].mean()))


def _above(weights: Weights, x: Tensor, buffer: Tensor, bound: float | Tensor) -> Active:
    return _chunked(weights, x, buffer, lambda pre: _pairs_above(pre, bound))


def _chunked(weights: Weights, x: Tensor, buffer: Tensor, pairs: Callable[[Tensor], Active]) -> Active:
    parts, first = [], 0
    for chunk in x.split(len(buffer)):
        pre = torch.mm(chunk, weights.encoder.t(), out=buffer[: len(chunk)])
        part = pairs(pre)
        parts.append(Active(part.tokens + first, part.features, part.pre))
        first += len(chunk)
    tokens, features, values = zip(*((part.tokens, part.features, part.pre) for part in parts), strict=True)
    return Active(torch.cat(tokens), torch.cat(features), torch.cat(values))


def _largest_pairs(pre: Tensor, k: int) -> Active:
    values, features = largest(pre, k)
    tokens = torch.arange(len(pre)).repeat_interleave(k)
    return Active(tokens, features.flatten(), values.flatten())


def _pairs_above(pre: Tensor, bound: float | Tensor) -> Active:
    mask = pre > bound
    tokens, features = mask.nonzero(as_tuple=True)
    return Active(tokens, features, pre[mask])
