"""`hooke heads MODEL --head`."""

import pytest

from tests.cli.conftest import Hooke


def test_a_head_is_shown_with_its_tables_beside_chance(hooke: Hooke):
    data = hooke("heads MODEL --head 0.1 --top 3 --distance 2 --json").data
    assert 0 <= data["copying"]["value"] <= 1
    assert data["copying"]["control"] is not None
    for part in (data["outputs"], data["matches"]):
        for column in ("strongest", "shuffled"):
            values = [pair["value"] for pair in part[column]]
            assert len(values) == 3
            assert values == sorted(values, reverse=True)
    assert data["matches"]["distance"] == 2
    assert data["matches"]["strongest"][0]["value"] > data["matches"]["mean"]
    out = " ".join(hooke("heads MODEL --head 0.1 --top 3").out.split())
    assert "Highest scores at distance 1" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--head 99.0", "has no head 99.0"),
        ("--head 0.99", "has no head 0.99"),
        ("--head first", "is no head"),
        ("--head 0.0 --distance 100000", "before a query"),
        ("--head 0.0 --token supercalifragilistic", "is not one token"),
    ],
)
def test_what_does_not_exist_is_refused(hooke: Hooke, words: str, said: str):
    done = hooke(f"heads MODEL {words}")
    assert done.code != 0
    assert said in " ".join(done.err.split())
