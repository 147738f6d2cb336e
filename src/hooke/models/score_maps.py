"""A head's query and key as linear maps of what its attention reads, at one position each, found by numbers.

    score = scale · (Q x_q + b_Q) · (K x_k + b_K)        before a soft cap, the mask and the softmax

Rotation, projection and biases are all inside Q, K and b: the attention module itself is called again, its own norms of
queries and keys replaced by the same norms with this prompt's denominators, and differentiated. Fused projections,
partial rotations and shared keys need no entry of their own. The scale is read off the pattern that queries and keys
set by hand give.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from hooke.errors import UnsupportedModel
from hooke.models.architectures import Record, is_norm, recording, relative_error
from hooke.models.hooks import Call, CompiledEdit, Moment, Pass, Stop, overridden, recorded
from hooke.models.linear_maps import NormMap, norm_map
from hooke.models.model import Model
from hooke.sites import Site

_LIMIT = 1e-4
"""Largest relative error of the maps against the model's own queries and keys."""


@dataclass(frozen=True, slots=True)
class ReadMap:
    """A head's query or key at one position: matrix · attn_in + bias."""

    matrix: Float[Tensor, "d_head d_model"]
    bias: Float[Tensor, " d_head"]
    value: Float[Tensor, " d_head"]
    """What the model itself has there."""


@dataclass(frozen=True, slots=True)
class ScoreMap:
    """One attention score."""

    query: ReadMap
    key: ReadMap
    scale: float

    @property
    def score(self) -> float:
        """The model's own score, of its own query and key."""
        return self.scale * float(self.query.value @ self.key.value)


@dataclass(frozen=True, slots=True)
class _Attention:
    """One layer's attention module and what it was called with."""

    model: Model
    layer: int
    call: Call
    read: Float[Tensor, "1 pos d_model"]
    norms: Mapping[nn.Module, Callable[[Tensor], Tensor]]
    """Its own norms, frozen."""

    def queries_and_keys(self, read: Tensor) -> tuple[Tensor, Tensor]:
        """[pos, head, d_head] each, of a stream behind the norm in front; with gradients where it has them."""
        q, k = Site("q", self.layer), Site("k", self.layer)
        running = Pass(self.model.anatomy, frozenset({q, k}), {}, lambda _, value: value, stop_at=k)
        with self.model.open(running), overridden(self.norms), suppress(Stop):
            self.call.again(read)
        return running.read[q][0].float(), running.read[k][0].float()


def score_map(model: Model, tokens: Int[Tensor, " pos"], layer: int, head: int, query: int, key: int) -> ScoreMap:
    """The maps of one head's score between two positions of a prompt of at least two tokens.

    Raises:
        UnsupportedModel: attention does not go through transformers' interface, or is not linear in what it reads.
    """
    for kind in ("q", "k", "pattern", "attn_in"):
        model.require(Site(kind, layer))
    attention, queries, keys = _called(model, tokens, layer)
    group = head // (queries.shape[1] // keys.shape[1])
    with torch.no_grad():
        biases = attention.queries_and_keys(torch.zeros_like(attention.read))
    with torch.enable_grad():
        read = attention.read.clone().requires_grad_()
        found_queries, found_keys = attention.queries_and_keys(read)
        matrices = (
            _derivative(found_queries[query, head], read, query),
            _derivative(found_keys[key, group], read, key),
        )
    maps = (
        ReadMap(matrices[0], biases[0][query, head], queries[query, head]),
        ReadMap(matrices[1], biases[1][key, group], keys[key, group]),
    )
    for kind, position, one in (("q", query, maps[0]), ("k", key, maps[1])):
        error = relative_error(one.matrix @ attention.read[0, position].float() + one.bias, one.value)
        if not error <= _LIMIT:
            raise UnsupportedModel(
                f"Attention scores of {model.name} cannot be split at '{kind}.{layer}':",
                f"its frozen linear map is off by {error:.1e} (at most {_LIMIT:.0e}).",
                "Load the model in float32; see `hooke model check`.",
            )
    with torch.no_grad():
        return ScoreMap(*maps, scale=_scale(attention, head))


def _called(model: Model, tokens: Tensor, layer: int) -> tuple[_Attention, Tensor, Tensor]:
    """The layer's attention in a run of the model, with that run's queries and keys."""
    module = model.anatomy.attention[layer]
    q, k, read = (Site(kind, layer) for kind in ("q", "k", "attn_in"))
    running = Pass(model.anatomy, frozenset({q, k, read}), {}, lambda _, value: value.clone(), stop_at=k)
    with (
        torch.no_grad(),
        model.open(running),
        recorded([module]) as calls,
        recording(module) as records,
        suppress(Stop),
    ):
        model.hf(input_ids=tokens[None].to(model.device), use_cache=False)
    with torch.no_grad():
        norms = {part: _frozen(part, records[part]) for part in module.modules() if _is_one_norm(part, records)}
    found = running.read
    return _Attention(model, layer, calls[0], found[read], norms), found[q][0].float(), found[k][0].float()


def _is_one_norm(module: nn.Module, records: Mapping[nn.Module, Record]) -> bool:
    record = records.get(module)
    return is_norm(module) and not list(module.children()) and record is not None and record.returned is not None


def _frozen(norm: nn.Module, record: Record) -> Callable[[Tensor], Tensor]:
    x, y = record.read, record.returned
    assert x is not None
    assert y is not None
    found = norm_map(norm, x.shape[-1], x.device)
    unscaled = _centred(found, x) * found.gain
    inverse = ((y - found.bias) * unscaled).sum(-1, keepdim=True) / unscaled.square().sum(-1, keepdim=True).clamp_min(
        1e-30
    )
    return partial(_apply, found, inverse)


def _apply(norm: NormMap, inverse: Tensor, x: Tensor) -> Tensor:
    return _centred(norm, x) * norm.gain * inverse + norm.bias


def _centred(norm: NormMap, x: Tensor) -> Tensor:
    return x - x.mean(-1, keepdim=True) if norm.is_centred else x


def _derivative(values: Tensor, read: Tensor, position: int) -> Tensor:
    rows = [torch.autograd.grad(value, read, retain_graph=True)[0][0, position] for value in values]
    return torch.stack(rows).float()


def _scale(attention: _Attention, head: int) -> float:
    """What the product of query and key is multiplied with, from two scores small enough for a cap to leave alone."""
    first = _slope(attention, head, 1.0)
    return _slope(attention, head, 0.1 / abs(first))


def _slope(attention: _Attention, head: int, size: float) -> float:
    model, layer = attention.model, attention.layer
    q, k, pattern = (Site(kind, layer) for kind in ("q", "k", "pattern"))
    places = torch.arange(attention.read.shape[1], device=model.device)[None]
    ratios = []
    for sign in (1.0, -1.0):
        running = Pass(
            anatomy=model.anatomy,
            captures=frozenset({pattern}),
            edits={
                site: [CompiledEdit(site, partial(_one_hot, one), None, "all")]
                for site, one in ((q, sign * size), (k, 1.0))
            },
            keep=lambda _, value: value,
            stop_at=pattern,
            moment=Moment(places, torch.tensor([places.shape[1]], device=model.device)),
        )
        with model.open(running), suppress(Stop):
            attention.call.again(attention.read)
        weights = running.read[pattern][0, head, 1].double().log()
        ratios.append(weights[1] - weights[0])
    return float((ratios[0] - ratios[1]) / (2 * size))


def _one_hot(size: float, value: Tensor, *_: object) -> Tensor:
    """Nothing but a number at the second position, the same for all heads."""
    new = torch.zeros_like(value)
    new[:, 1, :, 0] = size
    return new
