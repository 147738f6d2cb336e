"""The neutral prompts."""

from hooke.directions.prompts import MEASUREMENT, SELECTION


def test_the_halves_are_of_one_size_and_share_nothing():
    assert len(SELECTION) == len(MEASUREMENT) >= 12
    assert len({*SELECTION, *MEASUREMENT}) == len(SELECTION) + len(MEASUREMENT)


def test_each_leaves_a_word_to_say():
    assert all(prompt == prompt.strip() and prompt[-1].isalpha() for prompt in (*SELECTION, *MEASUREMENT))
