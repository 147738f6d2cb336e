"""Numbers and tokens as people read them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooke.findings import Estimate
from hooke.pages.numerals import interval, measured, number, percent, signed, token_text, visible


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (math.nan, "–"),
        (1234567, "1,234,567"),
        (0.12345, "0.123"),
        (4567.8, "4,568"),
        (-2.5, "−2.5"),
        (8.0, "8"),
    ],
)
def test_numbers(value: float | None, shown: str):
    assert number(value) == shown


def test_rare_is_not_never():
    assert [percent(0), percent(0.00002), percent(0.25)] == ["0 %", "0.002 %", "25.0 %"]


def test_signs_and_intervals_use_a_real_minus():
    assert [signed(0.0312), signed(-0.2, 1), signed(-0.0001)] == ["+0.031", "−0.2", "+0.000"]
    assert interval((-1.0, 2.0), 1) == "[−1.0, 2.0]"
    assert measured(Estimate(value=0.1585, interval=(0.15, 0.166))) == "0.159 [0.150, 0.166]"


def test_what_was_not_measured_is_a_dash():
    assert measured(Estimate(value=float("nan"), interval=(float("nan"), float("nan")))) == "–"


def test_what_would_act_is_shown_as_a_picture():
    assert visible("a\nb\tc\x1b[2J\u202e\x7f") == "a↵b→c␛[2J‹202e›␡"


def test_spaces_of_tokens_are_seen():
    assert token_text(" the") == "␣the"


@given(st.text())
def test_nothing_that_acts_is_left(text: str):
    import unicodedata

    left = {unicodedata.category(character) for character in visible(text) if character != "\u200d"}
    assert left & {"Cc", "Cf", "Cs", "Zl", "Zp"} == set()
