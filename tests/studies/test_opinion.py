"""The study of opinions: its sets of prompts, and how often an opinion wins."""

import pytest

from hooke.circuits.pairs import open_pairs
from hooke.lab import Lab
from hooke.models.load import load
from hooke.specimens import build
from hooke.studies import opinion
from tests.studies.wiring import given_by, require_apart


@pytest.mark.slow
def test_the_opinion_wins_oftener_than_the_same_answer_without_it(real_lab: Lab, monkeypatch: pytest.MonkeyPatch):
    found = given_by(monkeypatch, opinion, load("smollm2-135m", lab=real_lab))
    require_apart(found, 30)
    won = found.more[0]
    assert won.control < 0.1 < 0.3 < won.value
    abouts = [about for about, _ in found.tried]
    assert abouts == ["where the opinion comes first, in other words", "on the question alone, asked of two countries"]


def test_an_opinion_wins_where_the_clean_prompt_prefers_its_answer():
    specimen = build("two-hop")
    pairs = open_pairs(specimen.model, specimen.pairs)
    found = opinion.won(specimen.model, pairs, pairs)
    assert (found.value, found.control, found.n) == (1, 0, len(pairs))
