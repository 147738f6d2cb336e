"""`hooke trace`."""

from pathlib import Path

import pytest

from hooke.circuits.graph_file import load_graph
from tests.cli.conftest import Hooke


def test_the_account_as_json(hooke: Hooke, tmp_path: Path):
    file = tmp_path / "graph.json"
    data = hooke(f"trace MODEL bridge-of-iron --max-nodes 20 --out {file} --json").data
    assert data["expanded"] == 20
    assert data["conservation_error"] <= 1e-4
    for score in ("replacement_score", "completeness_score"):
        for form in ("", "_null", "_corrected", "_corrected_null"):
            assert 0 <= data[f"{score}{form}"] <= 1 + 1e-9
    assert {"nodes", "edges", "active", "seconds", "peak_mb"} <= set(data)
    assert load_graph(file).prompt == "bridge-of-iron"


def test_what_is_shown_says_what_is_not_tested(hooke: Hooke):
    out = hooke("trace MODEL bridge --max-nodes 20 --show 3 --dictionary neurons").out
    assert "predicted effect" in out
    assert "not tested yet" in " ".join(out.split())


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("trace MODEL b", "one token"),
        ("trace MODEL bridge --dictionary nowhere", "nowhere"),
        ("trace MODEL bridge --target bridge-of-iron", "not one token"),
        ("trace MODEL bridge --name a/b", "not a name"),
    ],
)
def test_wrong_words(hooke: Hooke, command: str, said: str):
    done = hooke(command)
    assert done.code != 0
    assert said in done.err
    assert "Traceback" not in done.err


def test_nothing_is_left_by_a_graph_that_was_refused(hooke: Hooke, tmp_path: Path):
    hooke(f"trace MODEL bridge --target bridge-of-iron --out {tmp_path / 'graph.json'}")
    assert list(tmp_path.iterdir()) == []
