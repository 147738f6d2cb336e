"""From activations to active features: what every dictionary with an encoder matrix does, in pieces that fit memory."""

from collections.abc import Callable
from typing import Literal, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from hooke.dictionaries.activation_functions import groupmax, jumprelu, relu, topk
from hooke.dictionaries.sparse import SparseActs, concatenate, sparsify

Activation = Literal["relu", "topk", "jumprelu", "groupmax"]

COMPETING: tuple[Activation, ...] = ("topk", "groupmax")
"""Those with which a feature is active or not by what other features are."""

# Pre-activations of about 64 MB are made at a time; all of them at once would be gigabytes on a long text.
_CHUNK_ELEMENTS = 2**24


@runtime_checkable
class Fires(Protocol):
    """What decides which features are active."""

    @property
    def activation(self) -> Activation:
        """The activation function."""
        ...

    @property
    def k(self) -> int | None:
        """topk and groupmax: how many are active."""
        ...

    @property
    def signed(self) -> bool:
        """Whether what is below zero stays."""
        ...


def activate(
    pre: Float[Tensor, "token feature"], how: Fires, threshold: Float[Tensor, " feature"] | None
) -> SparseActs:
    """The active features of each token, largest first."""
    if how.activation == "topk":
        assert how.k is not None
        return topk(pre, how.k, signed=how.signed)
    if how.activation == "groupmax":
        assert how.k is not None
        return groupmax(pre, how.k)
    acts = relu(pre) if threshold is None else jumprelu(pre, threshold, signed=how.signed)
    return sparsify(acts, signed=how.signed)


def encode_in_pieces(
    x: Float[Tensor, "*batch d_in"], n_features: int, encode: Callable[[Tensor], SparseActs]
) -> SparseActs:
    """What `encode` makes of rows of x, a piece at a time."""
    rows = x.reshape(-1, x.shape[-1])
    acts = concatenate([encode(piece) for piece in rows.split(max(1, _CHUNK_ELEMENTS // n_features))])
    shape = (*x.shape[:-1], acts.values.shape[-1])
    return SparseActs(acts.values.reshape(shape), acts.indices.reshape(shape), n_features)
