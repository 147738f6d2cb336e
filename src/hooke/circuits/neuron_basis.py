"""The neurons as a basis of attribution: nothing is trained, and nothing is lost.

A gated neuron is a product, h = act(g) · u, and has no one linear function. Two rules, each an account of its own:

    half       h = ½ (act(g)/g · u) · g + ½ act(g) · u     conserves: what reaches the embeddings is the target
    gradient   ∂h = act'(g) · u · ∂g + act(g) · ∂u         the frozen model's derivative, which does not conserve

Edges and shares follow the half rule, effects in the frozen model the gradient rule. A neuron that is no product has
the one multiplier act(z)/z, or its derivative.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hooke.circuits.basis import Basis, Features, Written, by_place
from hooke.circuits.frozen import FrozenModel
from hooke.circuits.sweep import Rows, deepest_first, sweep
from hooke.errors import BadRequest, UnsupportedModel
from hooke.models.linear_maps import NeuronMap

Rule = Literal["half", "gradient"]


@dataclass(frozen=True, slots=True)
class Multipliers:
    """A layer's neurons on this prompt as linear functions: h ≈ on_gate · g + on_up · u."""

    on_gate: Float[Tensor, "pos neuron"]
    on_up: Float[Tensor, "pos neuron"] | None


def multipliers(neurons: NeuronMap, x: Float[Tensor, "pos d_model"], rule: Rule) -> Multipliers:
    """The multipliers of a rule, at what the MLP reads."""
    gate = x @ neurons.gate.T + neurons.gate_bias
    active = neurons.activation(gate)
    slope = _slope(neurons, gate)
    if rule == "half":
        # At 0 the quotient is the derivative there.
        slope = torch.where(gate.abs() < 1e-6, slope, active / torch.where(gate.abs() < 1e-6, 1.0, gate))
    if neurons.up is None or neurons.up_bias is None:
        return Multipliers(slope, None)
    up = x @ neurons.up.T + neurons.up_bias
    half = 0.5 if rule == "half" else 1.0
    return Multipliers(half * slope * up, half * active)


def _slope(neurons: NeuronMap, gate: Tensor) -> Tensor:
    with torch.enable_grad():
        at = gate.detach().requires_grad_()
        (slope,) = torch.autograd.grad(neurons.activation(at).sum(), at)
    return slope.detach()


@dataclass(frozen=True, slots=True)
class Relevance:
    """What every neuron gives the targets over all paths."""

    size: Float[Tensor, "layer pos neuron"]
    """Absolute, weighted over the targets."""
    first: Float[Tensor, "layer pos neuron"]
    """Signed, on the first target."""
    embed: Float[Tensor, " pos"]
    """Signed, of each token on the first target."""


def relevance(frozen: FrozenModel, targets: Rows, weights: Float[Tensor, " row"], rule: Rule) -> Relevance:
    """One dense backward pass through all neurons with a rule's multipliers.

    Raises:
        UnsupportedModel: the neurons of a layer were not found.
    """
    parts = [_neurons(frozen, layer) for layer in range(frozen.n_layers)]
    shape = (frozen.n_layers, frozen.n_positions, max(len(part.gate) for part in parts))
    size, first = (frozen.embed.new_zeros(shape) for _ in range(2))
    order = deepest_first(targets)
    place = int((order == 0).nonzero()[0])

    def through(layer: int, gradient: Tensor) -> Tensor:
        block, part, n = frozen.blocks[layer], parts[layer], len(gradient)
        assert block.neurons is not None
        behind = gradient if block.mlp_post_norm is None else block.mlp_post_norm.adjoint(gradient)
        slopes = behind @ part.outputs.T
        effects = slopes * block.neurons[:n, None]
        width = len(part.gate)
        size[layer, :n, :width] = torch.einsum("prn,r->pn", effects.abs(), weights[order][: gradient.shape[1]])
        if place < gradient.shape[1]:
            first[layer, :n, :width] = effects[:, place]
        by = multipliers(part, frozen.mlp_in[layer, :n], rule)
        read = (slopes * by.on_gate[:, None]) @ part.gate
        if by.on_up is not None and part.up is not None:
            read += (slopes * by.on_up[:, None]) @ part.up
        return read if block.mlp_norm is None else block.mlp_norm.adjoint(read)

    swept = sweep(frozen, targets.take(order), through)
    embed = frozen.embed.new_zeros(frozen.n_positions)
    n = len(swept.embed)
    embed[:n] = (swept.embed[:, place] * frozen.embed[:n]).sum(-1)
    return Relevance(size, first, embed)


def neuron_basis(frozen: FrozenModel, chosen: Float[Tensor, "layer pos neuron"], n_features: int) -> Basis:
    """The neurons with the largest numbers in `chosen` as features; all others are the remainder, which is exact.

    A neuron below zero is the feature n_neurons + i, as in the dictionary of a layer's neurons.

    Raises:
        UnsupportedModel: the neurons of a layer were not found.
    """
    parts = [_neurons(frozen, layer) for layer in range(frozen.n_layers)]
    hidden = torch.stack([_padded(_hidden(frozen, layer), chosen.shape[-1]) for layer in range(frozen.n_layers)])
    n_active = int((hidden != 0).sum())
    flat = torch.where(hidden != 0, chosen, -1.0).flatten()
    numbers = flat.topk(min(n_features, n_active)).indices
    layer, position, unit = torch.unravel_index(numbers, chosen.shape)
    order = (position * frozen.n_layers + layer).argsort(stable=True)
    layer, position, unit = layer[order], position[order], unit[order]
    value = hidden[layer, position, unit]
    widths = torch.tensor([len(part.gate) for part in parts], device=unit.device)
    features = Features(layer, position, torch.where(value < 0, unit + widths[layer], unit), value.abs())
    written = tuple(_write(frozen, parts[one], features, unit, value, one) for one in range(frozen.n_layers))
    halves = tuple(multipliers(part, frozen.mlp_in[one], "half") for one, part in enumerate(parts))
    constant = torch.stack([_constant(frozen, parts[one], one) for one in range(frozen.n_layers)])
    remainder = frozen.mlp_out - constant
    for one, runs in enumerate(written):
        for run in runs:
            remainder[one, run.position] -= run.vectors.sum(0)
    return Basis(
        name="neurons",
        features=features,
        written=written,
        inputs=_Inputs(frozen, tuple(parts), halves, features, unit, value.sign()),
        remainder=remainder,
        remainder_kind="rest",
        constant=constant,
        skips={},
        n_active=n_active,
    )


@dataclass(frozen=True, slots=True)
class _Inputs:
    """The half rule's linear function of the stream of each chosen neuron."""

    frozen: FrozenModel
    parts: tuple[NeuronMap, ...]
    halves: tuple[Multipliers, ...]
    features: Features
    unit: Tensor
    sign: Tensor

    def __call__(self, numbers: Tensor) -> Rows:
        features = self.features
        layer, position = features.layer[numbers], features.position[numbers]
        vector = self.frozen.embed.new_zeros(len(numbers), self.frozen.embed.shape[1])
        constant = vector.new_zeros(len(numbers))
        depth = torch.zeros_like(layer)
        for one in layer.unique().tolist():
            here = (layer == one).nonzero()[:, 0]
            unit, sign = self.unit[numbers[here]], self.sign[numbers[here]]
            rows = neuron_rows(self.frozen, one, self.halves[one], position[here], unit, sign)
            vector[here], constant[here] = rows.vector, rows.constant
            depth[here] = self.frozen.mlp_depth(one)
        return Rows(depth, position, vector, constant)


def neuron_rows(
    frozen: FrozenModel,
    layer: int,
    by: Multipliers,
    position: Int[Tensor, " n"],
    unit: Int[Tensor, " n"],
    sign: Float[Tensor, " n"],
) -> Rows:
    """Neurons of a layer, times their signs, as the linear functions of the stream that multipliers make of them.

    Raises:
        UnsupportedModel: the neurons of the layer were not found.
    """
    part, norm = _neurons(frozen, layer), frozen.blocks[layer].mlp_norm
    on_gate = by.on_gate[position, unit] * sign
    vector, constant = on_gate[:, None] * part.gate[unit], on_gate * part.gate_bias[unit]
    if by.on_up is not None and part.up is not None and part.up_bias is not None:
        on_up = by.on_up[position, unit] * sign
        vector, constant = vector + on_up[:, None] * part.up[unit], constant + on_up * part.up_bias[unit]
    depth = torch.full_like(position, frozen.mlp_depth(layer))
    if norm is None:
        return Rows(depth, position, vector, constant)
    return Rows(depth, position, norm.adjoint_at(position, vector), constant + vector @ norm.map.bias)


def neuron_row(frozen: FrozenModel, layer: int, position: int, index: int, rule: Rule) -> Rows:
    """One neuron by a rule, as a row of its own; below zero it is the feature n_neurons + i.

    Raises:
        UnsupportedModel: see `neuron_rows`.
        BadRequest: the layer has no such neuron.
    """
    width = len(_neurons(frozen, layer).gate)
    if not 0 <= index < 2 * width:
        raise BadRequest(f"Layer {layer} has no neuron {index}.", f"It has {width:,}.", "")
    at = torch.tensor([position], device=frozen.embed.device)
    sign = frozen.embed.new_tensor([1.0 if index < width else -1.0])
    by = multipliers(_neurons(frozen, layer), frozen.mlp_in[layer], rule)
    return neuron_rows(frozen, layer, by, at, at.new_tensor([index % width]), sign)


def _neurons(frozen: FrozenModel, layer: int) -> NeuronMap:
    part = frozen.blocks[layer].map.neurons
    if part is None or frozen.blocks[layer].neurons is None:
        raise UnsupportedModel(
            f"{frozen.model.name} has no neurons at layer {layer} to trace.",
            "How its MLP computes them was not found (a mixture of experts has neurons of its own per expert).",
            "Trace it with a set of transcoders.",
        )
    return part


def _hidden(frozen: FrozenModel, layer: int) -> Tensor:
    hidden = frozen.blocks[layer].neurons
    assert hidden is not None
    return hidden


def _padded(hidden: Tensor, width: int) -> Tensor:
    return torch.nn.functional.pad(hidden, (0, width - hidden.shape[-1]))


def _write(
    frozen: FrozenModel, part: NeuronMap, features: Features, unit: Tensor, value: Tensor, layer: int
) -> tuple[Written, ...]:
    post = frozen.blocks[layer].mlp_post_norm
    written = []
    for position, run in by_place(features, layer, frozen.n_positions, features.layer == layer):
        vectors = part.outputs[unit[run]] * value[run, None]
        written.append(
            Written(position, run.start, vectors if post is None else post.apply_at(features.position[run], vectors))
        )
    return tuple(written)


def _constant(frozen: FrozenModel, part: NeuronMap, layer: int) -> Tensor:
    post = frozen.blocks[layer].mlp_post_norm
    bias = part.output_bias.expand(frozen.n_positions, -1)
    return bias if post is None else post.apply(bias) + post.map.bias
