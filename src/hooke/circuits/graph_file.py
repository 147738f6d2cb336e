"""Graphs as files: the field's JSON (metadata, qParams, nodes, links), with what it has no place for under "hooke".

What Neuronpedia and circuit-tracer's front end open. Their format keys error nodes and features of layer 0 alike, pairs
layer and feature into one number (Cantor), counts logits as a layer of their own, and has neither biases nor features
that were not taken up: rest nodes go out as errors, the constant stays in our block. Files of others are read by the
same function; what they lack is computed, and every link must lead upwards, which also rules out cycles.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy import ndarray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hooke.circuits.graph import Graph, Kind, Node, TraceSettings
from hooke.circuits.scores import influence, shares, weights
from hooke.configs import from_dict, to_dict
from hooke.errors import BadArtefact
from hooke.findings import Finding
from hooke.lab import Lab, read_json, write_json

MAX_EDGES = 100_000
"""Edges of a file; the others are summed up for each node."""
MAX_NODES, MAX_LINKS = 20_000, 2_000_000
"""What a file from outside may hold."""

_TYPES: dict[str, Kind] = {
    "cross layer transcoder": "feature",
    "transcoder": "feature",
    "lorsa": "feature",
    "mlp reconstruction error": "error",
    "lorsa error": "error",
    "embedding": "token",
    "logit": "logit",
    "bias": "constant",
}

Finite = Annotated[float, Field(allow_inf_nan=False)]


class _FileNode(BaseModel):
    model_config = ConfigDict(extra="allow")
    node_id: str
    layer: str | int
    ctx_idx: int
    feature_type: str
    feature: int | None = None
    clerp: str = ""
    activation: Finite | None = None
    token_prob: Finite = 0.0


class _Link(BaseModel):
    source: str
    target: str
    weight: Finite


class _Metadata(BaseModel):
    model_config = ConfigDict(extra="allow")
    slug: str
    scan: str | list[str] | None
    prompt_tokens: list[str]
    prompt: str


class _Marks(BaseModel):
    model_config = ConfigDict(extra="allow")
    pinnedIds: list[str] = []
    supernodes: list[list[str]] = []


class _Own(BaseModel):
    """Our block. Lists run along the nodes, or along those with incoming edges."""

    version: int
    model: str
    dictionary: str
    n_layers: int
    token_ids: list[int]
    node_ids: list[str]
    kinds: list[Kind]
    layers: list[int | None]
    positions: list[int | None]
    indices: list[int | None]
    others: list[int | None]
    names: list[str]
    values: list[Finite | None]
    weights: list[Finite]
    relevance: list[Finite | None]
    effects: list[Finite | None]
    frozen_effects: list[Finite | None]
    activations: list[Finite | None]
    hidden: list[Finite]
    constants: list[Finite]
    settings: dict[str, Any]
    measures: dict[str, Any]
    findings: list[dict[str, Any]]


class _File(BaseModel):
    model_config = ConfigDict(extra="allow")
    metadata: _Metadata
    qParams: _Marks = _Marks()
    nodes: list[_FileNode]
    links: list[_Link]
    hooke: _Own | None = None


def cantor(x: int, y: int) -> int:
    """The field's number for a pair of layer and feature."""
    return (x + y) * (x + y + 1) // 2 + y


def cantor_pair(number: int) -> tuple[int, int]:
    """The pair of a number."""
    diagonal = (math.isqrt(8 * number + 1) - 1) // 2
    y = number - diagonal * (diagonal + 1) // 2
    return diagonal - y, y


def save_graph(graph: Graph, path: Path, *, slug: str | None = None, max_edges: int = MAX_EDGES) -> None:
    """Write a graph; a reader sees the old file or the new one. Edges beyond `max_edges` are summed into `hidden`."""
    write_json(path, graph_json(graph, slug=slug or path.stem, max_edges=max_edges))


def keep_graph(graph: Graph, lab: Lab, id: str) -> Path:
    """The graph as `graphs/ID.json` of the lab.

    Raises:
        BadRequest: the id is no plain name.
    """
    path = lab.path("graphs", f"{id}.json")
    save_graph(graph, path)
    return path


def open_graph(ref: str, lab: Lab) -> Graph:
    """The graph of an id in the lab, or in a file.

    Raises:
        UnknownName: there is none.
        BadArtefact: see `load_graph`.
    """
    path = Path(ref).expanduser()
    if path.suffix == ".json" and path.is_file():
        return load_graph(path)
    return open_kept(ref, lab)


def open_kept(id: str, lab: Lab) -> Graph:
    """The graph of an id in the lab, to be changed and kept again.

    Raises:
        UnknownName: there is none.
        BadArtefact: see `load_graph`.
    """
    return load_graph(lab.find("graphs", f"{id}.json"))


def graph_ids(lab: Lab) -> list[str]:
    """Ids of the lab's graphs."""
    return [name.removesuffix(".json") for name in lab.names("graphs") if name.endswith(".json")]


def graph_json(graph: Graph, *, slug: str, max_edges: int = MAX_EDGES) -> dict[str, Any]:
    """The graph in the field's format, with our block."""
    graph = strongest(graph, max_edges)
    ids = file_ids(graph)
    shown = [number for number, node in enumerate(graph.nodes) if node.kind != "constant"]
    standing = _standing(graph)
    rows, columns = graph.weights.nonzero()
    constant = set(graph.numbers("constant"))
    return {
        "metadata": {
            "slug": slug,
            "scan": graph.model,
            "transcoder_list": [],
            "prompt_tokens": list(graph.tokens),
            "prompt": graph.prompt,
            "node_threshold": graph.measures.get("node_threshold"),
            "schema_version": 1,
            "info": {"generator": {"name": "hooke"}, "source_set": graph.dictionary},
        },
        "qParams": {
            "pinnedIds": [ids[graph.number(one)] for one in graph.pinned],
            "supernodes": [[name, *(ids[graph.number(one)] for one in members)] for name, members in graph.supernodes],
            "linkType": "both",
            "clickedId": "",
            "sg_pos": "",
        },
        "nodes": [_file_node(graph, number, ids[number], float(standing[number])) for number in shown],
        "links": [
            {"source": ids[column], "target": ids[row], "weight": _short(float(graph.weights[row, column]))}
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
            if column not in constant
        ],
        "hooke": _own(graph, ids),
    }


def strongest(graph: Graph, n: int) -> Graph:
    """The graph with its n strongest edges, by share of the target's input times the target's influence."""
    if graph.n_edges <= n:
        return graph
    here = influence(graph) + weights(graph)
    size = shares(graph) * here[: graph.n_rows, None]
    size[:, graph.numbers("constant")] = np.inf
    # An edge that conducts no influence still goes before no edge at all.
    size = np.where(graph.weights != 0, size + 1e-300, 0)
    least = np.partition(size.flatten(), -n)[-n]
    kept = np.where(size >= least, graph.weights, 0).astype(graph.weights.dtype)
    return graph.with_weights(kept)


def file_ids(graph: Graph) -> list[str]:
    """The field's id of each node, with a suffix where two would be the same."""
    ids = [_file_id(graph, node) for node in graph.nodes]
    taken = {id for id, node in zip(ids, graph.nodes, strict=True) if node.kind not in ("error", "rest")}
    return [
        f"{id}_{node.kind}" if node.kind in ("error", "rest") and id in taken or node.kind == "rest" else id
        for id, node in zip(ids, graph.nodes, strict=True)
    ]


def _file_id(graph: Graph, node: Node) -> str:
    if node.kind == "feature":
        return f"{node.layer}_{node.index}_{node.position}"
    if node.kind in ("error", "rest"):
        return f"0_{node.layer}_{node.position}"
    if node.kind == "token":
        return f"E_{node.index}_{node.position}"
    return f"{graph.n_layers + 1}_{_vocabulary_id(graph, node)}_{node.position}" if node.kind == "logit" else "constant"


def _vocabulary_id(graph: Graph, node: Node) -> int:
    """The token of a target; one that is no token gets a number beyond any vocabulary, told apart by its place."""
    return (
        node.index
        if node.index is not None and node.other is None
        else 1_000_000 + graph.targets.index(graph.nodes.index(node))
    )


def _file_node(graph: Graph, number: int, id: str, standing: float) -> dict[str, Any]:
    node, layer, position = graph.nodes[number], graph.nodes[number].layer, graph.nodes[number].position
    feature, shown, kind, script = -1, str(layer), "mlp reconstruction error", f"{layer}_{position}-0"
    if node.kind == "feature":
        assert layer is not None
        assert node.index is not None
        feature, kind, script = cantor(layer, node.index), "cross layer transcoder", f"{layer}_{node.index}-0"
    elif node.kind == "token":
        feature, shown, kind, script = position or 0, "E", "embedding", f"E_{node.index}-{position}"
    elif node.kind == "logit":
        feature, shown, kind = _vocabulary_id(graph, node), str(graph.n_layers + 1), "logit"
        script = f"L_{feature}-{position}"
    return {
        "node_id": id,
        "feature": feature,
        "layer": shown,
        "ctx_idx": position,
        "feature_type": kind,
        "token_prob": _short(node.weight),
        "is_target_logit": node.kind == "logit" and number == graph.targets[0],
        "run_idx": 0,
        "reverse_ctx_idx": 0,
        "jsNodeId": script,
        "clerp": f'Output "{node.name}" (p={node.weight:.3f})' if node.kind == "logit" else node.name,
        "influence": _short(standing) if node.kind in ("feature", "error", "rest") else None,
        "activation": None if node.activation is None else _short(node.activation),
    }


def _standing(graph: Graph) -> ndarray:
    """Share of the influence that is at least as strong as each node's: small is important."""
    found = influence(graph)
    order = np.argsort(-found, kind="stable")
    standing = np.empty_like(found)
    standing[order] = found[order].cumsum() / max(found.sum(), 1e-30)
    return standing


def _short(value: float) -> float:
    """Seven digits: all that a float32 has, without the tail of its double."""
    return float(f"{value:.7g}")


def _own(graph: Graph, ids: Sequence[str]) -> dict[str, Any]:
    nodes, constant = graph.nodes, graph.numbers("constant")
    return {
        "version": 1,
        "model": graph.model,
        "dictionary": graph.dictionary,
        "n_layers": graph.n_layers,
        "token_ids": list(graph.token_ids),
        "node_ids": list(ids),
        "kinds": [node.kind for node in nodes],
        "layers": [node.layer for node in nodes],
        "positions": [node.position for node in nodes],
        "indices": [node.index for node in nodes],
        "others": [node.other for node in nodes],
        "names": [node.name for node in nodes],
        "values": [node.value for node in nodes],
        "weights": [node.weight for node in nodes],
        "relevance": [node.relevance for node in nodes],
        "effects": [node.effect for node in nodes],
        "frozen_effects": [node.frozen_effect for node in nodes],
        "activations": [node.activation for node in nodes],
        "hidden": [float(value) for value in graph.hidden],
        "constants": [float(value) for value in graph.weights[:, constant].sum(1)],
        "settings": to_dict(graph.settings),
        "measures": graph.measures,
        "findings": [to_dict(finding) for finding in graph.findings],
    }


def load_graph(path: Path) -> Graph:
    """The graph in a file, ours or another tool's.

    Raises:
        BadArtefact: cut short, not of the format, too large, ids twice or unknown, a link that does not lead upwards.
    """
    data = read_json(path)
    try:
        file = _File.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _bad(path, f"{where or 'the file'}: {first['msg']} (found {str(first.get('input'))[:60]}).") from error
    if len(file.nodes) > MAX_NODES or len(file.links) > MAX_LINKS:
        found = f"It has {len(file.nodes):,} nodes and {len(file.links):,} links"
        raise _bad(path, f"{found}; at most {MAX_NODES:,} and {MAX_LINKS:,} are read.")
    return _ours(path, file, file.hooke) if file.hooke is not None else _foreign(path, file)


def _bad(path: Path, found: str) -> BadArtefact:
    return BadArtefact(f"'{path}' could not be read as an attribution graph.", found, "Export it again.")


def _ours(path: Path, file: _File, own: _Own) -> Graph:
    places = (own.kinds, own.layers, own.positions, own.indices, own.others)
    fields = ("kind", "layer", "position", "index", "other", "name", "activation", "value")
    fields += ("weight", "relevance", "effect", "frozen_effect")
    columns = (*places, own.names, own.activations, own.values)
    columns += (own.weights, own.relevance, own.effects, own.frozen_effects)
    try:
        nodes = tuple(Node(**dict(zip(fields, row, strict=True))) for row in zip(*columns, strict=True))
        n_rows = sum(node.kind in ("feature", "logit") for node in nodes)
        if len(own.node_ids) != len(nodes) or len(own.hidden) != n_rows or len(own.constants) != n_rows:
            raise ValueError("lists of different length")
    except ValueError as error:
        raise _bad(path, f"Its block 'hooke' does not fit itself: {error}.") from error
    matrix = _matrix(path, file, own.node_ids, nodes, n_rows, own.n_layers)
    for number, node in enumerate(nodes):
        if node.kind == "constant":
            matrix[:, number] = own.constants
    known = {id: node.id for id, node in zip(own.node_ids, nodes, strict=True)}
    return Graph(
        prompt=file.metadata.prompt,
        token_ids=tuple(own.token_ids),
        tokens=tuple(file.metadata.prompt_tokens),
        model=own.model,
        dictionary=own.dictionary,
        n_layers=own.n_layers,
        nodes=nodes,
        weights=matrix,
        hidden=np.array(own.hidden, np.float64),
        settings=from_dict(TraceSettings, own.settings),
        measures=own.measures,
        findings=tuple(from_dict(Finding, finding) for finding in own.findings),
        **_marks(path, file, known),
    )


def _foreign(path: Path, file: _File) -> Graph:
    n_layers = 0
    nodes: list[tuple[str, Node]] = []
    for number, one in enumerate(file.nodes):
        kind = _TYPES.get(one.feature_type)
        if kind is None:
            raise _bad(path, f"nodes.{number}: feature_type '{one.feature_type:.40}' is not known.")
        nodes.append((one.node_id, _foreign_node(path, number, one, kind)))
    layers = [node.layer for _, node in nodes if node.layer is not None]
    outermost = [int(one.layer) for one, (_, node) in zip(file.nodes, nodes, strict=True) if node.kind == "logit"]
    n_layers = max([layer + 1 for layer in layers] + [layer - 1 for layer in outermost] + [1])
    # Nodes with incoming edges stand first, features before targets.
    rank = {"feature": 0, "logit": 1}
    nodes.sort(key=lambda item: (rank.get(item[1].kind, 2), item[1].layer or 0))
    ids, found = [id for id, _ in nodes], tuple(node for _, node in nodes)
    n_rows = sum(node.kind in rank for node in found)
    if not any(node.kind == "logit" for node in found):
        raise _bad(path, "It has no logit node: there is nothing that it explains.")
    matrix = _matrix(path, file, ids, found, n_rows, n_layers)
    sums = matrix.sum(1, dtype=np.float64)
    found = tuple(replace(node, value=float(sums[at])) if at < n_rows else node for at, node in enumerate(found))
    return Graph(
        prompt=file.metadata.prompt,
        token_ids=(),
        tokens=tuple(file.metadata.prompt_tokens),
        model="",
        dictionary=str(file.metadata.scan),
        n_layers=n_layers,
        nodes=found,
        weights=matrix,
        hidden=np.zeros(n_rows),
        measures={"imported": True},
        **_marks(path, file, {id: node.id for id, node in zip(ids, found, strict=True)}),
    )


def _foreign_node(path: Path, number: int, one: _FileNode, kind: Kind) -> Node:
    layer = str(one.layer)
    if kind in ("feature", "error", "logit") and not layer.isdigit():
        raise _bad(path, f"nodes.{number}: layer '{layer:.20}' is no number.")
    index = one.feature
    if kind == "feature" and index is not None:
        first, second = cantor_pair(max(index, 0))
        index = second if first == int(layer) else index
    if kind == "token":
        token = one.node_id.split("_")[1:2]
        index = int(token[0]) if token and token[0].isdigit() else None
    quoted = one.clerp.partition('"')[2].rpartition('"')[0]
    return Node(
        kind=kind,
        layer=int(layer) if kind in ("feature", "error") else None,
        position=one.ctx_idx,
        index=index,
        name=quoted if kind == "logit" and quoted else one.clerp,
        activation=one.activation,
        weight=one.token_prob if kind == "logit" else 0.0,
    )


def _matrix(path: Path, file: _File, ids: Sequence[str], nodes: Sequence[Node], n_rows: int, n_layers: int) -> ndarray:
    twice = [id for id, n in Counter(ids).items() if n > 1]
    if twice:
        raise _bad(path, f"{len(twice)} node ids are there twice, e.g. '{twice[0]:.60}'.")
    number = {id: at for at, id in enumerate(ids)}
    height = [_height(node, n_layers) for node in nodes]
    matrix = np.zeros((n_rows, len(nodes)), np.float32)
    for at, link in enumerate(file.links):
        source, target = number.get(link.source), number.get(link.target)
        if source is None or target is None:
            missing = link.source if source is None else link.target
            raise _bad(path, f"links.{at}: there is no node '{missing:.60}'.")
        if target >= n_rows or height[source] >= height[target]:
            raise _bad(path, f"links.{at}: '{link.source:.60}' → '{link.target:.60}' does not lead upwards.")
        matrix[target, source] += link.weight
    return matrix


def _height(node: Node, n_layers: int) -> int:
    if node.kind == "logit":
        return n_layers + 1
    return -1 if node.layer is None else node.layer


def _marks(path: Path, file: _File, known: dict[str, str]) -> dict[str, Any]:
    """Pins and groups, by our ids; of nodes that the file does not have, none."""
    groups = [group for group in file.qParams.supernodes if group]
    return {
        "pinned": tuple(known[id] for id in file.qParams.pinnedIds if id in known),
        "supernodes": tuple((group[0], tuple(known[id] for id in group[1:] if id in known)) for group in groups),
    }
