"""Curves from a log that may still be written, thinned without losing extremes."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hooke.training.curves import decimated, read_log


def test_a_log_under_way_is_read_up_to_its_last_whole_line(tmp_path: Path):
    path = tmp_path / "training.jsonl"
    lines = [{"tokens": 1, "loss": 2.0}, {"tokens": 2, "loss": float("nan")}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + 'garbage\n[1]\n{"tokens": 3, "lo')
    assert read_log(path) == [{"tokens": 1, "loss": 2.0}, {"tokens": 2, "loss": None}]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(2, 40))
def test_extremes_and_order_survive(values: list[float], points: int):
    curves = decimated([{"tokens": place, "loss": value} for place, value in enumerate(values)], points)
    tokens, kept = curves["loss"]
    assert len(tokens) == len(kept) <= max(points, 2)
    assert tokens == sorted(set(tokens))
    assert all(values[place] == value for place, value in zip(tokens, kept, strict=True))
    assert {min(values), max(values)} <= set(kept)


def test_a_short_curve_is_left_as_it_is_and_a_gap_stays_a_gap():
    lines = [{"tokens": place, "loss": None if place == 1 else 0.5} for place in range(3)]
    assert decimated(lines, 10)["loss"] == ([0, 1, 2], [0.5, None, 0.5])


def test_a_metric_that_begins_later_has_its_own_tokens():
    curves = decimated([{"tokens": 1, "a": 1.0}, {"tokens": 2, "a": 1.0, "b": 3.0}], 10)
    assert curves["b"] == ([2], [3.0])
    assert decimated([], 10) == {}
