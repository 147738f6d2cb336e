"""Transcoders as a basis of attribution: per layer, with or without a linear skip, or across layers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hooke.circuits.basis import Basis, Features, Written, by_place
from hooke.circuits.frozen import FrozenModel, FrozenNorm, NotFinite
from hooke.circuits.sweep import Rows
from hooke.dictionaries.replacement import Replacement, check_layer
from hooke.errors import BadRequest


def transcoder_basis(frozen: FrozenModel, transcoders: Replacement) -> Basis:
    """The active features of a set of transcoders on this prompt; errors close the sum.

    One layer's weights are in memory at a time. Layers without a transcoder are errors as a whole.

    Raises:
        ShapeMismatch, UnknownSite: the set is of another model.
        NotFinite: an activation is NaN or infinite.
    """
    layers = [_open_layer(frozen, transcoders, layer) for layer in transcoders.layers]
    position = torch.cat([layer.position for layer in layers])
    order = torch.cat([layer.position * frozen.n_layers + layer.layer for layer in layers]).argsort(stable=True)
    features = Features(
        torch.cat([torch.full_like(layer.position, layer.layer) for layer in layers])[order],
        position[order],
        torch.cat([layer.index for layer in layers])[order],
        torch.cat([layer.activation for layer in layers])[order],
    )
    written, constant = _written(frozen, features, layers, order), torch.zeros_like(frozen.mlp_out)
    remainder = frozen.mlp_out.clone()
    for layer in layers:
        constant[layer.layer] = layer.constant
        remainder[layer.layer] -= layer.bias if layer.skipped is None else layer.bias + layer.skipped
    for target, runs in enumerate(written):
        for run in runs:
            remainder[target, run.position] -= run.vectors.sum(0)
    return Basis(
        name=transcoders.name,
        features=features,
        written=written,
        inputs=_Inputs(
            Rows(
                torch.cat([torch.full_like(layer.position, frozen.mlp_depth(layer.layer)) for layer in layers])[order],
                features.position,
                torch.cat([layer.vectors for layer in layers])[order],
                torch.cat([layer.offsets for layer in layers])[order],
            )
        ),
        remainder=remainder,
        remainder_kind="error",
        constant=constant,
        skips={layer.layer: layer.skip for layer in layers if layer.skip is not None},
        n_active=len(features),
    )


def feature_row(frozen: FrozenModel, transcoders: Replacement, layer: int, position: int, index: int) -> Rows:
    """The pre-activation of one feature, active or not, as a row of its own.

    Raises:
        BadRequest: the set has no such feature.
        ShapeMismatch, UnknownSite: the set is of another model.
    """
    if layer not in transcoders.layers or not 0 <= index < transcoders.n_features(layer):
        raise BadRequest(f"'{transcoders.name}' has no feature {layer}/{index}.", "", "See `hooke dictionary info`.")
    check_layer(transcoders, layer, frozen.model)
    norm = frozen.blocks[layer].mlp_norm if transcoders.reads(layer).kind == "mlp_in" else None
    at = torch.tensor([position], device=frozen.embed.device)
    which = at.new_tensor([index])
    vector = transcoders.encoder_rows(layer, which).float().clone()
    offset = transcoders.encoder_biases(layer, which).float().clone()
    transcoders.release(layer)
    depth = torch.full_like(at, frozen.mlp_depth(layer))
    if norm is None:
        return Rows(depth, at, vector, offset)
    return Rows(depth, at, norm.adjoint_at(at, vector), offset + vector @ norm.map.bias)


@dataclass(frozen=True, slots=True)
class _Layer:
    """What of one layer's transcoder this prompt needs."""

    layer: int
    position: Int[Tensor, " feature"]
    index: Int[Tensor, " feature"]
    activation: Float[Tensor, " feature"]
    vectors: Float[Tensor, "feature d_model"]
    """Encoder rows as functions of the stream."""
    offsets: Float[Tensor, " feature"]
    """Encoder biases, with what the norm's bias gives."""
    writes: dict[int, Float[Tensor, "feature d_model"]]
    """By target layer: decoder rows times activations."""
    bias: Float[Tensor, " d_model"]
    skip: Callable[[Tensor], Tensor] | None
    skipped: Float[Tensor, "pos d_model"] | None
    """What the linear path writes."""
    constant: Float[Tensor, " d_model"]


def _open_layer(frozen: FrozenModel, transcoders: Replacement, layer: int) -> _Layer:
    check_layer(transcoders, layer, frozen.model)
    reads_normed = transcoders.reads(layer).kind == "mlp_in"
    norm = frozen.blocks[layer].mlp_norm if reads_normed else None
    read = (frozen.mlp_in if reads_normed else frozen.mlp_stream)[layer]
    acts = transcoders.encode(layer, read)
    position, slot = (acts.values != 0).nonzero(as_tuple=True)
    index, activation = acts.indices[position, slot], acts.values[position, slot].float()
    if not bool(activation.isfinite().all()):
        raise NotFinite(
            f"Activations of '{transcoders.name}' at layer {layer} are not finite on this prompt.",
            "There is NaN or infinity.",
            "Check the dictionary's weights.",
        )
    rows = transcoders.encoder_rows(layer, index).float()
    offsets = transcoders.encoder_biases(layer, index).float()
    bias, matrix = transcoders.bias(layer).float().clone(), transcoders.skip(layer)
    found = _Layer(
        layer=layer,
        position=position,
        index=index,
        activation=activation,
        vectors=rows.clone() if norm is None else norm.adjoint_at(position, rows),
        offsets=offsets.clone() if norm is None else offsets + rows @ norm.map.bias,
        writes={
            target: transcoders.decoder_rows(layer, index, target).float() * activation[:, None]
            for target in transcoders.targets(layer)
        },
        bias=bias,
        skip=None if matrix is None else partial(_pass_skip, matrix.float().clone(), norm),
        skipped=None if matrix is None else read @ matrix.float(),
        constant=bias if matrix is None or norm is None else bias + norm.map.bias @ matrix.float(),
    )
    transcoders.release(layer)
    return found


def _pass_skip(matrix: Tensor, norm: FrozenNorm | None, gradient: Tensor) -> Tensor:
    read = gradient @ matrix.T
    return read if norm is None else norm.adjoint(read)


def _written(
    frozen: FrozenModel, features: Features, layers: list[_Layer], order: Int[Tensor, " feature"]
) -> tuple[tuple[Written, ...], ...]:
    """By target layer. `order` puts the layers' features, one after the other, by position."""
    starts = [0, *torch.tensor([len(layer.position) for layer in layers]).cumsum(0).tolist()]
    place = order.argsort()
    written = []
    for target in range(frozen.n_layers):
        writers = [(start, layer) for start, layer in zip(starts, layers, strict=False) if target in layer.writes]
        numbers = [place[start : start + len(layer.position)] for start, layer in writers]
        if not numbers:
            written.append(())
            continue
        vectors = torch.cat([layer.writes[target] for _, layer in writers])[torch.cat(numbers).argsort()]
        reaches = torch.zeros(len(features), dtype=torch.bool, device=order.device)
        reaches[torch.cat(numbers)] = True
        done, runs = 0, []
        for position, run in by_place(features, target, frozen.n_positions, reaches):
            n = run.stop - run.start
            runs.append(Written(position, run.start, vectors[done : done + n]))
            done += n
        written.append(tuple(runs))
    return tuple(written)


@dataclass(frozen=True, slots=True)
class _Inputs:
    """The pre-activations of features as linear functions of the stream."""

    rows: Rows

    def __call__(self, numbers: Tensor) -> Rows:
        return self.rows.take(numbers)
