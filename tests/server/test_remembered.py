"""What was computed is computed once for a model, and again where it failed or has gone."""

import gc
import weakref

import pytest

from hooke.server import remembered as memory
from hooke.server.remembered import remembered
from hooke.specimens import build


def test_an_answer_is_computed_once_for_each_model_and_key():
    specimen, counted = build("induction"), []

    def compute() -> int:
        counted.append(1)
        return len(counted)

    assert [remembered(specimen.model, "a", compute) for _ in range(2)] == [1, 1]
    assert remembered(specimen.model, "b", compute) == 2
    assert remembered(specimen.twin, "a", compute) == 3


def test_what_failed_is_tried_again_and_the_oldest_goes(monkeypatch: pytest.MonkeyPatch):
    model = build("induction").model
    with pytest.raises(ZeroDivisionError):
        remembered(model, "a", lambda: 1 // 0)
    assert remembered(model, "a", lambda: 1) == 1
    monkeypatch.setattr(memory, "_MOST", 2)
    remembered(model, "b", lambda: 2)
    remembered(model, "a", lambda: 0)
    remembered(model, "c", lambda: 3)
    assert remembered(model, "a", lambda: 0) == 1
    assert remembered(model, "b", lambda: 0) == 0


def test_nothing_is_kept_of_a_model_that_has_gone():
    model = build("induction").model
    remembered(model, "a", lambda: 1)
    there = weakref.ref(model)
    del model
    gc.collect()
    assert there() is None
