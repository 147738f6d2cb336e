"""The study of agreement: its sets of prompts."""

import pytest

from hooke.models.model import Model
from hooke.studies import agreement
from tests.studies.wiring import given_by, require_apart


@pytest.mark.slow
def test_plural_subjects_are_tried_on_singular_ones(real_model: Model, monkeypatch: pytest.MonkeyPatch):
    found = given_by(monkeypatch, agreement, real_model)
    require_apart(found, 20)
    assert {one.answers for one in found.first.pairs} == {(" are",)}
    assert {one.answers for one in found.second.pairs} == {(" is",)}
