"""Ways to make a probe's vectors of labelled texts, one function each, all of one shape.

    maker(data, sites, pooling, seed) -> Fitted: a vector for each site, and of attention pooling a second one

Bias is no maker's business: `calibrated` puts 0 where the texts that it was fitted on are parted best. Pooling commutes
with adding a number to all tokens, so that this is the same for every way of pooling.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from hooke.directions.pool_texts import padded, pool, token_weights
from hooke.directions.pooling import Pooling
from hooke.directions.token_rows import TokenRows
from hooke.sites import Site

Method = Literal["means", "logistic", "ridge", "pca", "subspace", "token", "layers"]
_C = 0.1
"""C of logistic regression on standardised rows: strong regularisation, since texts are few."""
_RIDGE = 1.0
"""Weight of ridge's penalty, in units of the number of dimensions."""
_DIMENSIONS = 5


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Fitted:
    """What scores tokens: the numbers of a probe."""

    vectors: tuple[Float[Tensor, " _width"], ...]
    """One for each site."""
    attention: tuple[Float[Tensor, " _width"], ...] = ()
    """The vectors of the second score, where attention pools."""
    bias: float = 0.0
    """Added to a token's score."""


Maker = Callable[[TokenRows, Sequence[Site], Pooling, int], Fitted]


def scores_of(fitted: Fitted, data: TokenRows, sites: Sequence[Site], pooling: Pooling) -> Float[ndarray, " text"]:
    """The score of each text."""
    first = sum(data.rows[site] @ vector for site, vector in zip(sites, fitted.vectors, strict=True)) + fitted.bias
    second = None
    if fitted.attention:
        flat = sum(data.rows[site] @ vector for site, vector in zip(sites, fitted.attention, strict=True))
        second = padded(_tensor(flat), data.lengths)
    return pool(padded(_tensor(first), data.lengths), data.lengths, pooling, second).double().numpy()


def _tensor(value: Tensor | float) -> Tensor:
    assert isinstance(value, Tensor)
    return value


def calibrated(fitted: Fitted, data: TokenRows, sites: Sequence[Site], pooling: Pooling) -> Fitted:
    """The same with the bias for which 0 parts these texts best: recall and specificity count alike."""
    scores = scores_of(fitted, data, sites, pooling)
    order = np.argsort(scores, kind="stable")
    ordered, labels = scores[order], data.labels[order]
    # A threshold behind the first k texts: those of them without the concept, and the others with it, are right.
    right = np.cumsum(~labels) / (~labels).sum() - np.cumsum(labels) / labels.sum()
    is_between = np.append(ordered[1:] > ordered[:-1], False)
    best = np.flatnonzero(is_between & (right >= right[is_between].max(initial=-np.inf)))
    middle = float(ordered.mean()) if not len(best) else float(ordered[best].mean() + ordered[best + 1].mean()) / 2
    return replace(fitted, bias=fitted.bias - middle)


def pooled_rows(data: TokenRows, site: Site, pooling: Pooling) -> Float[ndarray, "text width"]:
    """One row for each text: pooled as its scores will be where that is the same, else the mean."""
    same = pooling if pooling.how in ("last", "mean", "ema") else Pooling(how="mean")
    weights = token_weights(data.lengths, same)
    flat = weights[torch.arange(weights.shape[1]) < data.lengths[:, None]]
    text = torch.repeat_interleave(torch.arange(len(data.lengths)), data.lengths)
    found = torch.zeros(len(data.lengths), data.rows[site].shape[1])
    return found.index_add_(0, text, data.rows[site] * flat[:, None]).double().numpy()


def mean_difference(rows: Float[ndarray, "text width"], labels: Bool[ndarray, " text"]) -> Float[ndarray, " width"]:
    """The mean of rows with the concept minus that of rows without."""
    return rows[labels].mean(0) - rows[~labels].mean(0)


def logistic_weights(rows: Float[ndarray, "text width"], labels: Bool[ndarray, " text"]) -> Float[ndarray, " width"]:
    """Weights of logistic regression on standardised rows, for rows as they are: the scaler is folded in.

    A number that is the same in all rows has the scale 1.
    """
    scaler = StandardScaler().fit(rows)
    model = LogisticRegression(C=_C, class_weight="balanced", max_iter=2000).fit(scaler.transform(rows), labels)
    return model.coef_[0] / np.asarray(scaler.scale_)


def means(data: TokenRows, sites: Sequence[Site], pooling: Pooling, seed: int) -> Fitted:
    """The mean row of texts with the concept minus that of texts without."""
    return _fitted(mean_difference(pooled_rows(data, sites[0], pooling), data.labels))


def logistic(data: TokenRows, sites: Sequence[Site], pooling: Pooling, seed: int) -> Fitted:
    """Logistic regression with strong L2 on standardised rows; the scaler is folded in."""
    return _fitted(logistic_weights(pooled_rows(data, sites[0], pooling), data.labels))


def ridge(data: TokenRows, sites: Sequence[Site], pooling: Pooling, seed: int) -> Fitted:
    """Ridge regression of the label, as +1 and -1, on standardised rows; the scaler is folded in."""
    rows = pooled_rows(data, sites[0], pooling)
    scaler = StandardScaler().fit(rows)
    weights = np.where(data.labels, 1 / data.labels.sum(), 1 / (~data.labels).sum()) * len(rows) / 2
    model = Ridge(alpha=_RIDGE * rows.shape[1])
    model.fit(scaler.transform(rows), np.where(data.labels, 1.0, -1.0), sample_weight=weights)
    return _fitted(np.asarray(model.coef_) / np.asarray(scaler.scale_))


def pca(data: TokenRows, sites: Sequence[Site], pooling: Pooling, seed: int) -> Fitted:
    """The first principal component of differences between texts with and without the concept (2310.01405).

    Each text with it is paired with one without, of its own group where there is one, and each difference is turned
    round by a coin. The labels then say only which end is which.
    """
    rows, generator = pooled_rows(data, sites[0], pooling), np.random.default_rng(seed)
    without = np.flatnonzero(~data.labels)
    of_group: dict[str, list[int]] = {}
    for at in without.tolist():
        of_group.setdefault(data.groups[at], []).append(at)
    chosen = np.flatnonzero(data.labels)
    other = [int(generator.choice(of_group.get(data.groups[at], without.tolist()))) for at in chosen.tolist()]
    differences = (rows[chosen] - rows[other]) * generator.choice([-1.0, 1.0], size=(len(chosen), 1))
    _, _, axes = np.linalg.svd(differences - differences.mean(0), full_matrices=False)
    along = rows @ axes[0]
    return _fitted(axes[0] * (1 if along[data.labels].mean() >= along[~data.labels].mean() else -1))


def subspace(data: TokenRows, sites: Sequence[Site], pooling: Pooling, seed: int) -> Fitted:
    """Five directions, each fitted on what the ones before leave, then logistic regression on these five numbers."""
    rows = pooled_rows(data, sites[0], pooling)
    scaler = StandardScaler().fit(rows)
    whole = np.asarray(scaler.transform(rows))
    left, axes = whole.copy(), []
    for _ in range(min(_DIMENSIONS, rows.shape[1] - 1)):
        model = LogisticRegression(C=_C, class_weight="balanced", max_iter=2000).fit(left, data.labels)
        axes.append(model.coef_[0] / np.linalg.norm(model.coef_[0]).clip(1e-12))
        left = left - np.outer(left @ axes[-1], axes[-1])
    basis = np.stack(axes)
    numbers = whole @ basis.T
    spread = numbers.std(0) + 1e-9
    last = LogisticRegression(C=_C, class_weight="balanced", max_iter=2000).fit(numbers / spread, data.labels)
    return _fitted((last.coef_[0] / spread) @ basis / np.asarray(scaler.scale_))


def shuffled(labels: Bool[ndarray, " text"], groups: Sequence[str], *, seed: int) -> Bool[ndarray, " text"]:
    """Labels dealt out anew within each group, so that a group tells as much as before; groups of one label share."""
    generator, found = np.random.default_rng(seed), labels.copy()
    names = np.asarray(groups)
    pure = []
    for name in np.unique(names):
        at = np.flatnonzero(names == name)
        if 0 < labels[at].sum() < len(at):
            found[at] = generator.permutation(labels[at])
        else:
            pure.extend(at.tolist())
    found[pure] = generator.permutation(labels[pure])
    return found


def _fitted(vector: Float[ndarray, " width"]) -> Fitted:
    return Fitted(vectors=(torch.from_numpy(np.ascontiguousarray(vector)).float(),))
