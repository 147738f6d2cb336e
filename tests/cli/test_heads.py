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
    out = " ".join(hooke("heads MODEL --sequences 3 --length 5 --top 2").out.split())
    assert "Control of previous: the token two before" in out
    assert "3 sequences of 5 random tokens" in out


def test_too_short_a_sequence_is_refused(hooke: Hooke):
    done = hooke("heads MODEL --length 2")
    assert done.code != 0
    assert "cannot be scored" in done.err


def test_tokens_and_a_distance_need_a_head(hooke: Hooke):
    done = hooke("heads MODEL --distance 2")
    assert done.code != 0
    assert "belong to one head" in done.err
