"""`hooke trace`: the attribution graph of a prompt, or one of each prompt of a file."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hooke.cli.answer import Answer
from hooke.cli.options import Everywhere, ModelOptions, ModelRef
from hooke.cli.scores import score_table, scores
from hooke.cli.terminal import note, table, title
from hooke.errors import BadRequest, HookeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hooke.circuits.graph import Graph
    from hooke.circuits.plan import Plan
    from hooke.circuits.targets import Probe
    from hooke.lab import Lab
    from hooke.text.prompt_sets import NamedPrompt

_MEASURES = ("nodes", "edges", "expanded", "active", "conservation_error")
_COST = ("path_length", "seconds", "estimated_seconds", "peak_mb", "estimated_mb")


def trace(
    model: ModelRef,
    prompt: str | None = None,
    /,
    *,
    prompts: Path | None = None,
    dictionary: str = "neurons",
    target: list[str] | None = None,
    max_nodes: int = 1000,
    name: str | None = None,
    out: Path | None = None,
    show: int = 12,
    ablations: int = 40,
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
    prompts
        Instead of a prompt a file of them: text with one a line, or .jsonl with "prompt" and maybe "name" and
        "targets". Each graph is kept as NAME-1, NAME-2, ...; what cannot be traced is told at the end.
    dictionary
        "neurons", which need no training, or a set of transcoders in the lab.
    target
        A token such as "Paris", a difference such as "Paris - London", a feature such as 11/402@8 (layer, number,
        position), a feature of a dictionary that reads the stream, such as resid_post.15/12@smollm2-res, or a direction
        in a file, such as probe.npy@resid_post.15; the last two may end in a position, such as :4. May be given several
        times. Without it, the most probable next tokens.
    max_nodes
        Features that get incoming edges of their own, the most influential first.
    name
        Keep the graph in the lab by this name.
    out
        Write the graph to a file, in the JSON that Neuronpedia and circuit-tracer's front end open.
    show
        How many nodes to show.
    ablations
        How many features are ablated in the model itself, to say how well predicted effects rank them; 0 for none.
    """
    from hooke.circuits.graph import TraceSettings
    from hooke.circuits.graph_file import keep_graph, save_graph
    from hooke.circuits.probes import targets_of
    from hooke.circuits.trace import trace as trace_graph
    from hooke.circuits.validate import can_rank, with_ranks
    from hooke.dictionaries import load_replacement
    from hooke.dictionaries.carried import carried_words
    from hooke.text.prompt_sets import read_prompts

    if (prompt is None) == (prompts is None):
        raise BadRequest("A trace takes a prompt, or a file of prompts.", "Found neither, or both.", "See --prompts.")
    if prompts is not None and (name is None or out is not None):
        raise BadRequest("Graphs of a file of prompts are kept in the lab.", "", "Give --name, and no --out.")
    lab = everywhere.lab
    asked = None if prompts is None else read_prompts(prompts)
    wanted = targets_of(target or [], lab, with_files=True)
    opened = loading.load(model, lab)
    basis = dictionary if dictionary == "neurons" else load_replacement(dictionary, lab=lab)
    settings = TraceSettings(max_nodes=max_nodes)

    def traced(text: str, targets: "Sequence[str | Probe]") -> "Graph":
        graph = trace_graph(opened, basis, text, targets=targets, settings=settings, tell=_tell)
        return with_ranks(graph, opened, basis, n=ablations) if ablations and can_rank(graph) else graph

    if asked is None:
        assert prompt is not None
        graph = traced(prompt, wanted)
        kept = None if name is None else keep_graph(graph, lab, name)
        if out is not None:
            save_graph(graph, out)
        words = None if dictionary == "neurons" else f"{dictionary}: {carried_words(dictionary, lab)}"
        return _one(graph, show, words, {"kept": str(kept) if kept else None, "file": str(out) if out else None})
    assert name is not None
    return _each(asked, name, lab, wanted, traced)


def _each(
    asked: "Sequence[NamedPrompt]",
    name: str,
    lab: "Lab",
    wanted: "Sequence[str | Probe]",
    traced: "Callable[[str, Sequence[str | Probe]], Graph]",
) -> Answer:
    """Trace and keep a graph of each prompt; one that is refused stops no other."""
    from hooke.circuits.graph_file import keep_graph
    from hooke.circuits.probes import targets_of

    graphs: dict[str, Graph] = {}
    refused: dict[str, str] = {}
    for one in asked:
        called = f"{name}-{one.name}"
        try:
            found = traced(one.text, targets_of(list(one.targets), lab, with_files=True) or wanted)
            keep_graph(found, lab, called)
            graphs[called] = found
        except HookeError as error:
            refused[called] = str(error)
    return _many(graphs, refused)


def _tell(plan: "Plan") -> None:
    sys.stderr.write(f"trace: {plan}\n")


def _one(graph: "Graph", show: int, carried: str | None, where: dict[str, str | None]) -> Answer:
    goals = _goals(graph)
    return Answer(
        data=_data(graph) | {"targets": goals} | where,
        shown=(
            title("Attribution graph", f"{graph.model}, {graph.dictionary}"),
            table(("target", "value>", "weight>"), goals),
            score_table(graph.measures),
            table(("feature", "at token", "activation>", "relevance>", "predicted effect>"), _strongest(graph, show)),
            note(_words(graph.measures)),
            *((note(carried),) if carried else ()),
            *(note(str(finding)) for finding in graph.findings),
            note(
                "This is one test of the graph's claims; all of them: hooke graph validate."
                if graph.findings
                else "Predicted effects are not tested on the model yet: hooke graph validate."
            ),
        ),
    )


def _many(graphs: dict[str, "Graph"], refused: dict[str, str]) -> Answer:
    rows = [
        (
            called,
            graph.prompt,
            ", ".join(f"'{graph.nodes[at].name}'" for at in graph.targets[:3]),
            f"{graph.measures['nodes']:,}",
            f"{graph.measures['replacement_corrected']:.2f}",
            f"{graph.measures['completeness_corrected']:.2f}",
            f"{graph.findings[0].value:.2f}" if graph.findings else "–",
            f"{graph.measures['seconds']:.1f}",
        )
        for called, graph in graphs.items()
    ]
    heads = ("graph", "prompt", "targets", "nodes>", "replacement>", "completeness>", "rank correlation>", "seconds>")
    return Answer(
        data={
            "graphs": [
                {"graph": called} | _data(graph) | {"targets": _goals(graph)} for called, graph in graphs.items()
            ],
            "refused": refused,
        },
        shown=(
            title("Attribution graphs", f"{len(graphs)} kept, {len(refused)} refused"),
            *((table(heads, rows),) if rows else ()),
            *(note(f"{called}: {why}") for called, why in refused.items()),
            *((note("What they have in common: hooke graph aggregate."),) if len(rows) > 1 else ()),
        ),
        exit_code=1 if refused else 0,
    )


def _data(graph: "Graph") -> dict[str, Any]:
    data: dict[str, Any] = {"model": graph.model, "dictionary": graph.dictionary, "prompt": graph.prompt}
    data |= {key: graph.measures[key] for key in _MEASURES} | scores(graph.measures)
    return data | {key: graph.measures[key] for key in _COST} | {"findings": graph.findings}


def _goals(graph: "Graph") -> list[tuple[str, str, str]]:
    return [
        (f"'{graph.nodes[at].name}'", f"{graph.nodes[at].value:.3f}", f"{graph.nodes[at].weight:.3f}")
        for at in graph.targets
    ]


def _strongest(graph: "Graph", n: int) -> list[tuple[str, ...]]:
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
        f"value to {measures['conservation_error']:.0e}. Predicted effects are the model's own derivative."
    )
