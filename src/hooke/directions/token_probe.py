"""Probes that learn through their pooling: every token is scored, and the loss sees what becomes of a text."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from hooke.directions.makers import Fitted
from hooke.directions.pool_texts import padded, pool, rolled
from hooke.directions.pooling import Pooling
from hooke.directions.token_rows import TokenRows
from hooke.sites import Site

_STEPS = 60
_DECAY = 3e-2
"""Weight of the squared length of each vector, in standardised rows."""


def token(data: TokenRows, sites: Sequence[Site], pooling: Pooling, seed: int) -> Fitted:
    """Logistic regression of the pooled score, where softmax or attention says which tokens count (2601.11516)."""
    labels, n_vectors = _labels(data), 2 if pooling.how == "attention" else 1

    def loss(scores: Float[Tensor, "vector token"], bias: Tensor) -> Tensor:
        rows = [padded(one, data.lengths) for one in scores]
        pooled = pool(rows[0] + bias, data.lengths, pooling, rows[1] if n_vectors == 2 else None)
        return binary_cross_entropy_with_logits(pooled, labels, weight=_balanced(labels))

    (found,) = _learn(data, sites[:1], n_vectors, loss)
    return Fitted(vectors=(found[0],), attention=(found[1],) if n_vectors == 2 else ())


def layers(data: TokenRows, sites: Sequence[Site], pooling: Pooling, seed: int) -> Fitted:
    """All sites at once, with a loss weighted towards the windows that score highest (2601.04603).

    u = mean score of `window` tokens in a row;  loss = Σ softmax(u / temperature) · cross-entropy of u
    """
    labels = _labels(data)
    weights = _balanced(labels)

    def loss(scores: Float[Tensor, "vector token"], bias: Tensor) -> Tensor:
        means = rolled(padded(scores[0], data.lengths) + bias, data.lengths, pooling.window)
        is_there = torch.isfinite(means)
        share = (means / pooling.temperature).softmax(1)
        safe = torch.where(is_there, means, 0)
        each = -logsigmoid(torch.where(labels[:, None] > 0, safe, -safe))
        return (weights * (share * each).sum(1)).mean()

    return Fitted(vectors=tuple(one[0] for one in _learn(data, sites, 1, loss)))


def _labels(data: TokenRows) -> Float[Tensor, " text"]:
    return torch.from_numpy(data.labels).float()


def _balanced(labels: Float[Tensor, " text"]) -> Float[Tensor, " text"]:
    n = labels.sum()
    return torch.where(labels > 0, len(labels) / (2 * n), len(labels) / (2 * (len(labels) - n)))


def _learn(
    data: TokenRows, sites: Sequence[Site], n_vectors: int, loss: Callable[[Tensor, Tensor], Tensor]
) -> list[Float[Tensor, "vector width"]]:
    """Vectors for each site, learnt on standardised rows from zero; the scaler is folded in."""
    rows, scales = [], []
    for site in sites:
        spread = data.rows[site].std(0) + 1e-6
        rows.append((data.rows[site] - data.rows[site].mean(0)) / spread)
        scales.append(spread)
    vectors = [torch.zeros(n_vectors, one.shape[1], requires_grad=True) for one in rows]
    bias = torch.zeros(1, requires_grad=True)
    parameters = [*vectors, bias]
    optimiser = torch.optim.LBFGS(parameters, max_iter=_STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        scores = torch.stack([one @ vector.T for one, vector in zip(rows, vectors, strict=True)]).sum(0).T
        length = torch.stack([(vector**2).sum() for vector in vectors]).sum()
        found = loss(scores, bias) + _DECAY * length
        found.backward()
        return found

    with torch.enable_grad():
        optimiser.step(closure)
    return [(vector / scale).detach() for vector, scale in zip(vectors, scales, strict=True)]
