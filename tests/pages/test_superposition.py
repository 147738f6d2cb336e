"""Pictures of toy models: where things stand, and files that stand alone."""

import re
from xml.etree import ElementTree

import pytest
from markupsafe import escape

from hooke.pages.picture_files import standalone
from hooke.pages.superposition import pictures, superposition_page
from hooke.specimens.superposition import EXPERIMENTS, Effort, Experiment, superposition


@pytest.fixture(scope="module")
def experiments() -> tuple[Experiment, ...]:
    return superposition(effort=Effort(steps=0.02, seeds=0.1))


def test_every_experiment_has_a_picture_that_is_well_formed(experiments: tuple[Experiment, ...]):
    drawn = pictures(experiments)
    assert set(drawn) == {one.name for one in experiments}
    for picture in drawn.values():
        file = standalone(picture)
        assert ElementTree.fromstring(file).tag == "{http://www.w3.org/2000/svg}svg"
        assert "nan" not in file
        assert len(file) < 100_000


def test_a_cell_is_drawn_as_its_fate(experiments: tuple[Experiment, ...]):
    phases = next(one for one in experiments if one.name == "phases")
    cells = [int(one) for one in re.findall(r'class="fate-(\d)"', pictures([phases])["phases"])]
    first = phases.data["diagrams"][0]["trained"]
    assert cells[: len(first) ** 2] == [fate for row in first for fate in row]


def test_the_page_holds_every_claim(experiments: tuple[Experiment, ...]):
    html = superposition_page(experiments, provenance={"seed": "0"})
    assert html.count("<svg") == len(EXPERIMENTS)
    for one in experiments:
        assert one.title in html
        for claim in one.claims:
            assert escape(claim.finding.claim) in html
