"""`hooke graph intervene`: what a graph claims, put to the model."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import RenderableType

from hooke.cli.answer import Answer
from hooke.cli.options import Everywhere, ModelOptions
from hooke.cli.terminal import note, table, title
from hooke.errors import BadRequest
from hooke.pages.numerals import interval, percent, signed, token_text

if TYPE_CHECKING:
    from hooke.circuits.trial import Trial


def intervene(
    ref: str,
    nodes: list[str],
    /,
    *,
    factor: float = 0.0,
    swap: str | None = None,
    swap_nodes: list[str] | None = None,
    model: str | None = None,
    controls: int = 20,
    seed: int = 0,
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Change nodes in the model itself, or swap them for another prompt's, beside what random ones do.

    All are changed together and nothing is frozen. The measured change of the first target stands beside what the
    graph foretells and what matched random neurons of the same layers and positions do when treated the same way.

    Parameters
    ----------
    ref
        A graph of the lab, or a file.
    nodes
        Ids of features, e.g. 12/345@7, or names of the graph's groups.
    factor
        What their activations are multiplied with; 0 ablates.
    swap
        A graph of another prompt with as many tokens. Its nodes are put in, with the activations that they have there.
    swap_nodes
        Ids or groups of that graph; the same names as in this one, unless given. May be given several times.
    model
        The model that the graph was made with, where its name alone does not open it.
    controls
        How often matched neurons are drawn; at least 20.
    seed
        Seed of the draws.
    """
    from hooke.circuits.graph_file import open_graph
    from hooke.circuits.supernodes import named_nodes
    from hooke.circuits.trial import trial
    from hooke.dictionaries import load_replacement

    if swap is None and swap_nodes:
        raise BadRequest("--swap-nodes stands without --swap.", "", "Say of which graph: --swap OTHER.")
    lab = everywhere.lab
    graph = open_graph(ref, lab)
    chosen = named_nodes(graph, nodes)
    other = None if swap is None else open_graph(swap, lab)
    put_in = [] if other is None else named_nodes(other, swap_nodes or nodes)
    if not graph.model:
        raise BadRequest("This graph cannot be tried.", "Another tool made it.", "Trace its prompt with `hooke trace`.")
    dictionary = "neurons" if graph.dictionary == "neurons" else load_replacement(graph.dictionary, lab=lab)
    found = trial(
        graph,
        loading.load(model or graph.model, lab),
        dictionary,
        chosen,
        factor=factor,
        inserted=None if other is None else (other, put_in),
        n_controls=controls,
        seed=seed,
    )
    return Answer(
        data={
            "graph": ref,
            "nodes": [node.id for node in chosen],
            "factor": factor,
            "swap": swap,
            "inserted": [node.id for node in put_in],
            **asdict(found),
            "is_outside": found.is_outside,
            "words": _words(found),
        },
        shown=(
            title("Intervention", graph.prompt),
            note(_changed(len(chosen), factor, other.prompt if other else None, len(put_in))),
            *_shown(found, graph.nodes[graph.targets[0]].name),
        ),
    )


def _shown(found: "Trial", target: str) -> tuple[RenderableType, ...]:
    return (
        table(
            ("target", "before>", "change>", "foretold>", "control, size>", "control, 95 % of draws>"),
            [(target or found.target, f"{found.base:.3f}", signed(found.measured), *_beside(found))],
        ),
        table(("next token", "before>", "next token", "after>"), _tokens(found)),
        note(_words(found)),
    )


def _changed(n_nodes: int, factor: float, other: str | None, n_inserted: int) -> str:
    swapped = "" if other is None else f" {n_inserted} put in with their activations in '{other}'."
    return f"{n_nodes} nodes multiplied by {factor:g}.{swapped}"


def _beside(found: "Trial") -> tuple[str, str, str]:
    bounds = found.control_interval
    return (
        "–" if found.predicted is None else signed(found.predicted),
        "–" if found.control is None else f"{found.control:.3f}",
        "–" if bounds is None else interval(bounds),
    )


def _tokens(found: "Trial") -> list[tuple[str, ...]]:
    return [
        (token_text(before[0]), percent(before[1]), token_text(after[0]), percent(after[1]))
        for before, after in zip(found.before, found.after, strict=True)
    ]


def _words(found: "Trial") -> str:
    if found.is_outside is None:
        return "No controls: none are drawn for transcoders, nor where the graph took every neuron of a place."
    where = "outside" if found.is_outside else "inside"
    return (
        f"The measured change lies {where} what {found.n_controls} draws of matched random neurons do: same layers and "
        "positions, like activations, treated the same way."
    )
