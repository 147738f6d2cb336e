"""The study of capitals: its sets of prompts."""

import pytest

from hooke.models.model import Model
from hooke.studies import capitals
from tests.studies.wiring import given_by, prompts, require_apart


@pytest.mark.slow
def test_the_circuit_of_questions_is_tried_in_other_words(real_model: Model, monkeypatch: pytest.MonkeyPatch):
    found = given_by(monkeypatch, capitals, real_model)
    require_apart(found, 30)
    ((about, others),) = found.tried
    assert "other words" in about
    assert len(others) >= 20
    assert not prompts(others) & (prompts(found.first) | prompts(found.second))
    said = found.more[0]
    assert said.value > 0.6 > 0.2 > said.control
