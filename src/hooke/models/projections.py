"""Which rows of which projection make a head's queries, keys and values, found by derivatives.

Between a projection and the queries that meet the keys there may be a rotation and a norm of the head's own. So a row
is taken to be of a head where the head's query has a derivative along it. Fused projections and shared keys need no
entry of their own; a norm over all heads together mixes them, and is refused.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from hooke.errors import UnsupportedModel
from hooke.models.architectures import Record, is_linear, probe_tokens, recording, same
from hooke.models.hooks import Call, Pass, Stop, overridden, recorded
from hooke.models.linear_maps import linear_matrix
from hooke.models.model import Model
from hooke.sites import Site

READS = ("q", "k", "v")


@dataclass(frozen=True, slots=True)
class Projection:
    """What one of q, k and v is before rotation and norms: matrix · attn_in + bias."""

    module: nn.Module
    columns: Int[Tensor, "head d_head"]
    """Where in the module's output each head stands; keys and values have one for each key-value head."""
    matrix: Float[Tensor, "head d_head d_model"]
    bias: Float[Tensor, "head d_head"]


@dataclass(frozen=True, slots=True)
class LayerProjections:
    """The projections of one attention layer."""

    reads: Mapping[str, Projection]
    """By q, k and v."""

    @contextmanager
    def giving(self, values: Mapping[str, Float[Tensor, "batch pos head d_head"]]) -> Iterator[None]:
        """Inside the block the attention module works on these instead of what its projections make."""
        modules = {one.module for one in self.reads.values()}
        with overridden({module: self._output(module, values) for module in modules}):
            yield

    def _output(self, module: nn.Module, values: Mapping[str, Tensor]) -> Callable[[Tensor], Tensor]:
        kinds = [kind for kind, one in self.reads.items() if one.module is module]
        places = torch.cat([self.reads[kind].columns.flatten() for kind in kinds]).argsort()
        found = torch.cat([values[kind].flatten(-2) for kind in kinds], dim=-1)[..., places]
        return lambda _: found


_KNOWN: WeakKeyDictionary[Model, tuple[LayerProjections, ...]] = WeakKeyDictionary()


def projections(model: Model) -> tuple[LayerProjections, ...]:
    """The projections of every layer; found once, kept as long as the model.

    Raises:
        UnsupportedModel: attention does not go through transformers' interface, or heads share rows.
    """
    if model not in _KNOWN:
        for layer in range(model.n_layers):
            for kind in ("q", "attn_in", "z"):
                model.require(Site(kind, layer))
        tokens = probe_tokens(model.hf)
        modules = [model.anatomy.attention[layer] for layer in range(model.n_layers)]
        with model.alone(), recorded(modules) as calls, recording(model.hf) as records, torch.no_grad():
            model.hf(input_ids=tokens, use_cache=False)
        _KNOWN[model] = tuple(_layer(model, layer, modules[layer], call, records) for layer, call in enumerate(calls))
    return _KNOWN[model]


def _layer(
    model: Model, layer: int, attention: nn.Module, call: Call, records: Mapping[nn.Module, Record]
) -> LayerProjections:
    read = records[attention].read
    assert read is not None
    leaves = {
        module: record.returned.clone().requires_grad_()
        for module in attention.modules()
        if is_linear(module)
        and (record := records.get(module)) is not None
        and record.returned is not None
        and same(record.read, read, 1e-6)
    }
    sites = {kind: Site(kind, layer) for kind in READS}
    running = Pass(model.anatomy, frozenset(sites.values()), {}, lambda _, value: value, stop_at=sites["v"])
    functions = {module: _constant(leaf) for module, leaf in leaves.items()}
    with model.open(running), overridden(functions), torch.enable_grad(), suppress(Stop):
        call.again(read)
    return LayerProjections(
        {kind: _projection(model, site, running.read[site], leaves) for kind, site in sites.items()}
    )


def _constant(value: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda _: value


def _projection(model: Model, site: Site, value: Tensor, leaves: Mapping[nn.Module, Tensor]) -> Projection:
    n_heads, d_head = value.shape[-2:]
    # Against fixed random numbers: a norm leaves a head's length as it is, so that it has no slope along itself.
    weights = torch.randn(value.shape[:-2] + (d_head,), generator=torch.Generator().manual_seed(0)).to(value)
    found: list[tuple[nn.Module, Tensor]] = []
    for head in range(n_heads):
        slopes = torch.autograd.grad(
            (value[..., head, :] * weights).sum(), list(leaves.values()), retain_graph=True, allow_unused=True
        )
        own = [
            (module, slope.flatten(0, -2).abs().sum(0).nonzero()[:, 0])
            for module, slope in zip(leaves, slopes, strict=True)
            if slope is not None and bool(slope.any())
        ]
        if len(own) != 1 or len(own[0][1]) != d_head or own[0][0] is not (found or own)[0][0]:
            raise UnsupportedModel(
                f"The heads of {model.name} cannot be told apart at '{site}'.",
                "A head does not read rows of one projection that are its own.",
                "Patch whole layers instead: hooke patch --kind attn_out.",
            )
        found.append(own[0])
    module, columns = found[0][0], torch.stack([columns for _, columns in found])
    with torch.no_grad():
        matrix, bias = linear_matrix(module, model.d_model, model.device)
    return Projection(module, columns, matrix.T[columns], bias[columns])
