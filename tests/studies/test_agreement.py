"""The study of agreement: its sets of prompts."""

import pytest

from hooke.lab import Lab
from hooke.models.load import load
from hooke.studies import agreement
from tests.studies.wiring import given_by, require_apart


@pytest.mark.slow
def test_plural_subjects_are_tried_on_singular_ones(real_lab: Lab, monkeypatch: pytest.MonkeyPatch):
    found = given_by(monkeypatch, agreement, load("smollm2-135m", lab=real_lab))
    require_apart(found, 20)
    assert {one.answers for one in found.first.pairs} == {(" are",)}
    assert {one.answers for one in found.second.pairs} == {(" is",)}
