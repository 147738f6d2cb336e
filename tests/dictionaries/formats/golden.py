"""Inputs and small tensors of the fixtures: sizes differ, so that nothing fits by chance."""

import torch
from torch import Tensor

N, D, D_OUT, LAYERS, K = 10, 6, 5, 3, 4


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def inputs(width: int = D, seed: int = 50) -> Tensor:
    """Twenty tokens, and one of huge norm as the first of a text has. The first begins with an exact 2."""
    x = numbers(21, width, seed=seed)
    x[0, 0] = 2.0
    x[-1] *= 100
    return x


def thresholds(n: int = N, seed: int = 60) -> Tensor:
    """One of them below zero, which tells a clamp from none; that of feature 1 is an exact 2."""
    found = numbers(n, seed=seed).abs()
    found[0], found[1] = -0.5, 2.0
    return found


def on_the_edge(encoder: Tensor, bias: Tensor) -> None:
    """Make feature 1's pre-activation x[0], exactly: on the first input it is its threshold, and not above it."""
    encoder[:, 1], bias[1] = 0, 0
    encoder[0, 1] = 1


def sparse_params(seed: int = 0, d: int = D, n: int = N, d_out: int = D) -> dict[str, Tensor]:
    """Encoder [d, n], decoder [n, d_out], biases and thresholds."""
    encoder, bias = numbers(d, n, seed=seed), numbers(n, seed=seed + 1)
    on_the_edge(encoder, bias)
    return {
        "W_enc": encoder,
        "b_enc": bias,
        "W_dec": numbers(n, d_out, seed=seed + 2),
        "b_dec": numbers(d_out, seed=seed + 3),
        "threshold": thresholds(n, seed=seed + 4),
    }
