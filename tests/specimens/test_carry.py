"""The carry specimen adds all numbers whose sum is below 100, and its twin never carries."""

import pytest

from hooke.models.model import Model
from hooke.specimens import Specimen, build
from hooke.specimens.carry import answer_of, carries, places, prompt_of

ASKED = [(a, b) for a in range(100) for b in range(100 - a)]


@pytest.fixture(scope="module")
def carry() -> Specimen:
    return build("carry")


def said(model: Model) -> list[str]:
    found = []
    for start in range(0, len(ASKED), 1000):
        logits = model.run([prompt_of(*one) for one in ASKED[start : start + 1000]]).logits
        assert logits is not None
        chances = logits[:, -1].softmax(-1).max(-1)
        assert float(chances.values.min()) > 0.9
        found += model.tokenizer.convert_ids_to_tokens(chances.indices.tolist())
    return found


def test_every_sum_below_100_is_right(carry: Specimen):
    assert prompt_of(47, 5) == "4 7 + 0 5 ="
    assert said(carry.model) == [answer_of(*one) for one in ASKED]


def test_the_twin_never_carries(carry: Specimen):
    assert said(carry.twin) == [str(a // 10 + b // 10) for a, b in ASKED]


def test_the_carry_fires_where_the_units_pass_nine_only(carry: Specimen):
    pairs = [(40 + a, 30 + b) for a in range(10) for b in range(10)]
    run = carry.model.run([prompt_of(*one) for one in pairs], capture=["neurons.0"])
    fired = run["neurons.0"][:, 6, places(twin=False).carry] > 0
    assert fired.tolist() == [carries(*one) for one in pairs]


def test_prompts_carry_in_two_of_three_and_pairs_change_every_digit(carry: Specimen):
    labels = [set(planted.labels.values()) for planted in carry.planted]
    assert sum("the units pass nine" in some for some in labels) == 10
    assert {pair.group for pair in carry.pairs} == {"first ten", "second ten", "unit"}
    for pair in carry.pairs:
        assert pair.answers != pair.wrong


def test_the_twins_neurons_are_others():
    mine, twins = places(twin=False), places(twin=True)
    assert not {*mine.tens.values(), mine.carry} & {*twins.tens.values()}
    assert not {*mine.plain.values(), *mine.carried.values()} & {*twins.plain.values()}
