"""Curves: read while they are written, thinned out without losing what matters."""

import json
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hooke.training.curves import Line, decimated, read_log


def lines_of(values: Sequence[float | None]) -> list[Line]:
    return [{"tokens": place * 10, "loss": value} for place, value in enumerate(values)]


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=300), st.integers(2, 50))
def test_extremes_survive_and_points_are_few(values: list[float | None], points: int):
    tokens, kept = decimated(lines_of(values), points)["loss"]
    assert len(tokens) == len(kept) <= max(points, 2)
    assert tokens == sorted(set(tokens))
    assert all(values[token // 10] == value for token, value in zip(tokens, kept, strict=True))
    known = [value for value in values if value is not None]
    if known:
        left = [value for value in kept if value is not None]
        assert (min(left), max(left)) == (min(known), max(known))
    if len(values) <= points:
        assert kept == values


def test_a_metric_that_begins_late_has_its_own_points():
    lines: list[Line] = [{"tokens": 1, "loss": 1.0}, {"tokens": 2, "loss": 0.5, "fvu": 0.1}]
    assert decimated(lines, 10) == {"loss": ([1, 2], [1.0, 0.5]), "fvu": ([2], [0.1])}


def test_a_log_is_read_while_it_is_written(tmp_path: Path):
    path = tmp_path / "training.jsonl"
    whole = json.dumps({"tokens": 64, "loss": 1.5, "note": "x"}) + "\n"
    path.write_text(
        whole + "\x00\x00garbage\n" + '[1]\n{"loss": 2}\n' + '{"tokens": 128, "loss": NaN}\n' + '{"tokens": 192, "lo'
    )
    assert read_log(path) == [{"tokens": 64, "loss": 1.5}, {"tokens": 128, "loss": None}]
