"""The page of a study: its findings beside their controls, and pictures of where the answer is carried."""

import numpy as np
from jaxtyping import Float
from markupsafe import Markup
from numpy import ndarray

from hooke.circuits.faithfulness import Curve
from hooke.circuits.places import PARTS
from hooke.pages.charts import Line, Point, line_chart
from hooke.pages.findings_table import findings_section
from hooke.pages.heat_map import heat_map
from hooke.pages.page import Section, fragment, page
from hooke.studies.evidence import Evidence
from hooke.studies.graphs import GraphEvidence

_EDGES = 20
_NAMED = 6
_CAPTIONS = {
    "stream": "1 where the stream of that part alone brings the clean answer back: denoising, on the second set.",
    "heads": "What a head brings to the answer: attribution patching, on the first set. Blue speaks against it.",
    "edges": "What the strongest edges alone give back, every other edge corrupted: on the second set.",
    "graphs": "Mean share of the neurons' influence on the answer, in attribution graphs of all clean prompts.",
}


_ABOUT = (
    "Brackets: 95 % bootstrap intervals over pairs of prompts. Shares of the way from one answer to the other are "
    "ratios of means."
)


def study_pictures(evidence: Evidence) -> dict[str, Markup]:
    """Pictures by name: the stream, the heads, what circuits of growing size give back, and what graphs say."""
    stream, heads, graphs = evidence.stream, evidence.heads, evidence.graphs
    found = {
        "stream": _by_part(stream.effects, "What the stream holds of the answer, by part of the prompt"),
        "heads": heat_map(
            heads.effects,
            [f"head {name}" for name in heads.columns],
            title="Each head on the first set: what is lost without it (estimated)",
            names="layer {layer}, {row}",
        ),
        "edges": _curve(evidence),
    }
    if graphs is None:
        return found
    return found | {"graphs": _by_part(graphs.influence, "Where graphs put the influence of neurons on the answer")}


def _by_part(values: Float[ndarray, "layer part"], title: str) -> Markup:
    held = [at for at in range(len(PARTS)) if not np.isnan(values[:, at]).all()]
    return heat_map(values[:, held], [PARTS[at] for at in held], title=title)


def study_page(evidence: Evidence, about: str, *, provenance: dict[str, str]) -> str:
    """The whole page."""
    drawn = study_pictures(evidence)
    edges = [(name, f"{score:+.3f}") for name, score in evidence.edges.strongest(_EDGES)]
    found = findings_section(evidence.findings, _ABOUT)
    pictures = Section(
        name="pictures",
        title="Where",
        body=fragment("pictures.html", pictures=[(picture, _CAPTIONS[name]) for name, picture in drawn.items()]),
    )
    circuit = Section(name="edges", title="The strongest edges", body=fragment("edges.html", edges=edges))
    sections = [found, pictures, circuit]
    if evidence.graphs is not None:
        sections.append(_named(evidence.graphs))
    return page(evidence.name.replace("-", " ").capitalize(), sections, lead=about, provenance=provenance)


def _named(graphs: GraphEvidence) -> Section:
    """The circuit that graphs have in common, and where they and patching part."""
    circuit = graphs.circuit
    rows = [
        (
            group.name,
            len(group.members),
            f"{sum(one.share for one in group.members):.1%}",
            circuit.reads(group.name),
            circuit.feeds(group.name),
            ", ".join(f"{one.layer}/{one.index}" for one in group.members[:_NAMED]),
        )
        for group in circuit.groups
    ]
    body = fragment(
        "named_circuit.html",
        rows=rows,
        n_graphs=graphs.n_graphs,
        max_nodes=graphs.settings.max_nodes,
        refused=graphs.refused,
        only_graphs=graphs.only_graphs(),
        only_patching=graphs.only_patching(),
    )
    return Section(name="graphs", title="What graphs have in common", body=body)


def _curve(evidence: Evidence) -> Markup:
    lines = [
        Line(name="circuit", role="treated", points=_points(evidence.curve)),
        Line(name="random", role="control", points=_points(evidence.control)),
    ]
    return line_chart(
        lines, title="Share of the answer that circuits give back", x_title="edges, % of all", levels=(1.0,)
    )


def _points(curve: Curve) -> tuple[Point, ...]:
    found = ((100 * one.share, one.faithfulness) for one in curve.points)
    return tuple(Point(x=x, y=one.value, low=one.interval[0], high=one.interval[1]) for x, one in found)
