"""`hooke graph`: the graphs that the lab keeps."""

from pathlib import Path
from typing import TYPE_CHECKING

from hooke.cli.answer import Answer
from hooke.cli.options import Everywhere, ModelOptions
from hooke.cli.scores import score_table, scores
from hooke.cli.terminal import note, table, title
from hooke.errors import BadRequest

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
    model: str | None = None,
    strongest: int = 40,
    others: int = 60,
    seed: int = 0,
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Test a graph on the model itself: predicted effects against real ablations, beside controls.

    First the edges themselves are tested: a sample of sources is doubled in the frozen model, and every target must
    move by its edge. That speaks of the engine; the findings speak of the model. Both are kept with the graph.

    Parameters
    ----------
    ref
        A graph of the lab.
    model
        The model that it was made with, where its name alone does not open it.
    strongest
        How many of the features with the largest predicted effect are ablated.
    others
        How many random others of the graph are ablated.
    seed
        Seed of everything random.
    """
    from dataclasses import replace

    from hooke.circuits.constrained import constrained
    from hooke.circuits.graph_file import graph_ids, keep_graph, open_graph
    from hooke.circuits.validate import validate as validate_graph
    from hooke.dictionaries import load_replacement

    lab = everywhere.lab
    graph = open_graph(ref, lab)
    if not graph.model:
        raise BadRequest(
            "This graph cannot be tested.", "Another tool made it.", "Trace its prompt with `hooke trace`."
        )
    dictionary = "neurons" if graph.dictionary == "neurons" else load_replacement(graph.dictionary, lab=lab)
    opened = loading.load(model or graph.model, lab)
    tested = validate_graph(graph, opened, dictionary, n_strongest=strongest, n_random=others, seed=seed)
    exact = constrained(graph, opened, dictionary, seed=seed)
    tested = replace(tested, measures=tested.measures | {"constrained_error": exact.error})
    if ref in graph_ids(lab):
        keep_graph(tested, lab, ref)
    is_better = tested.measures["beats_controls"]
    words = "Each claim beats its control." if is_better else "Not every claim of this graph beats its control."
    return Answer(
        data={
            "graph": ref,
            "beats_controls": is_better,
            "findings": tested.findings,
            "constrained": exact,
            "downstream": tested.measures["downstream"],
        },
        shown=(
            title("Validation", graph.prompt),
            note(str(exact)),
            *(note(str(finding)) for finding in tested.findings),
            table(
                ("layers between>", "pairs>", "rank correlation>", "frozen model>", "cosine>", "normalised error>"),
                _bands(tested),
            ),
            note(words),
        ),
    )


def _bands(graph: "hooke.circuits.graph.Graph") -> list[tuple[str, ...]]:
    return [
        (
            f"{one['from']}-{one['to']}",
            f"{one['pairs']}",
            *(
                f"{one[key]:.2f}"
                for key in ("rank_correlation", "frozen_rank_correlation", "cosine", "normalised_error")
            ),
        )
        for one in graph.measures["downstream"]
    ]


def prune(
    ref: str,
    /,
    *,
    nodes: float = 0.8,
    edges: float = 0.98,
    name: str | None = None,
    out: Path | None = None,
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Make a graph small enough to read, with scores that count what was cut away.

    Parameters
    ----------
    ref
        A graph of the lab, or a file.
    nodes
        Share of the influence that the kept nodes hold.
    edges
        Share of what passes between them that the kept edges hold.
    name
        Keep the pruned graph in the lab by this name.
    out
        Write it to a file.
    """
    from hooke.circuits.graph_file import keep_graph, open_graph, save_graph
    from hooke.circuits.prune import prune as prune_graph

    lab = everywhere.lab
    graph = open_graph(ref, lab)
    small = prune_graph(graph, nodes=nodes, edges=edges)
    kept = None if name is None else keep_graph(small, lab, name)
    if out is not None:
        save_graph(small, out)
    counts = {"nodes": len(small.nodes), "edges": small.n_edges, "features": len(small.numbers("feature"))}
    before = {"nodes": len(graph.nodes), "edges": graph.n_edges, "features": len(graph.numbers("feature"))}
    rows = [(key, f"{before[key]:,}", f"{counts[key]:,}") for key in counts]
    return Answer(
        data=counts
        | {f"{key}_before": value for key, value in before.items()}
        | scores(small.measures)
        | {"kept": str(kept) if kept else None, "file": str(out) if out else None},
        shown=(
            title("Pruned graph", graph.prompt),
            table(("", "before>", "after>"), rows),
            score_table(small.measures),
            *(() if kept or out else (note("Not kept: give --name or --out."),)),
        ),
    )


def paths(
    ref: str,
    /,
    *,
    source: str | None = None,
    target: str | None = None,
    through: list[str] | None = None,
    avoiding: list[str] | None = None,
    unexplained: bool = False,
    top: int = 10,
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Show the strongest paths to a target, with their share of all.

    Parameters
    ----------
    ref
        A graph of the lab, or a file.
    source
        The node where paths begin, e.g. token@3 or 12/345@7. Without it, all tokens.
    target
        Where they end: a target or a feature. Without it, the first target.
    through
        A node that every path passes; may be given several times.
    avoiding
        A node that no path passes; may be given several times.
    unexplained
        Show paths too that begin in errors and in features that were not taken up.
    top
        How many paths to show.
    """
    from hooke.circuits.graph_file import open_graph
    from hooke.circuits.paths import described, top_paths, unexplained_ends

    graph = open_graph(ref, everywhere.lab)
    ends = [] if unexplained else unexplained_ends(graph, source, target)
    found = top_paths(
        graph,
        None if source is None else graph.number(source),
        graph.targets[0] if target is None else graph.number(target),
        n=top,
        through=[graph.number(id) for id in through or ()],
        avoiding=[*(graph.number(id) for id in avoiding or ()), *ends],
    )
    rows = [(f"{path.share:.2%}", "+" if path.sign > 0 else "-", described(graph, path)) for path in found]
    data = [
        {"nodes": [graph.nodes[at].id for at in path.nodes], "share": path.share, "sign": path.sign, "summary": words}
        for path, (_, _, words) in zip(found, rows, strict=True)
    ]
    together = f"Together {sum(path.share for path in found):.1%} of all such paths. " if found else "There are none. "
    return Answer(
        data={"paths": data},
        shown=(
            title("Strongest paths", graph.prompt),
            table(("share>", "sign", "summary, made from labels"), rows),
            note(f"{together}A path's strength is the product of its edges' shares of what each node receives."),
        ),
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
