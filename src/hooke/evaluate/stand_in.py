"""What a model predicts with transcoders in the place of its MLPs, beside what it predicts by itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from hooke.dictionaries import Replacement
from hooke.evaluate.resampling import over_windows
from hooke.findings import Estimate
from hooke.models.model import Model, Tokens
from hooke.models.replaced import run_replaced
from hooke.text.windows import Windows


@dataclass(frozen=True, kw_only=True, slots=True)
class StandIn:
    """The model's predictions with layers replaced; tokens that count and follow one that counts."""

    loss: Estimate
    """Cross-entropy in nats per token."""
    loss_added: Estimate
    """How much more that is than the model's own."""
    divergence: Estimate
    """KL divergence of these predictions from the model's own, sum p log(p / q) with p its own, in nats per token."""
    agreement: Estimate
    """Share of tokens at which both hold the same next token for the likeliest."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """Windows and the model's own log-probabilities on them, at the tokens that are scored."""

    tokens: tuple[Tokens, ...]
    """Batches of windows."""
    counted: tuple[Tensor, ...]
    """Where the MLPs are replaced."""
    scored: tuple[Tensor, ...]
    """From which positions a next token is predicted that is scored."""
    own: tuple[Tensor, ...]
    """Log-probabilities, [scored, vocab] for each batch: 4 bytes for each scored token and word of the vocabulary."""

    @classmethod
    def of(cls, model: Model, batches: Sequence[Windows]) -> "Baseline":
        """The model's own predictions."""
        tokens = tuple(model.tokenize(batch.tokens) for batch in batches)
        counted = tuple(batch.counted.to(model.device) for batch in batches)
        scored = tuple(one[:, 1:] & one[:, :-1] for one in counted)
        own = tuple(_log_probabilities(model.run(one).logits, here) for one, here in zip(tokens, scored, strict=True))
        return cls(tokens, counted, scored, own)


def measure_stand_in(
    model: Model,
    baseline: Baseline,
    replacement: Replacement,
    layers: Sequence[int],
    generator: np.random.Generator,
) -> StandIn:
    """The model's predictions with these layers replaced at once.

    Raises:
        UnknownName, UnknownSite, UnsupportedModel: see `run_replaced`.
    """
    rows: list[ndarray] = []
    for tokens, counted, scored, own in zip(*_columns(baseline), strict=True):
        found = _log_probabilities(run_replaced(model, tokens, replacement, layers=layers, where=counted), scored)
        rows.append(_per_window(found, own, tokens.ids[:, 1:], scored))
    n, loss, own_loss, divergence, agreement = np.concatenate(rows).T

    def mean(sums: ndarray) -> Estimate:
        return over_windows(lambda total: total(sums) / total(n), len(n), generator=generator)

    return StandIn(
        loss=mean(loss), loss_added=mean(loss - own_loss), divergence=mean(divergence), agreement=mean(agreement)
    )


def _columns(baseline: Baseline) -> tuple[tuple, ...]:
    return baseline.tokens, baseline.counted, baseline.scored, baseline.own


def _log_probabilities(
    logits: Float[Tensor, "window pos vocab"] | None, scored: Bool[Tensor, "window pos_before"]
) -> Float[Tensor, "scored vocab"]:
    assert logits is not None
    return logits[:, :-1][scored].float().log_softmax(-1)


def _per_window(
    found: Float[Tensor, "scored vocab"],
    own: Float[Tensor, "scored vocab"],
    following: Tensor,
    scored: Bool[Tensor, "window pos_before"],
) -> Float[ndarray, "window 5"]:
    """Per window: scored tokens, sums of both losses, of the divergence and of agreement."""
    next_tokens = following[scored][:, None]
    columns = (
        torch.ones(len(found), device=found.device),
        -found.gather(1, next_tokens)[:, 0],
        -own.gather(1, next_tokens)[:, 0],
        (own.exp() * (own - found)).sum(-1),
        found.argmax(-1) == own.argmax(-1),
    )
    window = scored.nonzero()[:, 0]
    facts = torch.stack([column.double() for column in columns], dim=1)
    return (
        torch.zeros(len(scored), 5, dtype=torch.float64, device=found.device).index_add_(0, window, facts).cpu().numpy()
    )
