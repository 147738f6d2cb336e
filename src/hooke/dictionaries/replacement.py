"""What a set of transcoders, one per layer or across layers, must be able to say to stand in for a model's MLPs."""

from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from hooke.dictionaries.sparse import SparseActs
from hooke.sites import Site


@runtime_checkable
class Replacement(Protocol):
    """Features for the MLPs of one model: per-layer transcoders, or a cross-layer transcoder."""

    name: str
    model: str
    layers: tuple[int, ...]
    """Layers that have features."""

    def reads(self, layer: int) -> Site:
        """The site that the features of a layer read: resid_mid or mlp_in."""
        ...

    def n_features(self, layer: int) -> int:
        """Number of features of a layer."""
        ...

    def encode(self, layer: int, x: Float[Tensor, "*pos d_in"]) -> SparseActs:
        """The active features of a layer."""
        ...

    def encoder_rows(self, layer: int, indices: Int[Tensor, " n"]) -> Float[Tensor, "n d_in"]:
        """What these features multiply their input with."""
        ...

    def encoder_biases(self, layer: int, indices: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
        """What these features add to it."""
        ...

    def targets(self, layer: int) -> tuple[int, ...]:
        """Layers whose mlp_out the features of a layer write to."""
        ...

    def decoder_rows(self, layer: int, indices: Int[Tensor, " n"], target: int) -> Float[Tensor, "n d_out"]:
        """What these features write to the MLP output of a target layer, per unit of activation."""
        ...

    def bias(self, layer: int) -> Float[Tensor, " d_out"]:
        """What is added to the MLP output of a target layer whatever is active."""
        ...

    def skip(self, layer: int) -> Float[Tensor, "d_in d_out"] | None:
        """The linear path from what a layer's transcoder reads to what it writes."""
        ...
