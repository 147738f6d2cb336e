"""Answers as JSON."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from hooke.cli.answer import plain_data
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
