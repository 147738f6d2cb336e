"""The study of spans of years: its sets of prompts."""

import pytest

from hooke.models.model import Model
from hooke.studies import greater_than
from tests.studies.wiring import given_by, prompts, require_apart


@pytest.mark.slow
def test_spans_are_tried_in_other_words(real_model: Model, monkeypatch: pytest.MonkeyPatch):
    found = given_by(monkeypatch, greater_than, real_model)
    require_apart(found, 30)
    assert found.first.metric == "probability"
    ((_, others),) = found.tried
    assert all(one.startswith("From 17") for one in prompts(others))
    assert others.metric == "probability"
