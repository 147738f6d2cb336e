"""Tokens that a feature promotes and suppresses, read off its decoder row through the unembedding.

    effect(f, t) = (W_dec[f] / |W_dec[f]|) · (U[t] - mean over tokens of U),    U = unembedding x gain of the final norm
    standardised(f, t) = (effect(f, t) - mean over features) / (deviation over features)

Lists are ranked by the standardised effect. The plain one puts the same few tokens on every list: those with long or
unusual unembedding rows, which every direction moves. Dividing each token's effect by what features do to it on average
asks instead which tokens are moved by this feature more than by others. Both moments over the features are exact
without the features x vocabulary matrix: they follow from the mean and covariance of the decoder rows.

Tokens that training never reached would still come up: their unembedding rows have all but decayed to one common
vector, so that the division blows up what is left. They are those whose row, measured from the vocabulary's mean, is
shorter than a third of the median; they, special tokens and ids without a token are left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor
from torch.nn import functional

from hooke.features.vocabulary import Vocabulary

METHOD = "decoder row x unembedding, centred over tokens, standardised per token over features"
N_TOKENS = 16
"""Promoted and suppressed tokens kept for each feature."""
N_BY_TOKEN = 8
"""Features kept for each token."""
N_RANDOM = 256
"""Random directions that the lists are compared with."""

_UNTRAINED = 1 / 3
_CELLS = 2**23
_ONE_DIRECTION = 1e-6


@dataclass(frozen=True)
class Unembedding:
    """What decoder rows are multiplied with, and how the features spread on each token."""

    rows: Float[Tensor, "vocab d_model"]
    """Centred unembedding rows, each divided by its token's deviation over features."""
    shift: Float[Tensor, " vocab"]
    """Mean over features of the standardised product."""
    usable: Bool[Tensor, " vocab"]
    """Tokens that may appear on a list."""


def prepare(
    directions: Float[Tensor, "vocab d_model"], W_dec: Float[Tensor, "feature d_model"], vocabulary: Vocabulary
) -> Unembedding:
    """The unembedding, standardised over the features of a dictionary."""
    rows = directions.float() - directions.float().mean(0)
    lengths = rows.norm(dim=-1)
    mean, covariance = _moments(functional.normalize(W_dec.float(), dim=-1).to(rows.device))
    spread = (rows @ covariance * rows).sum(-1)
    deviation = spread.clamp(min=1e-12).sqrt()
    usable = lengths > _UNTRAINED * lengths.median()
    known = [bool(piece) and token not in vocabulary.special for token, piece in enumerate(vocabulary.pieces)]
    rows = rows / deviation[:, None]
    return Unembedding(rows, rows @ mean, usable & torch.tensor(known, device=rows.device))


def _moments(
    units: Float[Tensor, "feature d_model"],
) -> tuple[Float[Tensor, " d_model"], Float[Tensor, "d_model d_model"]]:
    """Mean and covariance of the features' directions; of random ones, where there is only one direction."""
    mean = units.mean(0)
    covariance = (units - mean).T @ (units - mean) / len(units)
    if covariance.trace() > _ONE_DIRECTION:
        return mean, covariance
    return torch.zeros_like(mean), torch.eye(units.shape[1], device=units.device) / units.shape[1]


def effects(
    unembedding: Unembedding, W_dec: Float[Tensor, "feature d_model"]
) -> Iterator[tuple[int, Float[Tensor, "some vocab"]]]:
    """Standardised effects of the features, a block at a time with the number of its first feature.

    Tokens that are left out have -inf.
    """
    step = max(1, _CELLS // len(unembedding.rows))
    units = functional.normalize(W_dec.float(), dim=-1).to(unembedding.rows.device)
    for first in range(0, len(units), step):
        block = units[first : first + step] @ unembedding.rows.T - unembedding.shift
        yield first, block.masked_fill_(~unembedding.usable, -torch.inf)


def chance(unembedding: Unembedding, W_dec: Float[Tensor, "feature d_model"], *, generator: torch.Generator) -> float:
    """The control of every list: the strongest effect that 95 % of random directions stay below.

    The directions have the mean and covariance of the decoder rows. Over 50,000 tokens the largest of so many
    near-normal numbers is past 4 by chance alone.
    """
    mean, covariance = _moments(functional.normalize(W_dec.float(), dim=-1).cpu())
    root = torch.linalg.cholesky(covariance + 1e-6 * covariance.trace() * torch.eye(len(covariance)))
    noise = torch.randn(N_RANDOM, len(root), generator=generator)
    strongest = [block.max(-1).values for _, block in effects(unembedding, mean + noise @ root.T)]
    return float(torch.cat(strongest).quantile(0.95))


@dataclass(frozen=True, kw_only=True)
class LogitEffects:
    """What the features of a dictionary do to the next token."""

    promoted: Int[ndarray, "feature token"]
    """Most promoted tokens, strongest first."""
    promoted_value: Float[ndarray, "feature token"]
    """Their standardised effects."""
    suppressed: Int[ndarray, "feature token"]
    """Most suppressed tokens, strongest first."""
    suppressed_value: Float[ndarray, "feature token"]
    """Their standardised effects, negative."""
    by_token: Int[ndarray, "vocab promoter"]
    """The features that promote each token most, strongest first."""
    by_token_value: Float[ndarray, "vocab promoter"]
    """Their standardised effects; -inf where the token is left out."""
    chance: float
    """The strongest effect that 95 % of random directions stay below."""


def logit_effects(
    unembedding: Unembedding, W_dec: Float[Tensor, "feature d_model"], *, generator: torch.Generator
) -> LogitEffects:
    """The strongest effects of every feature and on every token, in one pass of blocks."""
    n_usable = int(unembedding.usable.sum())
    n_tokens, n_features = min(N_TOKENS, n_usable), min(N_BY_TOKEN, len(W_dec))
    lists: list[tuple[Tensor, ...]] = []
    best = torch.full((len(unembedding.rows), 0), -torch.inf)
    owner = torch.zeros((len(unembedding.rows), 0), dtype=torch.int64)
    best, owner = best.to(unembedding.rows.device), owner.to(unembedding.rows.device)
    for first, block in effects(unembedding, W_dec):
        promoted = block.topk(n_tokens, dim=-1)
        columns = block.T.topk(min(n_features, len(block)), dim=-1)
        best = torch.cat([best, columns.values], dim=-1)
        owner = torch.cat([owner, columns.indices + first], dim=-1)
        kept = best.topk(min(n_features, best.shape[-1]), dim=-1)
        best, owner = kept.values, owner.gather(-1, kept.indices)
        suppressed = block.masked_fill_(~unembedding.usable, torch.inf).topk(n_tokens, dim=-1, largest=False)
        lists.append((promoted.indices, promoted.values, suppressed.indices, suppressed.values))
    arrays = [torch.cat(part).cpu().numpy() for part in zip(*lists, strict=True)]
    promoted, promoted_value, suppressed, suppressed_value = arrays
    return LogitEffects(
        promoted=promoted,
        promoted_value=promoted_value,
        suppressed=suppressed,
        suppressed_value=suppressed_value,
        by_token=owner.cpu().numpy(),
        by_token_value=best.cpu().numpy(),
        chance=chance(unembedding, W_dec, generator=generator),
    )


def no_effects(n_features: int, d_vocab: int) -> LogitEffects:
    """The effects of a dictionary that does not write to the residual stream: none."""
    ids, values = np.zeros((n_features, 0), np.int64), np.zeros((n_features, 0), np.float32)
    return LogitEffects(
        promoted=ids,
        promoted_value=values,
        suppressed=ids,
        suppressed_value=values,
        by_token=np.zeros((d_vocab, 0), np.int64),
        by_token_value=np.zeros((d_vocab, 0), np.float32),
        chance=0.0,
    )
