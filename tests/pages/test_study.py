from dataclasses import replace

import pytest
from markupsafe import escape

from hooke.circuits.graph import TraceSettings
from hooke.circuits.pairs import open_pairs
from hooke.pages.study import study_page, study_pictures
from hooke.specimens import build
from hooke.studies.evidence import Evidence, gather, halves
from hooke.studies.graphs import graph_evidence


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    specimen = build("two-hop")
    first, second = halves(open_pairs(specimen.model, specimen.pairs))
    found = gather(specimen.model, "two-hop", first, second)
    few, settings = first.some(range(4)), TraceSettings(max_nodes=8, candidates=32)
    return found.with_graphs(graph_evidence(specimen.model, few, few, 1, unrelated=few, settings=settings))


def test_pictures_show_stream_heads_circuits_and_graphs(evidence: Evidence):
    drawn = {name: str(picture) for name, picture in study_pictures(evidence).items()}
    assert list(drawn) == ["stream", "heads", "edges", "graphs"]
    assert "last token, layer 1: +0." in drawn["graphs"]
    assert "between" not in drawn["graphs"]
    assert drawn["heads"].count("<rect") == 2 * 4
    assert "last token, layer 1: +1.0" in drawn["stream"]
    assert "random" in drawn["edges"]


def test_the_page_has_every_finding_beside_its_control(evidence: Evidence):
    html = study_page(evidence, "Is it so?", provenance={"seed": "0"})
    for one in evidence.findings:
        assert escape(one.claim) in html
        assert escape(one.control_name) in html
    assert "m1-&gt;logits" in html
    assert "Is it so?" in html
    assert evidence.graphs is not None
    assert "16 graphs" in html
    for group in evidence.graphs.circuit.groups:
        assert group.name in html


def test_a_page_without_graphs_has_no_section_of_them(evidence: Evidence):
    without = replace(evidence, graphs=None)
    assert list(study_pictures(without)) == ["stream", "heads", "edges"]
    assert "What graphs have in common" not in study_page(without, "", provenance={})
