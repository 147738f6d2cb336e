"""Frozen dataclasses to plain data and back; unknown keys are refused at every depth."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooke.configs import content_hash, from_dict, load_toml, to_dict
from hooke.errors import BadConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Inner:
    """A part."""

    rate: float = 0.5
    kind: Literal["topk", "relu"] = "topk"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outer:
    """A whole."""

    n: int
    inner: Inner = Inner()
    groups: tuple[int, ...] = ()
    many: dict[str, Inner] | None = None

    def __post_init__(self) -> None:
        if self.n < 0:
            raise BadConfig(f"'n' cannot be {self.n}.", "", "Give 0 or more.")


inners = st.builds(Inner, rate=st.floats(allow_nan=False, allow_infinity=False), kind=st.sampled_from(["topk", "relu"]))
outers = st.builds(
    Outer,
    n=st.integers(0, 2**40),
    inner=inners,
    groups=st.lists(st.integers()).map(tuple),
    many=st.none() | st.dictionaries(st.text(), inners),
)


@given(outers)
def test_there_and_back_through_json(config: Outer):
    assert from_dict(Outer, json.loads(json.dumps(to_dict(config)))) == config


@given(outers, outers)
def test_equal_configs_and_only_they_have_equal_hashes(one: Outer, other: Outer):
    assert (content_hash(one) == content_hash(other)) == (to_dict(one) == to_dict(other))
    assert content_hash(one) == content_hash(to_dict(one))


def test_the_hash_does_not_depend_on_the_order_of_keys():
    assert content_hash({"a": 1, "b": [2, None]}) == content_hash({"b": [2, None], "a": 1})
    assert content_hash({"a": 1}) != content_hash({"a": "1"})
    # Frozen: hashes are kept in artefacts, so another value would orphan them.
    assert content_hash({"a": 1}) == "015abd7f5cc57a2d"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"n": 1, "m": 2}, "'m' of Outer"),
        ({"n": 1, "inner": {"rat": 0.1}}, "'inner.rat' of Outer"),
        ({"n": 1, "many": {"a": {"rate": 1, "x": 1}}}, "x' of Outer"),
        ({}, "'n' of Outer"),
        ({"n": "many"}, "found 'many'"),
        ({"n": 1, "inner": {"kind": "topq"}}, "'topk' or 'relu'"),
        ({"n": 1, "groups": 3}, "'groups' of Outer"),
        ({"n": -1}, "'n' cannot be -1."),
    ],
)
def test_what_does_not_fit_is_refused_by_name(data: dict, said: str):
    with pytest.raises(BadConfig) as caught:
        from_dict(Outer, data)
    assert said in str(caught.value)


def test_known_settings_are_listed():
    with pytest.raises(BadConfig, match="Known settings: n, inner, groups, many"):
        from_dict(Outer, {"n": 1, "m": 2})


def test_toml(tmp_path: Path):
    path = tmp_path / "lab.toml"
    path.write_text("n = 3\n[inner]\nrate = 0.25\n")
    assert from_dict(Outer, load_toml(path)) == Outer(n=3, inner=Inner(rate=0.25))


@pytest.mark.parametrize("content", [b"n = ", b"\xff\xfe"])
def test_toml_that_is_none_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "lab.toml"
    path.write_bytes(content)
    with pytest.raises(BadConfig, match="could not be read as TOML"):
        load_toml(path)


def test_toml_that_is_missing_is_refused(tmp_path: Path):
    with pytest.raises(BadConfig, match="could not be read as TOML"):
        load_toml(tmp_path / "lab.toml")
