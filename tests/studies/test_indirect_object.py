"""The study of indirect objects: its sets of prompts."""

import pytest

from hooke.models.model import Model
from hooke.studies import indirect_object
from tests.studies.wiring import given_by, require_apart


@pytest.mark.slow
def test_one_order_is_tried_on_the_other(real_model: Model, monkeypatch: pytest.MonkeyPatch):
    found = given_by(monkeypatch, indirect_object, real_model)
    require_apart(found, 30)
    assert {one.group for one in found.first.pairs} == {"ABBA"}
    assert {one.group for one in found.second.pairs} == {"BABA"}
    assert found.tried == [("on the order that it was found on", found.first)]
