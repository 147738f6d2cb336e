"""Transcoders as a basis of attribution: per layer, with or without a linear skip, or across layers."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hooke.circuits.basis import Basis, Features, Written, by_place
from hooke.circuits.frozen import FrozenModel, FrozenNorm, NotFinite
from hooke.circuits.sweep import Rows
from hooke.dictionaries.replacement import Replacement, check_replacement, sources


def transcoder_basis(frozen: FrozenModel, transcoders: Replacement) -> Basis:
    """The active features of a set of transcoders on this prompt; errors close the sum.

    Layers without a transcoder are errors as a whole.

    Raises:
        ShapeMismatch, UnknownSite: the set is of another model.
        NotFinite: an activation is NaN or infinite.
    """
    check_replacement(transcoders, frozen.model)
    features = _active(frozen, transcoders)
    written = tuple(_written(frozen, transcoders, features, target) for target in range(frozen.n_layers))
    skips = {layer: _skip(frozen, transcoders, layer) for layer in transcoders.layers}
    constant = torch.zeros_like(frozen.mlp_out)
    targets = {target for layer in transcoders.layers for target in transcoders.targets(layer)}
    for target in targets:
        constant[target] = transcoders.bias(target).float()
    remainder = frozen.mlp_out - constant
    for layer in transcoders.layers:
        matrix = transcoders.skip(layer)
        if matrix is not None:
            remainder[layer] -= _read(frozen, transcoders, layer) @ matrix.float()
            constant[layer] += _skipped_constant(frozen, transcoders, layer, matrix.float())
    for target, runs in enumerate(written):
        for run in runs:
            remainder[target, run.position] -= run.vectors.sum(0)
    return Basis(
        name=transcoders.name,
        features=features,
        written=written,
        inputs=_Inputs(frozen, transcoders, features),
        remainder=remainder,
        remainder_kind="error",
        constant=constant,
        skips={layer: skip for layer, skip in skips.items() if skip is not None},
        n_active=len(features),
    )


def _read(frozen: FrozenModel, transcoders: Replacement, layer: int) -> Tensor:
    return (frozen.mlp_in if transcoders.reads(layer).kind == "mlp_in" else frozen.mlp_stream)[layer]


def _norm(frozen: FrozenModel, transcoders: Replacement, layer: int) -> FrozenNorm | None:
    """The norm between the stream and what the transcoder reads."""
    return frozen.blocks[layer].mlp_norm if transcoders.reads(layer).kind == "mlp_in" else None


def _active(frozen: FrozenModel, transcoders: Replacement) -> Features:
    parts: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    for layer in transcoders.layers:
        acts = transcoders.encode(layer, _read(frozen, transcoders, layer))
        position, slot = (acts.values != 0).nonzero(as_tuple=True)
        values = acts.values[position, slot].float()
        if not bool(values.isfinite().all()):
            raise NotFinite(
                f"Activations of '{transcoders.name}' at layer {layer} are not finite on this prompt.",
                "There is NaN or infinity.",
                "Check the dictionary's weights.",
            )
        parts.append((torch.full_like(position, layer), position, acts.indices[position, slot], values))
    layer, position, index, activation = (torch.cat(column) for column in zip(*parts, strict=True))
    order = (position * frozen.n_layers + layer).argsort(stable=True)
    return Features(layer[order], position[order], index[order], activation[order])


def _written(frozen: FrozenModel, transcoders: Replacement, features: Features, target: int) -> tuple[Written, ...]:
    writers = sources(transcoders, target)
    reaches = torch.isin(features.layer, torch.tensor(writers, dtype=torch.int64, device=features.layer.device))
    vectors = frozen.mlp_out.new_zeros(len(features), frozen.mlp_out.shape[-1])
    for layer in writers:
        here = (features.layer == layer).nonzero()[:, 0]
        rows = transcoders.decoder_rows(layer, features.index[here], target).float()
        vectors[here] = rows * features.activation[here, None]
    return tuple(
        Written(position, run.start, vectors[run])
        for position, run in by_place(features, target, frozen.n_positions, reaches)
    )


def _skip(frozen: FrozenModel, transcoders: Replacement, layer: int) -> Callable[[Tensor], Tensor] | None:
    matrix = transcoders.skip(layer)
    if matrix is None:
        return None
    norm = _norm(frozen, transcoders, layer)

    def skip(gradient: Tensor) -> Tensor:
        read = gradient @ matrix.float().T
        return read if norm is None else norm.adjoint(read)

    return skip


def _skipped_constant(frozen: FrozenModel, transcoders: Replacement, layer: int, matrix: Tensor) -> Tensor:
    norm = _norm(frozen, transcoders, layer)
    return matrix.new_zeros(matrix.shape[-1]) if norm is None else norm.map.bias @ matrix


@dataclass(frozen=True, slots=True)
class _Inputs:
    """The pre-activations of features as linear functions of the stream."""

    frozen: FrozenModel
    transcoders: Replacement
    features: Features

    def __call__(self, numbers: Tensor) -> Rows:
        features = self.features
        layer, position, index = features.layer[numbers], features.position[numbers], features.index[numbers]
        vector = self.frozen.embed.new_zeros(len(numbers), self.frozen.embed.shape[1])
        constant = vector.new_zeros(len(numbers))
        depth = torch.zeros_like(layer)
        for one in layer.unique().tolist():
            here = (layer == one).nonzero()[:, 0]
            rows = self.transcoders.encoder_rows(one, index[here]).float()
            bias = self.transcoders.encoder_biases(one, index[here]).float()
            norm = _norm(self.frozen, self.transcoders, one)
            vector[here] = rows if norm is None else norm.adjoint_at(position[here], rows)
            constant[here] = bias if norm is None else bias + rows @ norm.map.bias
            depth[here] = self.frozen.mlp_depth(one)
        return Rows(depth, position, vector, constant)
