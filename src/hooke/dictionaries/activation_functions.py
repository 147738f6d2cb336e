"""Activation functions of dictionaries, and the gradients that training gives them."""

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.dictionaries.sparse import SparseActs


def relu(pre: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """max(pre, 0)."""
    return torch.relu(pre)


def jumprelu(pre: Float[Tensor, "*batch"], threshold: Float[Tensor, "*thresholds"]) -> Float[Tensor, "*batch"]:
    """relu(pre) where pre is strictly above the threshold, else 0."""
    return torch.where(pre > threshold, torch.relu(pre), 0)


def topk(pre: Float[Tensor, "token feature"], k: int) -> SparseActs:
    """The k largest pre-activations of each token, those that are negative set to 0."""
    values, indices = pre.topk(k, dim=-1)
    return SparseActs(torch.relu(values), indices, pre.shape[-1])
