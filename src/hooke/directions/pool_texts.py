"""Pooling of many texts at once, as `pooling.Running` does it token by token, and with derivatives to learn by."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hooke.directions.pooling import Pooling


def padded(flat: Float[Tensor, " token"], lengths: Int[Tensor, " text"]) -> Float[Tensor, "text pos"]:
    """Scores of all texts' tokens in a row, as one row a text; zeros behind its end."""
    found = flat.new_zeros(len(lengths), int(lengths.max()))
    return found.masked_scatter(_mask(found, lengths), flat)


def pool(
    scores: Float[Tensor, "text pos"],
    lengths: Int[Tensor, " text"],
    pooling: Pooling,
    attention: Float[Tensor, "text pos"] | None = None,
) -> Float[Tensor, " text"]:
    """The score of each text; what stands behind a text's end counts for nothing."""
    mask = _mask(scores, lengths)
    scores = scores.masked_fill(~mask, 0)
    match pooling.how:
        case "max":
            return scores.masked_fill(~mask, -torch.inf).amax(1)
        case "rolling":
            return rolled(scores, lengths, pooling.window).amax(1)
        case "softmax":
            return _weighted(scores, scores / pooling.temperature, mask)
        case "attention":
            assert attention is not None
            return _weighted(scores, attention, mask)
    return (scores * token_weights(lengths, pooling).to(scores)).sum(1)


def token_weights(lengths: Int[Tensor, " text"], pooling: Pooling) -> Float[Tensor, "text pos"]:
    """What last, mean and ema weigh each token by; these poolings of scores are poolings of rows as well."""
    places = torch.arange(int(lengths.max()), device=lengths.device).expand(len(lengths), -1)
    n = lengths[:, None]
    mask = places < n
    if pooling.how == "last":
        return (places == n - 1).float()
    if pooling.how == "ema":
        share = (1 / (places + 1)).clamp_min(2 / (pooling.window + 1))
        kept = torch.where(mask, 1 - share, 1).flip(1).cumprod(1).flip(1)
        later = torch.cat([kept[:, 1:], torch.ones_like(kept[:, :1])], dim=1)
        return torch.where(mask, share * later, 0)
    assert pooling.how == "mean"
    return mask / n


def rolled(
    scores: Float[Tensor, "text pos"], lengths: Int[Tensor, " text"], window: int
) -> Float[Tensor, "text window"]:
    """Means of each `window` tokens in a row; of a text that is shorter its one mean. -inf where there is none."""
    mask = _mask(scores, lengths)
    whole = scores.masked_fill(~mask, 0).sum(1, keepdim=True) / lengths[:, None]
    whole = whole.masked_fill(lengths[:, None] > window, -torch.inf)
    if scores.shape[1] <= window:
        return whole
    sums = torch.cat([torch.zeros_like(scores[:, :1]), scores.masked_fill(~mask, 0)], dim=1).double().cumsum(1)
    means = ((sums[:, window:] - sums[:, :-window]) / window).to(scores)
    ends = torch.arange(window, scores.shape[1] + 1, device=scores.device)
    is_there = (ends <= lengths[:, None]) & (lengths[:, None] > window)
    return torch.cat([whole, means.masked_fill(~is_there, -torch.inf)], dim=1)


def _weighted(scores: Tensor, logits: Tensor, mask: Tensor) -> Tensor:
    return (logits.masked_fill(~mask, -torch.inf).softmax(1) * scores).sum(1)


def _mask(scores: Tensor, lengths: Tensor) -> Bool[Tensor, "text pos"]:
    return torch.arange(scores.shape[1], device=scores.device)[None] < lengths[:, None].to(scores.device)
