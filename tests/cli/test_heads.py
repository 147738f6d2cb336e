"""`hooke heads`."""

from tests.cli.conftest import Hooke


def test_heads_are_listed_with_their_controls(hooke: Hooke):
    data = hooke("heads MODEL --sequences 3 --length 5 --top 2 --json").data
    assert set(data["strongest"]) == {"previous", "duplicate", "induction"}
    for score, some in data["strongest"].items():
        assert len(some) == 2
        assert (
            some[0]["value"]
            >= some[1]["value"]
            == max(value for row in data["scores"][score] for value in row if value != some[0]["value"])
        )
        assert some[0]["control"] is not None
        (anew,) = data["drawn_anew"][score]
        assert anew["n"] == 3
        assert anew["value"] not in [one["value"] for one in some]
    out = " ".join(hooke("heads MODEL --sequences 3 --length 5 --top 2").out.split())
    assert "Control of previous: the token two before" in out
    assert "3 sequences of 5 random tokens" in out
    assert out.count("drawn anew") == 3


def test_planted_heads_stand_above_those_of_weights_drawn_anew(hooke: Hooke):
    hooke("specimen build induction")
    data = hooke("heads specimen-induction --sequences 6 --length 8 --json").data
    for score in ("previous", "induction"):
        assert data["strongest"][score][0]["value"] > 0.9
        (anew,) = data["drawn_anew"][score]
        assert anew["value"] < 0.4


def test_too_short_a_sequence_is_refused(hooke: Hooke):
    done = hooke("heads MODEL --length 2")
    assert done.code != 0
    assert "cannot be scored" in done.err


def test_tokens_and_a_distance_need_a_head(hooke: Hooke):
    done = hooke("heads MODEL --distance 2")
    assert done.code != 0
    assert "belong to one head" in done.err
