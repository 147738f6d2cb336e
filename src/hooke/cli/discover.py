"""`hooke discover`: which edges between a model's components make up the circuit of a task."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from hooke.cli.answer import Answer
from hooke.cli.claims import claims
from hooke.cli.options import Everywhere, ModelOptions, ModelRef
from hooke.cli.pair_sets import chosen_pairs, readable_pairs_of
from hooke.cli.terminal import note, table, title
from hooke.errors import BadRequest
from hooke.pages.numerals import measured, percent

if TYPE_CHECKING:
    from hooke.circuits.discover import Discovery
    from hooke.circuits.pairs import Pairs
    from hooke.models.model import Model

_ENOUGH = 0.8
_SUMMARY = {"size": "CMD", "score": "CPR"}


def discover(
    model: ModelRef,
    /,
    *,
    task: str | None = None,
    pairs: Path | None = None,
    method: str = "eap-ig-inputs",
    steps: int = 5,
    threshold: float = 0.01,
    mask_steps: int = 200,
    order: str = "size",
    metric: str | None = None,
    limit: int | None = None,
    top: int = 12,
    edges: int | None = None,
    out: Path | None = None,
    circuit: Path | None = None,
    seed: int = 0,
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Score every edge between a model's components, and measure what the strongest of them give back.

    Edges are scored on one half of the pairs. On the other half circuits of growing size are run, with every other
    edge corrupted, beside circuits of random edges. 1 is the model's whole answer, 0 that of the corrupted run.

    Parameters
    ----------
    task
        A set that comes with hooke: indirect-object, capitals, two-hop, agreement, greater-than, repeated-words,
        opinion.
    pairs
        Instead of a task: a file with lines {"clean", "corrupted", "answers", "wrong"}.
    method
        eap, eap-ig-inputs, eap-ig-activations, exact, acdc, masks, or random. exact and acdc need a run for each edge.
    steps
        Derivatives that EAP-IG averages.
    threshold
        Nats by which the removal of an edge that acdc keeps moves the answer.
    mask_steps
        Steps in which masks are learnt.
    order
        Edges are taken by the size of their score (summary: CMD, 0 is best), or by the score itself (CPR, 1 and more).
    metric
        logit (difference of means) or probability (difference of sums); the task's own, else logit.
    limit
        Use no more pairs than this.
    top
        How many edges to show.
    edges
        Size of the circuit that --out writes; else the smallest on the curve with 80 % of the answer.
    out
        Write the circuit as JSON, with the score of every edge (EAP-IG's form).
    circuit
        Instead of scoring: measure a circuit in that form, from here or from elsewhere, on all pairs.
    seed
        Seed of random edges, masks and intervals.
    """
    from hooke.circuits.circuit_file import Circuit, save_circuit
    from hooke.circuits.discover import DiscoverSettings, discover_and_measure
    from hooke.circuits.faithfulness import strongest

    settings = DiscoverSettings(method=method, steps=steps, threshold=threshold, mask_steps=mask_steps, seed=seed)
    if out is not None and circuit is not None:
        raise BadRequest("--circuit measures a circuit and writes none.", "", "Leave out --out or --circuit.")
    _require_some({"--edges": edges, "--limit": limit})
    given = chosen_pairs(task, pairs, metric)
    opened = loading.load(model, everywhere.lab)
    some, refused = readable_pairs_of(opened, given)
    some = some if limit is None else some.some(slice(0, limit))
    if circuit is not None:
        return _measured(opened, some, circuit, seed)
    found = discover_and_measure(opened, some, settings, orders=(order,))
    graph, n_kept = found.scores.graph, edges if edges is not None else found.enough(_ENOUGH).n_asked
    kept = graph.connected(strongest(found.scores, graph, n_kept, order=order))
    if out is not None:
        save_circuit(Circuit(graph, opened.d_model, found.scores.mean, kept), out)
    data = {"model": opened.name, "set": given.name, "settings": settings, "metric": some.metric, "refused": refused}
    written = (note(f"A circuit of {int(kept.sum())} edges is in {out}."),) if out else ()
    return Answer(data=data | _data(found, top), shown=(*_shown(found, top, f"{opened.name}, {given.name}"), *written))


def _require_some(given: dict[str, int | None]) -> None:
    for name, value in given.items():
        if value is not None and value < 1:
            raise BadRequest(f"{name} {value} leaves nothing.", "", "Give a number above 0.")


def _shown(found: "Discovery", top: int, where: str) -> tuple[RenderableType, ...]:
    best = found.scores.strongest(max(0, top))
    return (
        title(f"Edges by {found.scores.method}", where),
        *_words(found),
        _curve_table(found),
        note(_area_words(found)),
        *(claims([found.stability]) if found.stability else ()),
        table(("edge", "score>"), [(name, f"{score:+.4f}") for name, score in best]),
    )


def _data(found: "Discovery", top: int) -> dict[str, Any]:
    return {
        "n_scored": found.n_scored,
        "n_tried": len(found.curve.clean),
        "n_edges": found.scores.graph.n_edges,
        "clean": float(found.curve.clean.mean()),
        "corrupted": float(found.curve.corrupted.mean()),
        "order": found.curve.order,
        "summary": _SUMMARY[found.curve.order],
        "area": found.curve.area,
        "control_area": found.control.area,
        "points": found.curve.points,
        "control_points": found.control.points,
        "stability": found.stability,
        "strongest": [{"edge": name, "score": score} for name, score in found.scores.strongest(max(0, top))],
    }


def _measured(model: "Model", pairs: "Pairs", path: Path, seed: int) -> Answer:
    from hooke.circuits.circuit_file import load_circuit
    from hooke.circuits.components import open_components
    from hooke.circuits.edges import require_same
    from hooke.circuits.faithfulness import circuit_finding

    circuit = load_circuit(path)
    require_same(open_components(model).graph, circuit.graph)
    found = circuit_finding(model, pairs, circuit.kept, seed=seed)
    return Answer(
        data={"model": model.name, "circuit": path, "n_pairs": len(pairs), "finding": found},
        shown=(title(f"Circuit of {path.name}", model.name), *claims([found])),
    )


def _words(found: "Discovery") -> tuple[RenderableType, ...]:
    clean, corrupted = found.curve.clean, found.curve.corrupted
    return (
        note(
            f"{found.scores.graph.n_edges:,} edges, scored on {found.n_scored} pairs and tried on {len(clean)} "
            f"others, where the metric is {clean.mean():.3f} clean and {corrupted.mean():.3f} corrupted."
        ),
        note(
            f"On {percent(float(((clean > 0) & (corrupted < 0)).mean()))} of these the clean prompt prefers its answer "
            "and the corrupted one the other."
        ),
    )


def _curve_table(found: "Discovery") -> RenderableType:
    rows = [
        (
            percent(one.share),
            f"{one.n_edges:,} of {one.n_asked:,}",
            f"{one.n_nodes:,}",
            measured(one.faithfulness),
            measured(control.faithfulness),
        )
        for one, control in zip(found.curve.points, found.control.points, strict=True)
    ]
    return table(("edges asked>", "on a path>", "nodes>", "faithfulness (95 %)>", "random edges>"), rows)


def _area_words(found: "Discovery") -> str:
    name = _SUMMARY[found.curve.order]
    return f"{name} {measured(found.curve.area)}; random edges {measured(found.control.area)}"
