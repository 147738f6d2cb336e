"""The study of induction: loss on what repeats, and where heads look."""

from functools import cache

import pytest

from hooke.models.model import Model
from hooke.studies import induction
from tests.studies.wiring import Given, given_by, require_apart


@pytest.mark.slow
def test_what_repeats_costs_less_than_what_is_new(real_model: Model, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(induction, "_SEQUENCES", 4)
    monkeypatch.setattr(induction, "look_back", lambda *_, **__: None)
    monkeypatch.setattr(Given, "heads", Heads(), raising=False)
    found = given_by(monkeypatch, induction, real_model)
    require_apart(found, 30)
    loss = found.more[0]
    assert loss.value < 6 < 10 < loss.control
    assert loss.n == 4


class Heads:
    """Stands in for what attribution says of heads."""

    def strongest(self, n: int) -> list[tuple[int, int]]:
        return [(0, at) for at in range(n)]


@pytest.mark.slow
def test_heads_that_look_back_are_told_from_the_others(real_model: Model, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(induction, "head_scores", cache(induction.head_scores))
    strongest = induction.head_scores(real_model, seed=0).strongest("induction", 2)
    found = induction.look_back(real_model, strongest)
    assert found.control is not None
    assert found.value > 0.5 > 0.2 > found.control
