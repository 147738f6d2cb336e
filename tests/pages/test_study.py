import pytest
from markupsafe import escape

from hooke.circuits.pairs import open_pairs
from hooke.pages.study import study_page, study_pictures
from hooke.specimens import build
from hooke.studies.evidence import Evidence, gather, halves


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    specimen = build("two-hop")
    return gather(specimen.model, "two-hop", *halves(open_pairs(specimen.model, specimen.pairs)))


def test_pictures_show_stream_heads_and_circuits(evidence: Evidence):
    drawn = {name: str(picture) for name, picture in study_pictures(evidence).items()}
    assert list(drawn) == ["stream", "heads", "edges"]
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
