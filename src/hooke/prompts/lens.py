"""The logit lens: what the final norm and the unembedding make of the stream that leaves each block.

The stream of an early layer was never meant for the unembedding: it is in another basis than the last one's, so early
rows of the lens often show tokens that stand for nothing. A rank that falls from layer to layer is better evidence than
the top token of one cell. The last row is the model's own prediction. (nostalgebraist 2020, "interpreting GPT: the
logit lens".)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hooke.errors import HookeError
from hooke.models.model import Model

N_GUESSES = 10
LENS_LIMITS = (
    "The lens reads each layer as if it were the last; early layers are in another basis, and what it shows there may "
    "mean nothing."
)
"""What its numbers do not say."""

# Logits of about 64 MB are made at a time.
_CHUNK_ELEMENTS = 2**24
# What is made of so many rows of them stays in the processor's cache from one step to the next.
_ROWS = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Lens:
    """The lens at every layer and position."""

    ids: Int[Tensor, "layer pos guess"]
    """Likeliest next tokens, best first."""
    logprobs: Float[Tensor, "layer pos guess"]
    """Their log-probabilities."""
    rank: Int[Tensor, "layer pos"]
    """How many tokens are likelier than the actual next one; -1 at the last position."""
    actual: Float[Tensor, "layer pos"]
    """Log-probability of the actual next token; NaN at the last position."""
    entropy: Float[Tensor, "layer pos"]
    """Entropy of the prediction, in nats."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LensCell:
    """The lens at one layer and position."""

    token: int
    """Its likeliest next token."""
    text: str
    """That token's text."""
    logprob: float
    """Its log-probability."""
    rank: int | None
    """How many tokens are likelier than the actual next one; None at the last position."""
    entropy: float
    """Entropy of the prediction, in nats."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LensRow:
    """The lens at one layer."""

    layer: int
    """The layer."""
    cells: tuple[LensCell, ...]
    """By position."""


def lens_rows(lens: Lens, text_of: Callable[[int], str], layers: Sequence[int]) -> tuple[LensRow, ...]:
    """The lens as people read it: the likeliest token of each cell, for each of the layers that it is of."""
    return tuple(
        LensRow(
            layer=layer, cells=tuple(_cell(lens, place, position, text_of) for position in range(lens.rank.shape[1]))
        )
        for place, layer in enumerate(layers)
    )


def _cell(lens: Lens, place: int, position: int, text_of: Callable[[int], str]) -> LensCell:
    token, rank = int(lens.ids[place, position, 0]), int(lens.rank[place, position])
    return LensCell(
        token=token,
        text=text_of(token),
        logprob=float(lens.logprobs[place, position, 0]),
        rank=rank if rank >= 0 else None,
        entropy=float(lens.entropy[place, position]),
    )


def logit_lens(
    model: Model, streams: Sequence[Float[Tensor, "pos d_model"]], tokens: Int[Tensor, " pos"], n: int = N_GUESSES
) -> Lens:
    """The lens on the residual stream after each of some layers, of one prompt.

    Raises:
        UnsupportedModel: the model has no final norm or no unembedding.
        HookeError: a stream is not finite.
    """
    n = min(n, model.d_vocab)
    for stream in streams:
        bad = ~stream.isfinite().all(-1)
        if bool(bad.any()):
            raise HookeError(
                "There is no lens on this prompt.",
                f"The stream of {model.name} at token {int(bad.int().argmax()) + 1} has numbers that are not finite.",
                "Check the model's weights: hooke model check.",
            )
    rows = [_row(model, stream, tokens, n) for stream in streams]
    ids, logprobs, rank, actual, entropy = (torch.stack(parts) for parts in zip(*rows, strict=True))
    return Lens(ids=ids, logprobs=logprobs, rank=rank, actual=actual, entropy=entropy)


def _row(model: Model, stream: Tensor, tokens: Tensor, n: int) -> tuple[Tensor, ...]:
    following = torch.cat([tokens[1:], tokens.new_full((1,), -1)])
    size = max(1, _CHUNK_ELEMENTS // model.d_vocab)
    parts = [_chunk(model, stream[at : at + size], following[at : at + size], n) for at in range(0, len(stream), size)]
    return tuple(torch.cat(part) for part in zip(*parts, strict=True))


def _chunk(model: Model, stream: Tensor, following: Tensor, n: int) -> tuple[Tensor, ...]:
    with torch.no_grad():
        logits = model.unembed(stream.to(model.device, model.dtype)).float()
    parts = [_few(*rows, n) for rows in zip(logits.split(_ROWS), following.split(_ROWS), strict=True)]
    return tuple(torch.cat(part).cpu() for part in zip(*parts, strict=True))


def _few(logits: Tensor, following: Tensor, n: int) -> tuple[Tensor, ...]:
    """Guesses, their log-probabilities, rank and log-probability of what follows, and entropy, of a few tokens."""
    is_known = following >= 0
    # 0 · -inf counts as 0 in the entropy.
    logits = logits.nan_to_num(neginf=torch.finfo(logits.dtype).min)
    own = logits.gather(-1, following.clamp_min(0)[:, None])
    best = logits.topk(n, dim=-1)
    # Floats are added several times as fast as truth values are counted, and exact below 2^24.
    n_likelier = (logits > own).float().sum(-1).int()
    top = best.values[:, :1]
    weights = (logits - top).exp_()
    total = weights.sum(-1, keepdim=True)
    log_total = top + total.log()
    entropy = log_total[:, 0] - torch.linalg.vecdot(weights, logits) / total[:, 0]
    rank = torch.where(is_known, n_likelier, -1)
    actual = torch.where(is_known, (own - log_total)[:, 0], torch.nan)
    return best.indices.int(), best.values - log_total, rank, actual, entropy
