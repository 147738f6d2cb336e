"""Scores as verbs print them."""

from tests.cli.conftest import Hooke


def test_every_score_stands_beside_its_null_and_its_corrected_form(hooke: Hooke):
    hooke("trace MODEL bridge-of-iron --max-nodes 20 --name scored")
    done = hooke("graph prune scored --nodes 0.9")
    for word in ("replacement", "completeness", "corrected", "without features"):
        assert word in done.out
    data = hooke("graph prune scored --nodes 0.9 --json").data
    assert {f"replacement_score{form}" for form in ("", "_null", "_corrected", "_corrected_null")} <= set(data)
