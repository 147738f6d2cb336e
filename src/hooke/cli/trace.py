"""`hooke trace`: the attribution graph of a prompt."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hooke.cli.answer import Answer
from hooke.cli.options import Everywhere, ModelOptions, ModelRef
from hooke.cli.scores import score_table, scores
from hooke.cli.terminal import note, table, title

if TYPE_CHECKING:
    import hooke.circuits.graph

_MEASURES = ("nodes", "edges", "expanded", "active", "conservation_error")


def trace(
    model: ModelRef,
    prompt: str,
    /,
    *,
    dictionary: str = "neurons",
    target: list[str] | None = None,
    max_nodes: int = 1000,
    name: str | None = None,
    out: Path | None = None,
    show: int = 12,
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Trace what a model's next token is made of: nodes, edges, and an account that closes.

    Attention patterns and norm denominators are frozen on this prompt; between features everything is then linear, and
    edges are exact. What a graph claims of the model itself is a prediction until it is tested by ablation.

    Parameters
    ----------
    prompt
        The text; its next token is explained.
    dictionary
        "neurons", which need no training, or a set of transcoders in the lab.
    target
        A token such as "Paris", a difference such as "Paris - London", or a feature such as 11/402@8 (layer, number,
        position); may be given several times. Without it, the most probable next tokens.
    max_nodes
        Features that get incoming edges of their own, the most influential first.
    name
        Keep the graph in the lab by this name.
    out
        Write the graph to a file, in the JSON that Neuronpedia and circuit-tracer's front end open.
    show
        How many nodes to show.
    """
    from hooke.circuits.graph import TraceSettings
    from hooke.circuits.graph_file import keep_graph, save_graph
    from hooke.circuits.trace import trace as trace_graph
    from hooke.dictionaries import load_replacement

    lab = everywhere.lab
    opened = loading.load(model, everywhere.lab)
    basis = dictionary if dictionary == "neurons" else load_replacement(dictionary, lab=lab)
    graph = trace_graph(opened, basis, prompt, targets=target or (), settings=TraceSettings(max_nodes=max_nodes))
    kept = None if name is None else keep_graph(graph, lab, name)
    if out is not None:
        save_graph(graph, out)
    goals = [
        (f"'{graph.nodes[at].name}'", f"{graph.nodes[at].value:.3f}", f"{graph.nodes[at].weight:.3f}")
        for at in graph.targets
    ]
    data: dict[str, Any] = {"model": opened.name, "dictionary": graph.dictionary, "prompt": graph.prompt}
    data |= {key: graph.measures[key] for key in _MEASURES} | scores(graph.measures)
    data |= {key: graph.measures[key] for key in ("path_length", "seconds", "peak_mb")}
    data |= {"targets": goals, "kept": str(kept) if kept else None, "file": str(out) if out else None}
    return Answer(
        data=data,
        shown=(
            title("Attribution graph", f"{opened.name}, {graph.dictionary}"),
            table(("target", "logit above mean>", "weight>"), goals),
            score_table(graph.measures),
            table(("feature", "at token", "activation>", "relevance>", "predicted effect>"), _strongest(graph, show)),
            note(_words(graph.measures)),
        ),
    )


def _strongest(graph: "hooke.circuits.graph.Graph", n: int) -> list[tuple[str, ...]]:
    """The features whose removal is predicted to change the first target most."""
    features = (node for node in graph.nodes if node.kind == "feature")
    return [
        (
            f"{node.layer}/{node.index}",
            f"'{graph.tokens[node.position or 0]}' {node.position}",
            f"{node.activation:.3g}",
            f"{node.relevance:+.3f}",
            f"{node.effect:+.3f}",
        )
        for node in sorted(features, key=lambda node: -abs(node.effect or 0.0))[:n]
    ]


def _words(measures: dict[str, Any]) -> str:
    return (
        f"{measures['expanded']:,} of {measures['active']:,} active features expanded, {measures['nodes']:,} nodes, "
        f"{measures['edges']:,} edges, in {measures['seconds']:.1f} s. Incoming edges and constants give every node's "
        f"value to {measures['conservation_error']:.0e}. Predicted effects are the model's own derivative, not tested "
        "yet: hooke graph validate."
    )
