"""A model run component by component, so that each receiver can be given its own input.

    input of a receiver  =  the corrupted run's  +  Σ over senders  weight · (what it writes - what it wrote there)

With all weights 1 that is the clean run, with all 0 the corrupted one, and anything between is a circuit. A head's
query, keys and values get inputs of their own; where heads share keys and values, the layer's attention is run once
for each head of a group, with the keys and values that this head reads. Attention itself, rotations, masks and soft
caps are the model's own; that the parts together give what the whole gives is measured when a model is opened.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hooke.circuits.edges import EdgeGraph
from hooke.errors import UnsupportedModel
from hooke.models.architectures import first_tensor, probe_tokens, relative_error
from hooke.models.hooks import Call, Pass, Stop, recorded
from hooke.models.linear_maps import ModelMap, NormMap, linear_maps
from hooke.models.model import Model, Tokens
from hooke.models.projections import READS, LayerProjections, Projection, projections
from hooke.sites import Site

_LIMIT = 1e-4
"""Largest relative error of the components together against the whole model."""


@dataclass(frozen=True, slots=True)
class Components:
    """A model in parts."""

    model: Model
    graph: EdgeGraph
    maps: ModelMap
    projections: tuple[LayerProjections, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some prompts, ready to be run component by component."""

    tokens: Tokens
    start: Float[Tensor, "batch pos d_model"]
    """What the first block reads."""
    calls: tuple[Call, ...]
    """Of each layer's attention."""


@dataclass(frozen=True, slots=True)
class ComponentRun:
    """What each component wrote and what the streams were."""

    written: Float[Tensor, "sender batch pos d_model"]
    before_attention: tuple[Float[Tensor, "batch pos d_model"], ...]
    before_mlp: tuple[Float[Tensor, "batch pos d_model"], ...]
    final: Float[Tensor, "batch pos d_model"]


_KNOWN: WeakKeyDictionary[Model, Components] = WeakKeyDictionary()


def open_components(model: Model) -> Components:
    """The parts of a model; found once, kept as long as the model.

    Raises:
        UnsupportedModel: it is in half precision; a part was not found; the parts together do not give the whole.
    """
    if model not in _KNOWN:
        if model.dtype not in (torch.float32, torch.float64):
            raise UnsupportedModel(
                f"{model.name} is loaded in {str(model.dtype).removeprefix('torch.')}.",
                "Effects of single edges drown in its rounding.",
                "Load it with dtype='float32'.",
            )
        _KNOWN[model] = _opened(model)
    return _KNOWN[model]


def _opened(model: Model) -> Components:
    maps, reads = linear_maps(model), projections(model)
    parallel = {block.is_parallel for block in maps.blocks}
    n_heads = {len(block.attention.outputs) for block in maps.blocks}
    if len(parallel) != 1 or len(n_heads) != 1:
        raise UnsupportedModel(f"The layers of {model.name} are of different kinds.", "", "Patch its sites instead.")
    found = Components(model, EdgeGraph(model.n_layers, n_heads.pop(), parallel.pop()), maps, reads)
    ids = probe_tokens(model.hf)
    tokens = Tokens(ids, torch.ones_like(ids, dtype=torch.bool))
    last = Site("resid_post", model.n_layers - 1)
    whole = model.run(tokens, capture=[last], logits=False)[last]
    error = relative_error(run_plainly(found, open_batch(found, tokens)).final, whole)
    if not error <= _LIMIT:
        raise UnsupportedModel(
            f"{model.name} cannot be run component by component.",
            f"Its parts together are off by {error:.1e} (at most {_LIMIT:.0e}).",
            "Patch its sites instead: hooke patch.",
        )
    return found


def open_batch(components: Components, tokens: Tokens) -> Batch:
    """Prompts made ready: masks and places of tokens as the model itself gives them to its attention."""
    model, first = components.model, Site("resid_pre", 0)
    last = Site("z", model.n_layers - 1)
    running = Pass(model.anatomy, frozenset({first}), {}, lambda _, value: value.clone(), stop_at=last)
    modules = [model.anatomy.attention[layer] for layer in range(model.n_layers)]
    mask = None if bool(tokens.mask.all()) else tokens.mask.long()
    with model.open(running), recorded(modules) as calls, torch.no_grad(), suppress(Stop):
        model.hf(input_ids=tokens.ids, attention_mask=mask, use_cache=False)
    return Batch(tokens, running.read[first], tuple(calls))


def run_plainly(components: Components, batch: Batch) -> ComponentRun:
    """Every receiver reads the whole stream: the model's own run."""
    with torch.no_grad():
        written, attention, mlp = [batch.start], [], []
        stream = batch.start
        for layer in range(components.graph.n_layers):
            attention.append(stream)
            heads, constant = attend(components, batch, layer, dict.fromkeys(READS, stream[:, :, None]))
            middle = stream + heads.sum(2) + constant
            mlp.append(stream if components.graph.is_parallel else middle)
            out = run_mlp(components, layer, mlp[-1])
            written += [*heads.unbind(2), out]
            stream = middle + out
        return ComponentRun(torch.stack(written), tuple(attention), tuple(mlp), stream)


def run_weighted(
    components: Components,
    batch: Batch,
    corrupted: ComponentRun,
    weights: Float[Tensor, "receiver sender"],
) -> Float[Tensor, "batch pos d_model"]:
    """The last stream where each receiver reads so much of each sender's difference from the corrupted run.

    `weights` must be 0 where there is no edge. Differentiable in them.
    """
    graph, away = components.graph, _Differences(corrupted.written)
    away.add(0, batch.start[None])
    read = partial(_read, graph, away, weights)
    for layer in range(graph.n_layers):
        reads, mlp = graph.reads(layer), graph.reads(layer).stop
        inputs = read(reads, corrupted.before_attention[layer]).movedim(0, 2)
        parts: dict[str, Tensor] = dict(zip(READS, inputs.split(graph.n_heads, dim=2), strict=True))
        heads, _ = attend(components, batch, layer, parts)
        away.add(graph.heads(layer).start, heads.movedim(2, 0))
        stream = read(slice(mlp, mlp + 1), corrupted.before_mlp[layer])[0]
        away.add(graph.mlp(layer), run_mlp(components, layer, stream)[None])
    last = len(graph.receivers) - 1
    return read(slice(last, last + 1), corrupted.final)[0]


def _read(graph: EdgeGraph, away: "_Differences", weights: Tensor, receivers: slice, base: Tensor) -> Tensor:
    """What some receivers read."""
    n_senders = graph.n_before(receivers.start)
    differences = away.first(n_senders)
    mixed = weights[receivers, :n_senders].to(differences) @ differences.flatten(1)
    return base + mixed.unflatten(1, differences.shape[1:])


class _Differences:
    """What each sender wrote so far, less what it wrote in the corrupted run."""

    def __init__(self, corrupted: Float[Tensor, "sender batch pos d_model"]) -> None:
        self._corrupted = corrupted
        # Joining parts anew for every receiver costs more than the model; gradients do not bear writing in place.
        self._whole = None if torch.is_grad_enabled() else torch.empty_like(corrupted)
        self._parts: list[Tensor] = []

    def add(self, start: int, written: Tensor) -> None:
        """What the senders from `start` on wrote."""
        difference = written - self._corrupted[start : start + len(written)]
        if self._whole is None:
            self._parts.append(difference)
        else:
            self._whole[start : start + len(written)] = difference

    def first(self, n: int) -> Float[Tensor, "sender batch pos d_model"]:
        """Of the first senders."""
        return torch.cat(self._parts)[:n] if self._whole is None else self._whole[:n]


def attend(
    components: Components, batch: Batch, layer: int, inputs: Mapping[str, Float[Tensor, "batch pos _ d_model"]]
) -> tuple[Float[Tensor, "batch pos head d_model"], Float[Tensor, " d_model"]]:
    """What each head adds to the stream, given what its query, keys and values read, and what a norm adds for all.

    The inputs have an axis of heads, which may be 1: all heads read alike.
    """
    attention, reads = components.maps.blocks[layer].attention, components.projections[layer].reads
    size = len(attention.outputs) // len(reads["k"].columns)
    read = {kind: normed(attention.norm, value) for kind, value in inputs.items()}
    is_shared = all(read[kind].shape[2] == 1 for kind in ("k", "v"))
    queries = projected(reads["q"], read["q"])
    # The member-th head of every group reads its own keys and values.
    values = [
        {"q": queries} | {kind: projected(reads[kind], _of(read[kind], member, size)) for kind in ("k", "v")}
        for member in range(1 if is_shared else size)
    ]
    return write(components, batch, layer, values)


def _of(read: Tensor, member: int, size: int) -> Tensor:
    return read if read.shape[2] == 1 else read[:, :, member::size]


def write(
    components: Components, batch: Batch, layer: int, values: Sequence[Mapping[str, Tensor]]
) -> tuple[Float[Tensor, "batch pos head d_model"], Float[Tensor, " d_model"]]:
    """What each head adds to the stream, of queries, keys and values before rotation, and what a norm adds for all.

    Several of them are for one head of each group that shares keys and values in turn.
    """
    attention = components.maps.blocks[layer].attention
    mixed = [_mixed(components, batch, layer, one) for one in values]
    z = mixed[0]
    if len(mixed) > 1:
        size = len(mixed)
        z = torch.stack([one[:, :, member::size] for member, one in enumerate(mixed)], dim=3).flatten(2, 3)
    written = torch.einsum("bphe,hed->bphd", z, attention.outputs.to(z))
    written = written + attention.output_bias.to(z) / len(attention.outputs)
    if attention.post_norm is None:
        return written, torch.zeros_like(attention.output_bias)
    return _post_normed(attention.post_norm, written), attention.post_norm.bias


def normed(norm: NormMap | None, value: Float[Tensor, "*n d_model"]) -> Float[Tensor, "*n d_model"]:
    """What a norm makes of it, where there is one."""
    return value if norm is None else norm.module(value)


def projected(
    projection: Projection, read: Float[Tensor, "batch pos _ d_model"]
) -> Float[Tensor, "batch pos head d_head"]:
    """Queries, keys or values before rotation, of what all heads read alike (one reader) or each its own."""
    if read.shape[2] == 1:
        matrix = projection.matrix.flatten(0, 1).to(read)
        found = (read[:, :, 0] @ matrix.T).unflatten(-1, projection.bias.shape)
    else:
        found = torch.einsum("bphd,hed->bphe", read, projection.matrix.to(read))
    return found + projection.bias.to(read)


def _mixed(components: Components, batch: Batch, layer: int, values: Mapping[str, Tensor]) -> Tensor:
    """What attention makes of queries, keys and values: each head's mixture of values."""
    model, site = components.model, Site("z", layer)
    running = Pass(model.anatomy, frozenset({site}), {}, lambda _, value: value, stop_at=site)
    with model.open(running), components.projections[layer].giving(values), suppress(Stop):
        batch.calls[layer].again(batch.start)
    return running.read[site]


def _post_normed(norm: NormMap, written: Tensor) -> Tensor:
    """Each head's part of what a norm behind attention makes of their sum, without the norm's bias."""
    total = written.sum(2, keepdim=True)
    unscaled, parts = (
        (one - one.mean(-1, keepdim=True) if norm.is_centred else one) * norm.gain for one in (total, written)
    )
    inverse = ((norm.module(total) - norm.bias) * unscaled).sum(-1, keepdim=True) / unscaled.square().sum(
        -1, keepdim=True
    ).clamp_min(1e-30)
    return parts * inverse


def run_mlp(
    components: Components, layer: int, stream: Float[Tensor, "batch pos d_model"]
) -> Float[Tensor, "batch pos d_model"]:
    """What an MLP adds to the stream, given the stream that it reads."""
    block = components.maps.blocks[layer]
    found = first_tensor(_mlp(components, layer)(normed(block.mlp_norm, stream)))
    assert found is not None
    return normed(block.mlp_post_norm, found.reshape(stream.shape))


def _mlp(components: Components, layer: int) -> nn.Module:
    return components.model.anatomy.taps[Site("mlp_in", layer)].module
