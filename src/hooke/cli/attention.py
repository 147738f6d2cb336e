"""`hooke graph attention` and `hooke graph heads`: why a head looks where it looks, and which heads an edge took."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hooke.cli.answer import Answer
from hooke.cli.options import Everywhere, ModelOptions, ModelRef
from hooke.cli.terminal import note, table, title
from hooke.errors import BadRequest

if TYPE_CHECKING:
    import hooke.circuits.graph
    import hooke.dictionaries.replacement
    import hooke.lab
    import hooke.models.model


def attention(
    ref: str,
    /,
    *,
    head: str,
    query: int,
    key: int,
    against: int | None = None,
    top: int = 12,
    model: ModelRef | None = None,
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Show which pairs of nodes make a head look from one token to another.

    The score is that before mask and softmax; the pairs sum to it. A large part does not say that the key wins over
    other keys: give one of those with --against.

    Parameters
    ----------
    ref
        A graph of the lab, or a file.
    head
        Layer and head, e.g. 8.1.
    query
        Position of the token that looks, from 0 or from the end.
    key
        Position of the token that is looked at.
    against
        Another key, whose score is taken off.
    top
        How many pairs and nodes to show.
    model
        The graph's model; the one of its name unless given.
    """
    from hooke.circuits.qk import attention_score

    layer, number = head_place(head)
    graph, opened, dictionary = _open(ref, model, loading, everywhere.lab)
    found = attention_score(graph, opened, dictionary, layer=layer, head=number, query=query, key=key, against=against)
    pairs = found.pairs(top)
    sides = {
        "query": _strongest(found.query_nodes, found.by_query.tolist(), top),
        "key": _strongest(found.key_nodes, found.by_key.tolist(), top),
    }
    kinds = found.by_kinds()
    data = {"head": head, "query": found.query, "key": found.key, "against": found.against}
    data |= {"score": found.score, "total": found.total, "error": found.error, "weight": found.weight}
    data["pairs"] = [{"query": pair.query.id, "key": pair.key.id, "score": pair.score} for pair in pairs]
    data |= {f"by_{side}": [{"node": node.id, "score": score} for node, score in some] for side, some in sides.items()}
    data["by_kinds"] = [{"query": one, "key": other, "score": score} for (one, other), score in kinds.items()]
    rows = [
        (pair.query.id, _at(graph, pair.query), pair.key.id, _at(graph, pair.key), f"{pair.score:+.3f}")
        for pair in pairs
    ]
    return Answer(
        data=data,
        shown=(
            title(f"Head {head}", _places(graph, found.query, found.key, found.against)),
            note(
                f"Score {found.score:+.3f} before mask and softmax, weight {found.weight:.3f}. "
                f"All pairs sum to the score to {found.error:.0e} of it."
            ),
            table(("query's node", "at", "key's node", "at", "score>"), rows),
            table(
                ("on the query's side", "at", "with the whole key>"),
                [(node.id, _at(graph, node), f"{score:+.3f}") for node, score in sides["query"]],
            ),
            table(
                ("on the key's side", "at", "with the whole query>"),
                [(node.id, _at(graph, node), f"{score:+.3f}") for node, score in sides["key"]],
            ),
            table(
                ("query's kind", "key's kind", "score>"),
                [(*pair, f"{score:+.3f}") for pair, score in kinds.items() if abs(score) >= 5e-4],
            ),
        ),
    )


def heads(
    ref: str,
    source: str,
    target: str,
    /,
    *,
    top: int = 12,
    model: ModelRef | None = None,
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Show through which heads an edge of a graph came.

    Each path counts for its last step before the target: a head, or none where it stayed in the residual stream. The
    steps sum to the edge.

    Parameters
    ----------
    ref
        A graph of the lab, or a file.
    source
        The node where the edge begins, e.g. token@3 or 12/345@7.
    target
        The feature or target where it ends.
    top
        How many steps to show.
    model
        The graph's model; the one of its name unless given.
    """
    from hooke.circuits.edge_heads import edge_heads

    graph, opened, dictionary = _open(ref, model, loading, everywhere.lab)
    found = edge_heads(graph, opened, dictionary, source, target)
    size = max(sum(abs(step.weight) for step in found.steps), 1e-12)
    steps = [{"step": step.name, "weight": step.weight, "share": abs(step.weight) / size} for step in found.steps]
    rows = [(step["step"], f"{step['weight']:+.4f}", f"{step['share']:.1%}") for step in steps[:top]]
    left = sum(step.weight for step in found.steps[top:])
    more = f" {len(steps) - top:,} more steps sum to {left:+.4f}." if len(steps) > top else ""
    return Answer(
        data={"source": source, "target": target, "edge": found.edge, "total": found.total, "steps": steps},
        shown=(
            title(f"{source} → {target}", graph.prompt),
            table(("last step", "weight>", "share of |weights|>"), rows),
            note(f"The edge is {found.edge:+.4f}; all steps sum to {found.total:+.4f}.{more}"),
        ),
    )


def head_place(words: str) -> tuple[int, int]:
    """Layer and number of a head given as 8.1.

    Raises:
        BadRequest: it is not written so.
    """
    layer, dot, number = words.partition(".")
    if not (dot and layer.isdigit() and number.isdigit()):
        raise BadRequest(f"'{words}' is no head.", "", "Give layer and head, e.g. 8.1.")
    return int(layer), int(number)


def _open(
    ref: str, model: str | None, loading: ModelOptions, lab: "hooke.lab.Lab"
) -> "tuple[hooke.circuits.graph.Graph, hooke.models.model.Model, hooke.dictionaries.replacement.Replacement | str]":
    """A graph with what it was made with."""
    from hooke.circuits.graph_file import open_graph
    from hooke.dictionaries import load_replacement

    graph = open_graph(ref, lab)
    if not graph.token_ids:
        raise BadRequest(
            f"'{ref}' was made by another tool.", "It does not say with which model and tokens.", "Use `hooke trace`."
        )
    dictionary = "neurons" if graph.dictionary == "neurons" else load_replacement(graph.dictionary, lab=lab)
    return graph, loading.load(model or graph.model, lab), dictionary


def _strongest(
    nodes: "Iterable[hooke.circuits.graph.Node]", scores: list[float], top: int
) -> "list[tuple[hooke.circuits.graph.Node, float]]":
    return sorted(zip(nodes, scores, strict=True), key=lambda one: -abs(one[1]))[:top]


def _at(graph: "hooke.circuits.graph.Graph", node: "hooke.circuits.graph.Node") -> str:
    place = "" if node.position is None else f"'{graph.tokens[node.position]}' {node.position}"
    return place if node.kind == "token" else f"{node.name} {place}".strip()


def _places(graph: "hooke.circuits.graph.Graph", query: int, key: int, against: int | None) -> str:
    words = f"'{graph.tokens[query]}' {query} → '{graph.tokens[key]}' {key}"
    return words if against is None else f"{words}, against '{graph.tokens[against]}' {against}"
