"""What stands in for the MLPs of a model: transcoders of its layers, or a cross-layer transcoder, by one protocol.

Features of a layer read that layer's MLP input and write to MLP outputs: a transcoder's to its own layer's, a
cross-layer transcoder's to its own and every later one's.

    m_hat[t] = Σ over layers l that write to t of  encode(l, x[l]) · decoder(l → t)  +  bias(t)  (+ x[t] · skip(t))
"""

from collections.abc import Iterable, Mapping
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hooke.dictionaries.dictionary import HasWidths
from hooke.dictionaries.sparse import SparseActs, sum_rows
from hooke.errors import ShapeMismatch, UnknownName
from hooke.sites import Site

READS = ("resid_mid", "mlp_in")
"""Kinds of site that transcoders read."""


@runtime_checkable
class Replacement(Protocol):
    """Features in place of MLPs, lazily: what is asked of one layer reads that layer's weights only."""

    @property
    def name(self) -> str:
        """Name that feature addresses carry."""
        ...

    @property
    def model(self) -> str:
        """Name of the model that it belongs to."""
        ...

    @property
    def layers(self) -> tuple[int, ...]:
        """Layers that have features, ascending."""
        ...

    def reads(self, layer: int) -> Site:
        """What the features of a layer read: resid_mid or mlp_in."""
        ...

    def n_features(self, layer: int) -> int:
        """How many features a layer has."""
        ...

    def encode(self, layer: int, x: Float[Tensor, "*pos d_in"]) -> SparseActs:
        """The active features of a layer."""
        ...

    def encoder_rows(self, layer: int, indices: Int[Tensor, " n"]) -> Float[Tensor, "n d_in"]:
        """What these features respond to."""
        ...

    def encoder_biases(self, layer: int, indices: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
        """What is added to these features' pre-activations."""
        ...

    def targets(self, layer: int) -> tuple[int, ...]:
        """Layers whose mlp_out the features of a layer write, ascending."""
        ...

    def decoder_rows(self, layer: int, indices: Int[Tensor, " n"], target: int) -> Float[Tensor, "n d_out"]:
        """What these features of a layer write to the mlp_out of a target, per unit of activation."""
        ...

    def bias(self, layer: int) -> Float[Tensor, " d_out"]:
        """What is written to a layer's mlp_out whatever is active."""
        ...

    def skip(self, layer: int) -> Float[Tensor, "d_in d_out"] | None:
        """What is read at a layer reaches its mlp_out as x · skip, where there is one."""
        ...

    def release(self, layer: int) -> None:
        """Let go of a layer's weights; they are read again when they are asked for."""
        ...


def contribution(replacement: Replacement, layer: int, acts: SparseActs, target: int) -> Float[Tensor, "*pos d_out"]:
    """What the active features of a layer write to a target."""
    used, places = acts.indices.unique(return_inverse=True)
    rows = replacement.decoder_rows(layer, used, target)
    return sum_rows(SparseActs(acts.values, places, len(used)), rows)


def reconstruct(
    replacement: Replacement, acts: Mapping[int, SparseActs], x: Float[Tensor, "*pos d_in"], target: int
) -> Float[Tensor, "*pos d_out"]:
    """The mlp_out of a target from the active features of every layer that writes there, and what it reads itself."""
    written = replacement.bias(target).expand(*x.shape[:-1], -1)
    for layer in sources(replacement, target):
        written = written + contribution(replacement, layer, acts[layer], target)
    skip = replacement.skip(target)
    return written if skip is None else written + x.to(skip) @ skip


def sources(replacement: Replacement, target: int) -> tuple[int, ...]:
    """Layers whose features write to the mlp_out of a target."""
    return tuple(layer for layer in replacement.layers if target in replacement.targets(layer))


def require_layer(name: str, layers: Iterable[int], layer: int) -> None:
    """Raises:
    UnknownName: it is none of the layers.
    """
    there = tuple(layers)
    if layer not in there:
        raise UnknownName(
            f"'{name}' has no features in layer {layer}.",
            f"It has layers {layer_ranges(there)}.",
            "Choose one of them, or train that layer too.",
        )


def layer_ranges(layers: Iterable[int]) -> str:
    """Layers as people write them: '0-5, 8'."""
    runs: list[list[int]] = []
    for layer in sorted(layers):
        if runs and layer == runs[-1][-1] + 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def check_replacement(replacement: Replacement, model: HasWidths) -> None:
    """Refuse a replacement whose layers or widths are not those of this model. Reads one feature of each layer.

    Raises:
        ShapeMismatch: a width differs.
        UnknownSite, UnsupportedModel: the model has no such layer or site.
    """
    for layer in replacement.layers:
        check_layer(replacement, layer, model)


def check_layer(replacement: Replacement, layer: int, model: HasWidths) -> None:
    """`check_replacement` of one layer."""
    first = torch.zeros(1, dtype=torch.int64)
    reads, writes = replacement.reads(layer), Site("mlp_out", layer)
    widths = (replacement.encoder_rows(layer, first).shape[1], replacement.bias(layer).shape[0])
    for site, width, verb in zip((reads, writes), widths, ("reads", "writes"), strict=True):
        if model.row_width(site) != width:
            raise ShapeMismatch(
                f"'{replacement.name}' does not fit the model '{model.name}'.",
                f"It {verb} {width} numbers at {site}; the model has {model.row_width(site)} there.",
                f"It was made for '{replacement.model}': load that model, or another replacement.",
            )
