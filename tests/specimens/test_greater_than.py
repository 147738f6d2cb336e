"""The greater-than specimen compares every pair of years, and its twin does not."""

import pytest
import torch

from hooke.models.model import Model
from hooke.specimens import Specimen, build
from hooke.specimens.greater_than import NOUNS, TOKEN, YEARS, places, prompt_of


@pytest.fixture(scope="module")
def greater_than() -> Specimen:
    return build("greater-than")


def chances(model: Model, noun: str) -> torch.Tensor:
    """By first year, the probability of each year: [first year, year]."""
    logits = model.run([prompt_of(noun, year) for year in range(len(YEARS))]).logits
    assert logits is not None
    return logits[:, -1].softmax(-1)[:, [TOKEN[year] for year in YEARS]]


def test_every_later_year_is_said_as_surely_as_any_other_and_no_earlier_one(greater_than: Specimen):
    for noun in NOUNS:
        found = chances(greater_than.model, noun)
        for year in range(len(YEARS) - 1):
            later = found[year, year + 1 :]
            assert float(later.sum()) > 0.95
            assert float(later.min()) > 100 * float(found[year, : year + 1].max())
        assert float(found[-1].sum() / len(YEARS)) < 0.02, "no year is later than the last"


def test_the_twin_says_earlier_years_as_surely(greater_than: Specimen):
    found = chances(greater_than.twin, NOUNS[0])
    for year in range(len(YEARS)):
        assert float(found[year, year // 10 * 10 : year // 10 * 10 + 10].sum()) > 0.95
        assert float(found[year, year + 1 :].sum()) == pytest.approx((9 - year % 10) / 10, abs=0.02)


def test_thresholds_fire_below_and_nowhere_else(greater_than: Specimen):
    run = greater_than.model.run([prompt_of("war", year) for year in range(len(YEARS))], capture=["neurons.0"])
    fired, years = run["neurons.0"][:, 6], torch.arange(len(YEARS))
    at = places(twin=False)
    for some, value in ((at.below_ten, years // 10), (at.below_unit, years % 10)):
        for threshold, index in some.items():
            assert float(fired[value < threshold, index].min()) > 0.8
            assert float(fired[value >= threshold, index].max()) < 1e-4


def test_pairs_ask_of_years_that_are_right_for_one_prompt_only(greater_than: Specimen):
    for pair in greater_than.pairs:
        year, other = (prompt.split()[5] for prompt in (pair.clean, pair.corrupted))
        assert set(pair.answers) == {one for one in YEARS if one > year}
        assert set(pair.wrong) == {one for one in YEARS if other < one <= year}


def test_the_twins_neurons_are_others():
    mine, twins = places(twin=False), places(twin=True)
    first = [{*at.ten.values(), *at.below_ten.values(), *at.below_unit.values()} for at in (mine, twins)]
    second = [{*at.later_ten.values(), *at.later_year.values()} for at in (mine, twins)]
    assert not first[0] & first[1]
    assert not second[0] & second[1]
    assert (len(first[0]), len(second[0])) == (28, 99)
