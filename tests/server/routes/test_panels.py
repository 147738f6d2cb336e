"""The panels of a feature's page over HTTP, on the tiny lab's index."""

import subprocess
import sys

import httpx
import pytest

from hooke.features.query import Index
from tests.cli.tiny_lab import TinyLab

HERE = "/api/dictionaries/tiny"
HOSTILE = '<script>alert("x")</script> \u202eevil\u0000'


@pytest.fixture(scope="module")
def index(server_lab: TinyLab) -> Index:
    return Index.open("tiny", lab=server_lab.lab)


@pytest.fixture(scope="module")
def busiest(index: Index) -> int:
    return index.ranked("density", 1)[0].feature


def get(api: httpx.Client, path: str, **query) -> dict:
    answer = api.get(HERE + path, params=query or None)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_histogram_adds_up(api: httpx.Client, index: Index, busiest: int):
    found, card = get(api, f"/features/{busiest}/histogram"), index.card(busiest)
    assert sum(found["counts"]) == card.n_active
    assert sum(found["counts"]) + found["n_zero"] == card.n_counted
    assert len(found["edges"]) == len(found["counts"]) + 1
    values = [one["value"] for one in found["quantiles"]]
    assert values == sorted(values)
    assert sum(one["share"] for one in found["by_source"]) == pytest.approx(1)


def test_examples_come_by_group_and_page(api: httpx.Client, index: Index, busiest: int):
    card = index.card(busiest)
    first = get(api, f"/features/{busiest}/examples", limit=2, unique=False)
    assert [one["value"] for one in first["items"]] == [one.value for one in card.examples[:2]]
    assert {one["group"]: one["n"] for one in first["groups"]} == {one.name: len(one.examples) for one in card.groups}
    second = get(api, f"/features/{busiest}/examples", limit=2, unique=False, cursor=first["next"])
    assert second["items"][0] != first["items"][0]
    for one in first["items"]:
        assert len(one["tokens"]) == len(one["activations"]) == len(one["token_ids"])
        assert 0 <= one["percentile"] <= 1
    weakest = card.groups[-1].name
    assert get(api, f"/features/{busiest}/examples", group=weakest)["items"][0]["group"] == weakest


def test_examples_of_a_range_come_from_every_group_strongest_first(api: httpx.Client, index: Index, busiest: int):
    card = index.card(busiest)
    values = sorted({one.value for group in card.groups for one in group.examples})
    low, high = values[len(values) // 4], values[3 * len(values) // 4]
    page = get(api, f"/features/{busiest}/examples", low=low, high=high, unique=False, limit=100)
    found = [one["value"] for one in page["items"]]
    places = {(one.window, one.position): one.value for group in card.groups for one in group.examples}
    expected = sorted((value for value in places.values() if low <= value <= high), reverse=True)
    assert (found, page["total"]) == (expected[:100], len(expected))
    assert len({one["group"] for one in page["items"]}) > 1
    names = {one["group"]: one["n"] for one in page["groups"]}
    assert all(one["group"] in names for one in page["items"])
    above = get(api, f"/features/{busiest}/examples", low=values[-1], unique=False)
    assert {one["value"] for one in above["items"]} == {values[-1]}
    assert get(api, f"/features/{busiest}/examples", low=high, high=low / 2)["total"] == 0


def test_examples_that_say_the_same_are_left_out_and_counted(api: httpx.Client, busiest: int):
    every = get(api, f"/features/{busiest}/examples", unique=False, limit=100)
    unique = get(api, f"/features/{busiest}/examples", limit=100)
    # The lab's text is four sentences over and over.
    assert unique["total"] + unique["n_alike"] == every["total"]
    assert sum(one["n_alike"] for one in unique["items"]) == unique["n_alike"] > 0


def test_effects_and_neighbours(api: httpx.Client, index: Index, busiest: int):
    card = index.card(busiest)
    effects = get(api, f"/features/{busiest}/effects")
    assert [one["text"] for one in effects["promoted"]] == [one.text for one in card.promoted]
    assert effects["chance"] == card.effects_chance
    assert "resid_post.1" in effects["caution"]
    near = get(api, f"/features/{busiest}/neighbours")
    assert [one["feature"] for one in near["neighbours"]] == [one.feature for one in card.neighbours]
    assert near["neighbours"][0]["address"] == index.address(card.neighbours[0].feature)


def test_near_misses_are_silent_tokens(api: httpx.Client, busiest: int):
    found = get(api, f"/features/{busiest}/near-misses", limit=3)
    assert 0 < len(found["items"]) <= 3
    for one in found["items"]:
        assert one["activations"][one["peak"]] == 0
        assert one["value"] <= one["needed"]
    assert "neighbours" in found["method"]


def test_trying_a_text(api: httpx.Client, index: Index, busiest: int):
    text = "The bridge over the river was built of iron."
    found = api.post(f"{HERE}/features/{busiest}/try", json={"text": text}).json()
    assert "".join(found["tokens"]).endswith(text)
    assert found["counted"][0] is False
    for value, percentile in zip(found["activations"], found["percentiles"], strict=True):
        assert (percentile is None) == (value == 0)
    if found["peak"] is not None:
        best = max(value for value, counted in zip(found["activations"], found["counted"], strict=True) if counted)
        assert found["activations"][found["peak"]] == best
        assert found["share_of_max"] == pytest.approx(best / index.card(busiest).max, rel=1e-4)


def test_hostile_text_is_read_as_text(api: httpx.Client, busiest: int):
    found = api.post(f"{HERE}/features/{busiest}/try", json={"text": HOSTILE})
    assert found.status_code == 200
    assert "".join(found.json()["tokens"]).endswith(HOSTILE)
    assert found.headers["content-type"] == "application/json"


def test_the_python_runs(api: httpx.Client, server_lab: TinyLab, busiest: int):
    code = get(api, f"/features/{busiest}/python")["code"].replace("'tiny-model'", repr(str(server_lab.model)))
    environment = {"HOOKE_LAB": str(server_lab.lab.root), "HF_HUB_OFFLINE": "1", "PATH": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert f"resid_post.1/{busiest}@tiny" in done.stdout
