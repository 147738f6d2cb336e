"""The study of indirect objects: its sets of prompts."""

import pytest

from hooke.lab import Lab
from hooke.models.load import load
from hooke.studies import indirect_object
from tests.studies.wiring import given_by, require_apart


@pytest.mark.slow
def test_one_order_is_tried_on_the_other(real_lab: Lab, monkeypatch: pytest.MonkeyPatch):
    found = given_by(monkeypatch, indirect_object, load("smollm2-135m", lab=real_lab))
    require_apart(found, 30)
    assert {one.group for one in found.first.pairs} == {"ABBA"}
    assert {one.group for one in found.second.pairs} == {"BABA"}
    assert found.tried == [("on the order that it was found on", found.first)]
