"""Nodes of a graph set to other activations in the model itself: nothing is frozen, everything downstream answers.

Many interventions run as rows of one batch. A neuron is set at its position; a transcoder's feature is changed by
adding (new - old activation) · decoder row to the MLP outputs that it writes, so that the dictionary's error stays.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.circuits.graph import Graph, Node
from hooke.dictionaries.replacement import Replacement
from hooke.errors import BadRequest
from hooke.models.hooks import CompiledEdit, Moment, Pass, Stop
from hooke.models.model import Model
from hooke.progress import track
from hooke.sites import Site

BATCH = 32

Intervention = Sequence[tuple[Node, float]]
"""Features, each with the activation that it gets; 0 ablates. A neuron below zero gets its activation with its sign."""


def scaled(nodes: Sequence[Node], factor: float) -> Intervention:
    """These features with their activations multiplied by a factor."""
    return [(node, factor * (node.activation or 0.0)) for node in nodes]


@dataclass(frozen=True, slots=True)
class _Change:
    """What happens to one row of a batch, at one position of a site."""

    row: int
    position: int
    new: tuple[int, float] | Tensor
    """A unit and the number that it is set to, or a vector that is added."""


def target_values(
    graph: Graph,
    model: Model,
    dictionary: Replacement | str,
    interventions: Sequence[Intervention],
    *,
    batch: int = BATCH,
) -> Float[Tensor, " intervention"]:
    """The first target's logit under each intervention; the mean logit is taken off unless it is a difference.

    Raises:
        BadRequest: the graph is of another model or dictionary, its first target is no token, or a node no feature.
    """
    found = [first_target(graph, logits) for logits in _batches(graph, model, dictionary, interventions, batch)]
    return torch.cat(found).cpu() if found else torch.zeros(0)


def next_logits(
    graph: Graph,
    model: Model,
    dictionary: Replacement | str,
    interventions: Sequence[Intervention],
    *,
    batch: int = BATCH,
) -> Float[Tensor, "intervention vocab"]:
    """All logits at the first target's position under each intervention, before a soft cap.

    Raises:
        BadRequest: see `target_values`.
    """
    found = [logits.cpu() for logits in _batches(graph, model, dictionary, interventions, batch)]
    return torch.cat(found) if found else torch.zeros(0, model.d_vocab)


def first_target(graph: Graph, logits: Float[Tensor, "row vocab"]) -> Float[Tensor, " row"]:
    """The first target's value in each row of logits; the mean logit is taken off unless it is a difference.

    Raises:
        BadRequest: the graph's first target is no token.
    """
    node = _target_token(graph)
    minus = logits.mean(-1) if node.other is None else logits[:, node.other]
    return logits[:, node.index] - minus


def _target_token(graph: Graph) -> Node:
    node = graph.nodes[graph.targets[0]]
    if node.index is None:
        raise BadRequest("The graph's first target is no token.", "", "Trace a token, or a difference of two.")
    return node


def _batches(
    graph: Graph, model: Model, dictionary: Replacement | str, interventions: Sequence[Intervention], batch: int
) -> Iterator[Float[Tensor, "row vocab"]]:
    require_own(graph, model, dictionary)
    node = _target_token(graph)
    groups = [interventions[start : start + batch] for start in range(0, len(interventions), batch)]
    for group in track(groups, "intervene", unit="interventions", size=len, total=len(interventions)):
        yield _logits(graph, model, _compiled(graph, model, dictionary, group), len(group), node)


def require_own(graph: Graph, model: Model, dictionary: Replacement | str) -> None:
    """Raises:
    BadRequest: the graph was made of another model or dictionary, or by another tool.
    """
    name = dictionary if isinstance(dictionary, str) else dictionary.name
    if graph.model != model.name or graph.dictionary != name or not graph.token_ids:
        raise BadRequest(
            f"This graph is of '{graph.model}' and '{graph.dictionary}'.",
            f"Given were '{model.name}' and '{name}'.",
            "Open what it was made with, or trace the prompt anew.",
        )
    if isinstance(dictionary, str) and dictionary != "neurons":
        raise BadRequest(f"'{dictionary}' is no basis.", "", "Give 'neurons' or a set of transcoders.")


def feature_values(
    graph: Graph,
    model: Model,
    dictionary: Replacement | str,
    interventions: Sequence[Intervention],
    readers: Sequence[Node],
    *,
    batch: int = BATCH,
) -> Float[Tensor, "intervention reader"]:
    """Neurons, below zero with their sign turned, or pre-activations of features, under each intervention.

    Raises:
        BadRequest: see `target_values`; or a reader is no feature.
    """
    require_own(graph, model, dictionary)
    places: dict[Site, list[int]] = defaultdict(list)
    for number, node in enumerate(readers):
        if node.kind != "feature" or node.layer is None:
            raise BadRequest(f"'{node.id}' is no feature.", "", "Only features can be read.")
        is_neuron = isinstance(dictionary, str)
        places[Site("neurons", node.layer) if is_neuron else dictionary.reads(node.layer)].append(number)
    if not readers:
        return torch.zeros(len(interventions), 0)
    positions = {site: [readers[number].position or 0 for number in numbers] for site, numbers in places.items()}
    stop_at = max(places, key=lambda site: site.layer or 0)
    found = []
    groups = [interventions[start : start + batch] for start in range(0, len(interventions), batch)]
    for group in track(groups, "intervene", unit="interventions", size=len, total=len(interventions)):
        read = _run(
            graph,
            model,
            _compiled(graph, model, dictionary, group),
            len(group),
            frozenset(places),
            lambda site, value: value[:, positions[site]].clone(),
            stop_at,
        )
        values = torch.zeros(len(group), len(readers))
        for site, numbers in places.items():
            values[:, numbers] = _read(read[site].float(), [readers[number] for number in numbers], dictionary).cpu()
        found.append(values)
    return torch.cat(found) if found else torch.zeros(0, len(readers))


def _read(
    values: Float[Tensor, "row reader d"], readers: Sequence[Node], dictionary: Replacement | str
) -> Float[Tensor, "row reader"]:
    indices = torch.tensor([node.index for node in readers], device=values.device)
    if isinstance(dictionary, str):
        width = values.shape[-1]
        signs = torch.where(indices < width, 1.0, -1.0)
        return values.gather(-1, (indices % width)[None, :, None].expand(len(values), -1, 1))[..., 0] * signs
    layer = readers[0].layer or 0
    rows, biases = dictionary.encoder_rows(layer, indices), dictionary.encoder_biases(layer, indices)
    found = (values * rows.to(values)).sum(-1) + biases.to(values)
    dictionary.release(layer)
    return found


def _logits(
    graph: Graph, model: Model, edits: dict[Site, list[CompiledEdit]], n_rows: int, node: Node
) -> Float[Tensor, "row vocab"]:
    last = Site("resid_post", model.n_layers - 1)
    captures = frozenset({last})
    read = _run(graph, model, edits, n_rows, captures, lambda _, value: value[:, node.position].clone(), last)
    with torch.no_grad():
        return _uncapped(model, read[last]).float()


def _run(
    graph: Graph,
    model: Model,
    edits: dict[Site, list[CompiledEdit]],
    n_rows: int,
    captures: frozenset[Site],
    keep: Callable[[Site, Tensor], Tensor],
    stop_at: Site,
) -> dict[Site, Tensor]:
    """What is kept of the graph's tokens, run with each row's edits."""
    ids = torch.tensor([graph.token_ids], device=model.device).expand(n_rows, -1)
    places = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    lengths = torch.full((n_rows,), ids.shape[1], device=ids.device)
    running = Pass(
        anatomy=model.anatomy,
        captures=captures,
        edits=edits,
        keep=keep,
        stop_at=stop_at,
        moment=Moment(places, lengths),
    )
    with model.open(running), torch.no_grad(), suppress(Stop):
        model.hf(input_ids=ids, use_cache=False)
    return running.read


def _uncapped(model: Model, stream: Tensor) -> Tensor:
    """Logits before a soft cap: what the graph's targets are."""
    norm, head = model.anatomy.final_norm, model.anatomy.unembedding
    assert norm is not None
    assert head is not None
    return head(norm(stream)) * float(getattr(model.config, "logit_scale", None) or 1.0)


def _compiled(
    graph: Graph, model: Model, dictionary: Replacement | str, group: Sequence[Intervention]
) -> dict[Site, list[CompiledEdit]]:
    changes: dict[Site, list[_Change]] = defaultdict(list)
    for row, intervention in enumerate(group):
        for node, value in intervention:
            if node.kind != "feature" or node.layer is None or node.position is None or node.index is None:
                raise BadRequest(f"'{node.id}' is no feature.", "", "Only features can be ablated, scaled or set.")
            if isinstance(dictionary, str):
                width = model.width(Site("neurons", node.layer))
                new = (node.index % width, value if node.index < width else -value)
                changes[Site("neurons", node.layer)].append(_Change(row, node.position, new))
                continue
            index, more = torch.tensor([node.index]), value - (node.activation or 0.0)
            for target in dictionary.targets(node.layer):
                vector = dictionary.decoder_rows(node.layer, index, target)[0] * more
                changes[Site("mlp_out", target)].append(_Change(row, node.position, vector))
    return {site: [CompiledEdit(site, _applied(some), None, "all")] for site, some in changes.items()}


def _applied(changes: Sequence[_Change]) -> Callable[[Tensor, CompiledEdit, Moment], Tensor]:
    def apply(value: Tensor, _: CompiledEdit, __: Moment) -> Tensor:
        edited = value.clone()
        for change in changes:
            if isinstance(change.new, Tensor):
                edited[change.row, change.position] += change.new.to(edited)
            else:
                unit, number = change.new
                edited[change.row, change.position, unit] = number
        return edited

    return apply
