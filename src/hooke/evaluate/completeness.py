"""How much of what a model predicts goes through a dictionary's features, and how much through what they leave over.

A site's value is what the features rebuild, plus an error. The model is run with either alone, the other at its mean:

    features alone   x_hat                     error alone   x - x_hat + mean of x_hat
    share carried    (L_mean - L_alone) / (L_mean - L_as_it_is)        L: cross-entropy, the mean of x in its place

The two shares need not sum to one: where both are small the model needs the two together. An error that carries much
by itself is a part of the mechanism that no feature names (Marks et al. 2024; "dark matter", Engels et al. 2024).
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from hooke.dictionaries.carried import Carried
from hooke.evaluate.quality import Quality, Subject, UnitScores
from hooke.models.split import split_run
from hooke.text.windows import Windows

ALONE = {"features alone": "carry", "error alone": "carries"}
_SHARE, _DIVERGENCE = "share of the loss that {} {}", "KL divergence with {}, nats"


def completeness(subject: Subject, batches: Sequence[Windows], *, first_token: bool = False) -> dict[str, UnitScores]:
    """Shares of the loss that features and error carry, and KL divergence of each from the model, by window.

    With `first_token` the first position is replaced too, as it is by tools that make no exception for it.
    """
    reads, writes = subject.dictionary.reads[0], subject.dictionary.writes[0]
    parts: dict[str, list[ndarray]] = {}
    for batch in batches:
        run = split_run(subject.model, batch.tokens, writes)
        read = run.value if reads == writes else _read(subject, batch, reads)
        where = batch.counted.to(run.value.device)
        put = where.clone()
        put[:, 0] |= first_token
        value = run.value.flatten(2).float()
        rebuilt = subject.dictionary(read.flatten(2).float().to(subject.dictionary.device)).to(value)
        mean, mean_rebuilt = (one[where].mean(0) for one in (value, rebuilt))
        own = _log_probabilities(subject, run.final, where)
        told = {
            "mean": mean.expand_as(value),
            "features alone": rebuilt,
            "error alone": value - rebuilt + mean_rebuilt,
        }
        following = run.tokens.ids[:, 1:]
        clean = _losses(own, following, where)
        parts.setdefault("clean", []).append(clean)
        parts.setdefault("n", []).append(_scored(where).sum(-1).double().cpu().numpy())
        for name, new in told.items():
            replaced = torch.where(put[..., None], new, value).reshape(run.value.shape).to(run.value)
            found = _log_probabilities(subject, run.final_after(replaced), where)
            parts.setdefault(name, []).append(_losses(found, following, where))
            parts.setdefault(f"{name}, KL", []).append(_divergences(own, found, where))
    sums = {name: np.concatenate(some) for name, some in parts.items()}
    whole = sums["mean"] - sums["clean"]
    shares = {
        _SHARE.format(name, verb): UnitScores(parts=sums["mean"] - sums[name], wholes=whole)
        for name, verb in ALONE.items()
    }
    return shares | {
        _DIVERGENCE.format(name): UnitScores(parts=sums[f"{name}, KL"], wholes=sums["n"]) for name in ALONE
    }


def carried_of(found: Sequence[Quality], *, corpus: str) -> Carried | None:
    """What is kept of measured completeness, to stand wherever a dictionary is used; None where it is not there."""
    own = {one.claim: (one.rows[0].value, one.n) for one in found}
    shares = [_SHARE.format(name, verb) for name, verb in ALONE.items()]
    wanted = [*shares, _DIVERGENCE.format("features alone")]
    if not all(claim in own for claim in wanted):
        return None
    (features, n), (error, _), (divergence, _) = (own[claim] for claim in wanted)
    return Carried(features=features, error=error, features_divergence=divergence, n_windows=n, corpus=corpus)


def _read(subject: Subject, batch: Windows, site: object) -> Tensor:
    return subject.model.run(batch.tokens, capture=[site], logits=False)[site]  # pyright: ignore[reportArgumentType]


def _scored(counted: Bool[Tensor, "window pos"]) -> Bool[Tensor, "window pos_before"]:
    return counted[:, 1:] & counted[:, :-1]


def _log_probabilities(
    subject: Subject, final: Float[Tensor, "window pos d_model"], counted: Bool[Tensor, "window pos"]
) -> Float[Tensor, "scored vocab"]:
    with torch.no_grad():
        return subject.model.unembed(final[:, :-1][_scored(counted)]).float().log_softmax(-1)


def _losses(
    log_probabilities: Float[Tensor, "scored vocab"], following: Tensor, counted: Bool[Tensor, "window pos"]
) -> Float[ndarray, " window"]:
    return _by_window(-log_probabilities.gather(1, following[_scored(counted)][:, None])[:, 0], counted)


def _divergences(
    own: Float[Tensor, "scored vocab"], found: Float[Tensor, "scored vocab"], counted: Bool[Tensor, "window pos"]
) -> Float[ndarray, " window"]:
    return _by_window((own.exp() * (own - found)).sum(-1), counted)


def _by_window(values: Float[Tensor, " scored"], counted: Bool[Tensor, "window pos"]) -> Float[ndarray, " window"]:
    window = _scored(counted).nonzero()[:, 0]
    return torch.zeros(len(counted), dtype=torch.float64).index_add_(0, window.cpu(), values.double().cpu()).numpy()
