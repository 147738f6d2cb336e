"""`hooke graph`: the graphs that the lab keeps."""

from pathlib import Path
from typing import TYPE_CHECKING

from hooke.cli.answer import Answer
from hooke.cli.options import Everywhere, ModelOptions, ModelRef
from hooke.cli.terminal import note, table, title

if TYPE_CHECKING:
    import hooke.circuits.graph


def list_graphs(*, everywhere: Everywhere = Everywhere()) -> Answer:
    """List the attribution graphs in the lab."""
    from hooke.circuits.graph_file import graph_ids, open_graph

    lab = everywhere.lab
    graphs = {id: open_graph(id, lab) for id in graph_ids(lab)}
    rows = [
        (id, graph.model, graph.dictionary, f"{len(graph.nodes):,}", f"{graph.n_edges:,}", graph.prompt[-48:])
        for id, graph in graphs.items()
    ]
    return Answer(
        data={
            "graphs": [
                dict(zip(("id", "model", "dictionary", "nodes", "edges", "prompt"), row, strict=True)) for row in rows
            ]
        },
        shown=(
            title("Graphs", str(lab.root)),
            table(("id", "model", "features of", "nodes>", "edges>", "prompt"), rows),
            *(() if rows else (note('There are none yet. Make one: hooke trace MODEL "prompt" --name NAME'),)),
        ),
    )


def show(ref: str, /, *, node: str | None = None, top: int = 12, everywhere: Everywhere = Everywhere()) -> Answer:
    """Show a graph's most influential nodes, or one node's strongest edges.

    Parameters
    ----------
    ref
        A graph of the lab, or a file; files of other tools are read too.
    node
        The node whose edges to show, e.g. 12/345@7 or logit/6218.
    top
        How many nodes or edges to show.
    """
    import numpy as np

    from hooke.circuits.graph_file import open_graph
    from hooke.circuits.scores import influence

    graph = open_graph(ref, everywhere.lab)
    heading = title("Attribution graph", f"{graph.model or 'made by another tool'}: {graph.prompt}")
    if node is None:
        found = influence(graph)
        order = np.argsort(-found, kind="stable")[:top]
        rows = [(graph.nodes[at].id, _words(graph, at), f"{found[at]:.4f}") for at in order.tolist() if found[at] > 0]
        data = {"nodes": [{"id": id, "at": words, "influence": value} for id, words, value in rows]}
        return Answer(data=data, shown=(heading, table(("node", "at", "influence>"), rows)))
    number = graph.number(node)
    edges = (
        [(other, float(graph.weights[number, other])) for other in range(len(graph.nodes))]
        if number < graph.n_rows
        else []
    )
    outgoing = [(row, float(graph.weights[row, number])) for row in range(graph.n_rows)]
    parts = {"from": edges, "to": outgoing}
    rows = [
        (side, graph.nodes[at].id, _words(graph, at), f"{weight:+.4f}")
        for side, found in parts.items()
        for at, weight in sorted(found, key=lambda one: -abs(one[1]))[:top]
        if weight
    ]
    data = {"node": node, "edges": [dict(zip(("side", "node", "at", "weight"), row, strict=True)) for row in rows]}
    return Answer(data=data, shown=(heading, table(("", "node", "at", "weight>"), rows)))


def _words(graph: "hooke.circuits.graph.Graph", at: int) -> str:
    node = graph.nodes[at]
    place = "" if node.position is None else f"'{graph.tokens[node.position]}' {node.position}"
    return f"{node.name or ''} {place}".strip() if node.kind != "token" else place


def validate(
    ref: str,
    /,
    *,
    model: ModelRef,
    strongest: int = 40,
    others: int = 60,
    seed: int = 0,
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Test a graph on the model itself: predicted effects against real ablations, beside controls.

    The findings are kept with the graph.

    Parameters
    ----------
    ref
        A graph of the lab.
    strongest
        How many of the features with the largest predicted effect are ablated.
    others
        How many random others of the graph are ablated.
    seed
        Seed of everything random.
    """
    from hooke.circuits.graph_file import graph_ids, keep_graph, open_graph
    from hooke.circuits.validate import validate as validate_graph
    from hooke.dictionaries import load_replacement

    lab = everywhere.lab
    graph = open_graph(ref, lab)
    dictionary = "neurons" if graph.dictionary == "neurons" else load_replacement(graph.dictionary, lab=lab)
    opened = loading.load(model, lab)
    tested = validate_graph(graph, opened, dictionary, n_strongest=strongest, n_random=others, seed=seed)
    if ref in graph_ids(lab):
        keep_graph(tested, lab, ref)
    is_better = tested.measures["beats_controls"]
    words = "Each claim beats its control." if is_better else "Not every claim of this graph beats its control."
    return Answer(
        data={"graph": ref, "beats_controls": is_better, "findings": tested.findings},
        shown=(title("Validation", graph.prompt), *(note(str(finding)) for finding in tested.findings), note(words)),
    )


def export(ref: str, file: Path, /, *, max_edges: int = 100_000, everywhere: Everywhere = Everywhere()) -> Answer:
    """Write a graph as the JSON that Neuronpedia and circuit-tracer's front end open.

    Parameters
    ----------
    ref
        A graph of the lab, or a file.
    file
        Where to write it.
    max_edges
        The strongest edges that are written; the others are summed up for each node.
    """
    from hooke.circuits.graph_file import open_graph, save_graph, strongest

    graph = open_graph(ref, everywhere.lab)
    save_graph(graph, file, max_edges=max_edges)
    n = strongest(graph, max_edges).n_edges
    return Answer(
        data={"file": str(file), "nodes": len(graph.nodes), "edges": n},
        shown=(note(f"{len(graph.nodes):,} nodes and {n:,} edges written to {file}."),),
    )
