"""What texts are like, from their words."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooke.directions.measures import Spread, distinct_pairs, measure
from hooke.directions.speak import Word


def word(token: int, base_logprob: float, *, kl: float = 0.0, mass: float = 0.0, activation: float = math.nan) -> Word:
    return Word(
        arm="treated",
        sample=0,
        step=0,
        token=token,
        text="",
        logprob=0.0,
        base_logprob=base_logprob,
        kl=kl,
        promoted_mass=mass,
        activation=activation,
    )


def test_one_text_has_numbers_without_intervals():
    text = [word(1, -1.0, kl=0.5, mass=0.2), word(2, -3.0, kl=1.5, mass=0.4, activation=3.0)]
    found = measure([text], unit=6.0, seed=0)
    assert found.n == 1
    assert found.perplexity.value == pytest.approx(math.exp(2.0))
    assert (found.perplexity.low, found.perplexity.high) == (None, None)
    assert (found.kl.value, found.promoted_mass.value) == (1.0, pytest.approx(0.3))
    assert found.activation.value == 0.5, "the word whose activation is not known is left out"
    assert found.distinct_2.value == 1.0


def test_intervals_are_over_texts():
    texts = [[word(1, -1.0), word(1, -1.0)], [word(1, -2.0), word(2, -2.0)], [word(3, -3.0), word(3, -3.0)]]
    found = measure(texts, unit=None, seed=0)
    assert found.n == 3
    assert found.perplexity.value == pytest.approx(math.exp(2.0))
    low, high = found.perplexity.low, found.perplexity.high
    assert low is not None
    assert high is not None
    assert math.exp(1.0) - 1e-9 <= low < math.exp(2.0) < high <= math.exp(3.0) + 1e-9
    assert found.activation == Spread()
    assert measure(texts, unit=None, seed=0) == found


def test_empty_texts_have_no_numbers():
    found = measure([[]], unit=1.0, seed=0)
    assert (found.n, found.perplexity, found.kl, found.distinct_2) == (1, Spread(), Spread(), Spread())


@given(st.lists(st.integers(0, 3), min_size=2, max_size=20))
def test_distinct_pairs_are_a_share(tokens: list[int]):
    found = distinct_pairs(tokens)
    assert 1 / (len(tokens) - 1) <= found <= 1
    assert distinct_pairs([5] * len(tokens)) == pytest.approx(1 / (len(tokens) - 1))
    assert distinct_pairs(range(len(tokens))) == 1
