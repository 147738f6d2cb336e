"""Progress: items come through unchanged, and a job ends however it ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooke.progress import Silent, Sink, showing, track


class Notes:
    """A sink that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple] = []

    def start(self, job: str, total: float | None, unit: str) -> None:
        self.told.append(("start", job, total, unit))

    def advance(self, job: str, amount: float) -> None:
        self.told.append(("advance", job, amount))

    def finish(self, job: str) -> None:
        self.told.append(("finish", job))


@given(st.lists(st.integers()))
def test_items_come_through_unchanged_shown_or_not(items: list[int]):
    assert list(track(items, "job")) == items
    notes = Notes()
    with showing(notes):
        assert list(track(iter(items), "job")) == items
    assert notes.told == [("start", "job", None, "steps"), *[("advance", "job", 1.0)] * len(items), ("finish", "job")]


def test_the_total_is_counted_where_it_can_be():
    notes = Notes()
    with showing(notes):
        list(track([1, 2], "a"))
        list(track([1, 2], "b", total=7, unit="tokens"))
        list(track(["one", "three"], "c", unit="letters", size=len))
    assert [told[1:] for told in notes.told if told[0] == "start"] == [
        ("a", 2.0, "steps"),
        ("b", 7.0, "tokens"),
        ("c", None, "letters"),
    ]
    assert [told[2] for told in notes.told if told[:2] == ("advance", "c")] == [3.0, 5.0]


def test_an_item_counts_once_the_caller_is_done_with_it():
    notes = Notes()
    with showing(notes):
        items = iter(track([1, 2], "job"))
        next(items)
        assert ("advance", "job", 1.0) not in notes.told
        next(items)
        assert notes.told.count(("advance", "job", 1.0)) == 1


def test_a_job_that_raises_is_finished():
    notes = Notes()

    def job() -> None:
        for number in track([0], "job"):
            1 / number

    with showing(notes), pytest.raises(ZeroDivisionError):
        job()
    assert notes.told[-1] == ("finish", "job")


def test_a_job_that_is_left_is_finished():
    notes = Notes()
    with showing(notes):
        for _ in (items := track([1, 2, 3], "job")):
            break
        items.close()
    assert notes.told[-1] == ("finish", "job")
    assert ("advance", "job", 1.0) not in notes.told


def test_the_sink_holds_for_its_block_only():
    outer, inner = Notes(), Notes()
    with showing(outer):
        with showing(inner):
            list(track([1], "a"))
        list(track([1], "b"))
    list(track([1], "c"))
    assert {told[1] for told in inner.told} == {"a"}
    assert {told[1] for told in outer.told} == {"b"}


def test_sinks_are_told_apart_from_other_things():
    assert isinstance(Silent(), Sink)
    assert isinstance(Notes(), Sink)
    assert not isinstance(object(), Sink)
