"""`hooke graph aggregate` and `hooke graph diff`."""

import pytest

from tests.cli.conftest import Hooke


@pytest.fixture
def kept(hooke: Hooke) -> Hooke:
    for name, prompt in (("a-1", "bridge-of-iron"), ("a-2", "bridge-of-stone"), ("b-1", "river"), ("b-2", "rivers")):
        assert hooke(f"trace MODEL {prompt} --max-nodes 20 --name {name}").code == 0
    return hooke


def test_a_set_by_pattern(kept: Hooke):
    data = kept("graph aggregate a-* --json").data
    assert data["graphs"] == 2
    assert all(0 < node["frequency"] <= 1 for node in data["nodes"])
    means = [node["mean"] for node in data["nodes"]]
    assert means == sorted(means, reverse=True)
    assert "→" in kept("graph aggregate a-1 a-2 --edges --place end").out


def test_two_sets(kept: Hooke):
    data = kept("graph diff --first a-* --second b-* --json").data
    assert data["graphs"] == [2, 2]
    assert all(0 < node["chance"] <= 1 for node in data["nodes"])
    assert "shuffles" in kept("graph diff --first a-* --second b-* --edges").out.replace("\n", " ")


def test_wrong_words(kept: Hooke):
    assert "no graphs" in kept("graph aggregate nothing-*").err
    assert "luck" in kept("graph diff --first a-1 --second b-1").err
    assert "nowhere" in kept("graph aggregate nowhere").err
