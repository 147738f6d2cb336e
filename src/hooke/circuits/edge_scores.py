"""How much each edge matters for an answer: estimates from derivatives, and runs that tell.

    score(u -> v)  =  Σ (what u writes on the clean prompt - on the corrupted one) · ∂metric / ∂(what v reads)

Taken at the clean run that is edge attribution patching (EAP: Syed et al. 2023), which says nothing where the metric is
flat there. EAP-IG averages the derivative over runs between the corrupted and the clean prompt: of the embeddings
(inputs), or of one layer's writers at a time (activations) (Hanna et al. 2024). `exact` corrupts one edge and runs.
A score is positive where the edge speaks for the clean prompt's answer.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from hooke.circuits.components import (
    Batch,
    ComponentRun,
    Components,
    normed,
    open_batch,
    open_components,
    projected,
    run_mlp,
    run_plainly,
    run_weighted,
    write,
)
from hooke.circuits.edges import EdgeGraph
from hooke.circuits.pairs import Pairs
from hooke.errors import BadRequest, HookeError
from hooke.findings import Interval, bootstrap_interval
from hooke.models.linear_maps import NormMap
from hooke.models.model import Model
from hooke.models.projections import READS
from hooke.progress import track

_TOKENS = 128
"""Tokens of a chunk: derivatives with respect to every receiver are kept for all of them."""
_MOST_EXACT = 5000
"""Edges that are tried one by one; each is a run of the whole set."""


@dataclass(frozen=True, slots=True)
class EdgeScores:
    """Every edge's score on every pair."""

    graph: EdgeGraph
    method: str
    by_pair: Float[ndarray, "pair receiver sender"]
    """0 where there is no edge."""

    @property
    def mean(self) -> Float[ndarray, "receiver sender"]:
        """Over pairs."""
        return self.by_pair.mean(0, dtype=np.float64)

    def strongest(self, n: int) -> list[tuple[str, float]]:
        """Names and mean scores of the n edges of the largest size."""
        mean = self.mean
        # Where an edge's score is 0, one that is not there must not stand before it.
        sizes = np.where(self.graph.exists.numpy(), np.abs(mean), -1.0)
        places = np.argsort(-sizes, axis=None, kind="stable")[: min(n, self.graph.n_edges)]
        found = [divmod(int(place), mean.shape[1]) for place in places]
        return [(self.graph.name(*place), float(mean[place])) for place in found]

    def interval(self, edge: str, *, seed: int = 0) -> Interval | None:
        """95 % interval of an edge's mean score over pairs; None of a score of the set as a whole.

        Raises:
            UnknownName: there is no such edge.
        """
        values = self.by_pair[:, *self.graph.places(edge)]
        return bootstrap_interval(values, generator=np.random.default_rng(seed)) if len(values) > 1 else None


@dataclass(frozen=True, slots=True)
class PairRuns:
    """Some pairs, run clean and corrupted."""

    pairs: Pairs
    clean_batch: Batch
    clean: ComponentRun
    corrupted: ComponentRun


def runs_of(components: Components, pairs: Pairs) -> PairRuns:
    """Both runs of some pairs, component by component.

    Raises:
        HookeError: a run is not finite.
    """
    batch = open_batch(components, pairs.clean)
    clean = run_plainly(components, batch)
    corrupted = run_plainly(components, open_batch(components, pairs.corrupted))
    for name, run in (("clean", clean), ("corrupted", corrupted)):
        bad = ~run.final.isfinite().flatten(1).all(1)
        if bool(bad.any()):
            raise HookeError(
                f"The {name} prompt of pair {int(bad.int().argmax()) + 1} gives numbers that are not finite.",
                f"'{getattr(pairs.pairs[int(bad.int().argmax())], name)[-60:]}'.",
                "Leave the pair out, or check the model's weights.",
            )
    return PairRuns(pairs, batch, clean, corrupted)


def chunks(pairs: Pairs, task: str) -> Iterator[tuple[list[int], Pairs]]:
    """A few pairs at a time, with their places, under a progress bar."""
    size = max(1, _TOKENS // pairs.clean.ids.shape[1])
    places = [list(range(start, min(start + size, len(pairs)))) for start in range(0, len(pairs), size)]
    for chosen in track(places, task, unit="pairs", size=len, total=len(pairs)):
        yield chosen, pairs.some(chosen)


def eap(model: Model, pairs: Pairs) -> EdgeScores:
    """Edge attribution patching: first-order estimates at the clean run.

    Raises:
        UnsupportedModel: see `open_components`.
        HookeError: a run is not finite.
    """
    return _estimated(model, pairs, "eap", lambda parts, runs: _along(parts, runs, [1.0]))


def eap_ig_inputs(model: Model, pairs: Pairs, *, steps: int = 5) -> EdgeScores:
    """EAP-IG, derivatives averaged between the two prompts' embeddings, the corrupted end included and not the clean.

    Raises:
        UnsupportedModel, HookeError: see `eap`.
        BadRequest: there are no steps.
    """
    _require_steps(steps)
    shares = [step / steps for step in range(steps)]
    return _estimated(model, pairs, "eap-ig-inputs", lambda parts, runs: _along(parts, runs, shares))


def eap_ig_activations(model: Model, pairs: Pairs, *, steps: int = 5) -> EdgeScores:
    """EAP-IG, derivatives averaged between what one layer's heads, or its MLP, write on the two prompts.

    Each layer is a path of its own, so that this takes twice as many derivatives as there are layers times steps.

    Raises:
        UnsupportedModel, HookeError: see `eap`.
        BadRequest: there are no steps.
    """
    _require_steps(steps)
    shares = [step / steps for step in range(steps)]
    return _estimated(model, pairs, "eap-ig-activations", lambda parts, runs: _layer_by_layer(parts, runs, shares))


def _require_steps(steps: int) -> None:
    if steps < 1:
        raise BadRequest(f"Derivatives cannot be averaged over {steps} runs.", "", "Give at least one step.")


def exact(model: Model, pairs: Pairs, edges: Sequence[str] | None = None) -> EdgeScores:
    """The metric of the clean run less that of a run in which one edge carries what it carried in the corrupted run.

    Raises:
        UnsupportedModel, HookeError: see `eap`.
        BadRequest: all edges are asked for, of a model that has too many.
        UnknownName: there is no such edge.
    """
    components = open_components(model)
    graph = components.graph
    if edges is None and graph.n_edges > _MOST_EXACT:
        raise BadRequest(
            f"{model.name} has {graph.n_edges} edges.",
            f"Each takes a run of the whole set; at most {_MOST_EXACT} are tried.",
            "Use eap-ig-inputs, and try its strongest edges exactly.",
        )
    wanted = graph.exists if edges is None else graph.mask(edges)
    found = _empty(graph, pairs)
    for places, some in chunks(pairs, "edges"):
        runs = runs_of(components, some)
        with torch.no_grad():
            base = judged(model, some, runs.clean.final)
            for receiver, sender in wanted.nonzero().tolist():
                weights = graph.exists.float()
                weights[receiver, sender] = 0.0
                final = run_weighted(components, runs.clean_batch, runs.corrupted, weights)
                found[places, receiver, sender] = (base - judged(model, some, final)).cpu().numpy()
    return EdgeScores(graph, "exact", found)


def judged(model: Model, pairs: Pairs, final: Float[Tensor, "pair pos d_model"]) -> Float[Tensor, " pair"]:
    """The metric of runs that ended with these streams; only the last token's logits are made."""
    rows = torch.arange(len(pairs), device=final.device)
    return pairs.judge(model.unembed(final[rows, pairs.clean.lengths.to(final.device) - 1]))


def _empty(graph: EdgeGraph, pairs: Pairs) -> ndarray:
    return np.zeros((len(pairs), len(graph.receivers), len(graph.senders)), dtype=np.float32)


def _estimated(
    model: Model, pairs: Pairs, method: str, estimate: Callable[[Components, PairRuns], Tensor]
) -> EdgeScores:
    components = open_components(model)
    found, exists = _empty(components.graph, pairs), components.graph.exists
    for places, some in chunks(pairs, method):
        scores = estimate(components, runs_of(components, some))
        found[places] = torch.where(exists.to(scores.device), scores, 0.0).cpu().numpy()
    return EdgeScores(components.graph, method, found)


def _along(components: Components, runs: PairRuns, shares: Sequence[float]) -> Float[Tensor, "pair receiver sender"]:
    """Derivatives averaged over embeddings that are so much of the way from the corrupted to the clean prompt's."""
    clean, corrupted = runs.clean.written, runs.corrupted.written
    sums: Tensor | None = None
    for share in shares:
        slopes = slopes_of(components, runs, corrupted[0] + share * (clean[0] - corrupted[0]), 0)
        sums = slopes if sums is None else sums.add_(slopes)
    assert sums is not None
    return _products(sums / len(shares), clean - corrupted)


def _layer_by_layer(
    components: Components, runs: PairRuns, shares: Sequence[float]
) -> Float[Tensor, "pair receiver sender"]:
    graph, run = components.graph, runs.clean
    away = run.written - runs.corrupted.written
    found = torch.zeros(away.shape[1], len(graph.receivers), len(graph.senders), device=away.device)
    for depth, writers in _writers(graph):
        layer, is_mlp = divmod(depth, 2)
        stream = run.final if layer == graph.n_layers else (run.before_mlp if is_mlp else run.before_attention)[layer]
        first = len(graph.receivers) - 1 if layer == graph.n_layers else graph.reads(layer).start
        step = away[writers].sum(0)
        total = sum(slopes_of(components, runs, stream - (1 - share) * step, depth) for share in shares)
        assert isinstance(total, Tensor)
        found[:, first:, writers] = _products(total[first:] / len(shares), away[writers])
    return found


def _writers(graph: EdgeGraph) -> Iterator[tuple[int, slice]]:
    """The senders that write together, and the depth at which the stream has them; depth 2·layer is resid_pre."""
    yield 0, slice(0, 1)
    for layer in range(graph.n_layers):
        yield 2 * layer + (2 if graph.is_parallel else 1), graph.heads(layer)
        yield 2 * layer + 2, slice(graph.mlp(layer), graph.mlp(layer) + 1)


def _products(
    slopes: Float[Tensor, "receiver pair pos d_model"], away: Float[Tensor, "sender pair pos d_model"]
) -> Float[Tensor, "pair receiver sender"]:
    return slopes.transpose(0, 1).flatten(2) @ away.transpose(0, 1).flatten(2).mT


def slopes_of(
    components: Components, runs: PairRuns, stream: Float[Tensor, "pair pos d_model"], depth: int
) -> Float[Tensor, "receiver pair pos d_model"]:
    """The metric's derivative with respect to what each receiver reads, in a run that has this stream at a depth.

    Depth 2·layer is the stream before a layer's attention, 2·layer + 1 that before its MLP. Receivers before it have 0.
    """
    graph, model = components.graph, components.model
    found = stream.new_zeros(len(graph.receivers), *stream.shape)
    leaves: list[Tensor] = []
    streams: list[Tensor] = []
    with torch.enable_grad():
        for layer in range(depth // 2, graph.n_layers):
            before = stream
            if depth <= 2 * layer:
                added, own = _attended(components, runs.clean_batch, layer, stream)
                stream, leaves = stream + added, leaves + own
                streams.append(before.detach())
            leaf = torch.zeros_like(before, requires_grad=True)
            leaves.append(leaf)
            stream = stream + run_mlp(components, layer, (before if graph.is_parallel else stream) + leaf)
        leaves.append(torch.zeros_like(stream, requires_grad=True))
        metric = judged(model, runs.pairs, stream + leaves[-1]).sum()
        slopes = iter(torch.autograd.grad(metric, leaves))
    for layer in range(depth // 2, graph.n_layers):
        reads = graph.reads(layer)
        if depth <= 2 * layer:
            own = [next(slopes) for _ in range(len(READS))]
            found[reads] = _through_norm(components, layer, streams.pop(0), own).movedim(2, 0)
        found[reads.stop] = next(slopes)
    found[-1] = next(slopes)
    return found


def _attended(components: Components, batch: Batch, layer: int, stream: Tensor) -> tuple[Tensor, list[Tensor]]:
    """What attention adds, and leaves at each head's own query, keys and values before rotation."""
    attention, reads = components.maps.blocks[layer].attention, components.projections[layer].reads
    n_heads, d_head = attention.outputs.shape[:2]
    size = n_heads // len(reads["k"].columns)
    read = normed(attention.norm, stream)[:, :, None]
    shared = {kind: projected(reads[kind], read) for kind in READS}
    leaves = [stream.new_zeros(*stream.shape[:2], n_heads, d_head).requires_grad_() for _ in READS]
    own = dict(zip(READS, leaves, strict=True))
    values = [
        {"q": shared["q"] + own["q"]} | {kind: shared[kind] + own[kind][:, :, member::size] for kind in ("k", "v")}
        for member in range(size)
    ]
    heads, constant = write(components, batch, layer, values)
    return heads.sum(2) + constant, leaves


def _through_norm(
    components: Components, layer: int, stream: Tensor, slopes: Sequence[Float[Tensor, "pair pos head d_head"]]
) -> Float[Tensor, "pair pos reader d_model"]:
    """Derivatives with respect to the stream, of those with respect to queries, keys and values before rotation."""
    attention, reads = components.maps.blocks[layer].attention, components.projections[layer].reads
    parts = []
    for kind, slope in zip(READS, slopes, strict=True):
        matrix = reads[kind].matrix.to(slope)
        shared = matrix.repeat_interleave(slope.shape[2] // len(matrix), dim=0)
        parts.append(torch.einsum("bphe,hed->bphd", slope, shared))
    return _norm_adjoint(attention.norm, stream, torch.cat(parts, dim=2))


def _norm_adjoint(norm: NormMap | None, stream: Tensor, slopes: Tensor) -> Tensor:
    """Of slopes behind a norm, those in front of it; for many readers of one stream at once."""
    if norm is None:
        return slopes
    with torch.enable_grad():
        x = stream[:, :, None].expand_as(slopes).clone().requires_grad_()
        return torch.autograd.grad(norm.module(x), x, slopes)[0]
