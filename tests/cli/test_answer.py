"""Answers as JSON, and text that a terminal can show safely."""

import json
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from hooke.cli.answer import plain_data, printable
from hooke.sites import FeatureName, Site


@dataclass(frozen=True)
class Point:
    """Something with fields."""

    x: float
    site: Site


def test_everything_becomes_plain():
    name = FeatureName(Site("resid_post", 3), 7, "res")
    given = {
        "point": Point(float("nan"), Site("embed")),
        "name": name,
        "path": Path("a/b"),
        "numbers": (np.float32(0.5), np.int64(2), torch.tensor(3)),
        1: {"one"},
        "none": None,
        "infinite": -float("inf"),
    }
    assert plain_data(given) == {
        "point": {"x": None, "site": "embed"},
        "name": "resid_post.3/7@res",
        "path": "a/b",
        "numbers": [0.5, 2, 3],
        "1": ["one"],
        "none": None,
        "infinite": None,
    }


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
)


@given(json_values)
def test_what_is_plain_already_stays_as_it_is(value: object):
    assert plain_data(value) == value
    json.dumps(plain_data(value), allow_nan=False)


def test_controls_become_pictures():
    assert printable("a\nb\tc") == "a↵b→c"
    assert printable("\x1b[2J\x07\x00\x7f\x9b") == "␛[2J␇␀␡‹009b›"
    assert printable("a\u202eb") == "a‹202e›b"


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"])))
def test_ordinary_text_is_shown_as_it_is(text: str):
    assert printable(text) == text


@given(st.text())
def test_nothing_is_left_that_a_terminal_obeys(text: str):
    assert not {unicodedata.category(character) for character in printable(text).replace("\u200d", "")} & {"Cc", "Cf"}
