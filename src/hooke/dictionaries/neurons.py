"""The neurons of one MLP as a dictionary: nothing is trained, and every page and verb works on it.

    feature u      = max(x_u, 0)     unit u above zero
    feature n + u  = max(-x_u, 0)    unit u below zero,     n units

Neurons fire below zero as well, and the two signs of a gated MLP's neuron mostly mean different things, so each has a
feature of its own. What it reads and writes is the hidden activation itself: a decoder row is one unit, so that an
edit through the dictionary changes that neuron and nothing else. What a neuron adds to the residual stream is its row
of the down projection; effects on tokens and neighbours are read off that.

Almost every neuron is a little active on every token. `encode` keeps the k of a token that add most to the stream,
the largest |x_u| · ‖output row of u‖, and leaves the others out; `encode_feature` leaves nothing out.
"""

import re
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig
from hooke.dictionaries.sparse import SparseActs
from hooke.errors import ShapeMismatch

N_ACTIVE = 64
"""Neurons of a token that are kept."""


class Neurons(Dictionary):
    """The hidden units of an MLP, each once for its firing above zero and once for below.

    Raises:
        ShapeMismatch: the output rows do not have the shape that the config says.
    """

    def __init__(self, config: DictionaryConfig, *, outputs: Float[Tensor, "unit d_stream"]) -> None:
        nn.Module.__init__(self)
        self.describe(config)
        expected = (config.n_features // 2, config.d_stream)
        if tuple(outputs.shape) != expected or config.d_in != expected[0]:
            raise ShapeMismatch(
                f"The output rows do not make the dictionary '{config.name}'.",
                f"Expected {expected}, found {tuple(outputs.shape)}.",
                "Check the config against the weights.",
            )
        self.outputs = nn.Parameter(outputs, requires_grad=False)
        self._lengths = outputs.detach().norm(dim=-1)

    @property
    def n_units(self) -> int:
        """Hidden units of the MLP."""
        return len(self.outputs)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.outputs.device

    @property
    def output_rows(self) -> Float[Tensor, "feature d_stream"]:
        """What each feature adds to the residual stream per unit of activation."""
        return torch.cat([self.outputs, -self.outputs])

    def pre_activations(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch feature"]:
        """x and -x."""
        x = x.to(self.outputs.dtype)
        return torch.cat([x, -x], dim=-1)

    def encode(self, x: Float[Tensor, "*batch d_in"]) -> SparseActs:
        """The neurons that add most to the stream on each token, largest activation first."""
        x = x.to(self.outputs.dtype)
        units = (x.abs() * self._lengths.to(x)).topk(self._n_kept, dim=-1).indices
        values, order = x.gather(-1, units).abs().sort(dim=-1, descending=True)
        units = units.gather(-1, order)
        below = x.gather(-1, units) < 0
        return SparseActs(values, units + below * self.n_units, self.n_features)

    def decode(self, acts: SparseActs) -> Float[Tensor, "*batch d_out"]:
        """The hidden activations with only these neurons active."""
        signed = torch.where(acts.indices < self.n_units, acts.values, -acts.values)
        return signed.new_zeros(*signed.shape[:-1], self.n_units).scatter_add(-1, acts.indices % self.n_units, signed)

    def encode_feature(self, x: Float[Tensor, "*batch d_in"], index: int) -> Float[Tensor, "*batch"]:
        """One neuron above or below zero, whether or not `encode` would keep it."""
        value = x[..., index % self.n_units].to(self.outputs.dtype)
        return torch.relu(value if index < self.n_units else -value)

    def decoder_rows(self, indices: Int[Tensor, " n"]) -> Float[Tensor, "n d_out"]:
        """Each neuron by itself, with its sign."""
        rows = self.outputs.new_zeros(len(indices), self.n_units)
        signs = torch.where(indices < self.n_units, 1.0, -1.0).to(rows)
        return rows.scatter(1, (indices % self.n_units)[:, None].to(rows.device), signs[:, None])

    def bar(self, x: Float[Tensor, "*batch d_in"], index: int) -> Float[Tensor, "*batch"]:
        """What the neuron would have had to exceed to be kept on each token."""
        x = x.to(self.outputs.dtype)
        least = (x.abs() * self._lengths.to(x)).topk(self._n_kept, dim=-1).values[..., -1]
        return least / self._lengths[index % self.n_units].to(x).clamp(min=1e-12)

    def margins(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch feature"]:
        """How far every neuron is above what it would have had to exceed to be kept."""
        x = x.to(self.outputs.dtype)
        lengths = self._lengths.to(x).clamp(min=1e-12)
        least = (x.abs() * lengths).topk(self._n_kept, dim=-1).values[..., -1:]
        return self.pre_activations(x) - torch.cat([least / lengths] * 2, dim=-1)

    @property
    def _n_kept(self) -> int:
        return min(self.config.k or N_ACTIVE, self.n_units)


@dataclass(frozen=True, slots=True)
class NeuronsRef:
    """What `neurons.15` or `neurons.15@MODEL` names."""

    layer: int
    model: str | None


def parse_neurons(ref: str) -> NeuronsRef | None:
    """The neurons that a reference names; None where it names something else."""
    match = re.fullmatch(r"neurons\.([0-9]{1,6})(?:@(.+))?", ref)
    return NeuronsRef(int(match.group(1)), match.group(2)) if match else None


def neurons_name(layer: int, model: str) -> str:
    """What the dictionary of a layer's neurons is called."""
    return f"neurons.{layer}-{re.sub(r'[^A-Za-z0-9._-]', '-', model)}"


def kept_name(ref: str, names: list[str]) -> str:
    """The name among `names` that a reference to neurons stands for; the reference itself where there is none.

    `neurons.15` alone is plain where the neurons of one model are there.
    """
    asked = parse_neurons(ref)
    if asked is None:
        return ref
    if asked.model is not None:
        return neurons_name(asked.layer, asked.model)
    found = [name for name in names if name.startswith(f"neurons.{asked.layer}-")]
    return found[0] if len(found) == 1 else ref
