"""Search over HTTP in all five modes, on the tiny lab's index."""

import httpx
import pytest

from hooke.features.query import Index
from tests.cli.tiny_lab import TinyLab

HERE = "/api/dictionaries/tiny"
SENTENCE = "The bridge over the river was built of iron."


@pytest.fixture(scope="module")
def index(server_lab: TinyLab) -> Index:
    return Index.open("tiny", lab=server_lab.lab)


def search(api: httpx.Client, q: str, **query) -> dict:
    answer = api.get(f"{HERE}/search", params={"q": q, "max_density": 1, **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("mode", "q"),
    [("words", "bridge"), ("meaning", "bridge"), ("token", "b"), ("examples", "river"), ("text", SENTENCE)],
)
def test_each_mode_finds_something_and_says_how(api: httpx.Client, mode: str, q: str):
    found = search(api, q, mode=mode)
    assert found["mode"] == mode
    assert found["total"] >= len(found["items"]) > 0
    assert found["note"]
    assert {one["hit"]["kind"] for one in found["items"]} == {mode}
    assert found["hidden"] == []


def test_words_are_marked_where_the_label_has_them(api: httpx.Client):
    for one in search(api, "bri", limit=100)["items"]:
        spans, words = one["hit"]["spans"], one["hit"]["words"]
        assert spans or words
        assert all(one["label"][start:end].lower().startswith("bri") for start, end in spans)


def test_examples_show_the_phrase(api: httpx.Client):
    for one in search(api, "over the river", mode="examples")["items"]:
        assert "over the river" in "".join(one["hit"]["tokens"])
        assert len(one["hit"]["tokens"]) == len(one["hit"]["values"])
        assert one["hit"]["value"] >= 1


def test_a_token_is_moved_either_way(api: httpx.Client):
    for direction, sign in (("promoted", 1), ("suppressed", -1)):
        for one in search(api, "b", mode="token", direction=direction)["items"]:
            assert one["hit"]["direction"] == direction
            assert one["hit"]["token"] == "b"
            assert sign * one["hit"]["value"] > 0


@pytest.mark.parametrize("sort", ["score", "sum", "max", "frequency"])
def test_a_text_can_be_sorted_four_ways(api: httpx.Client, sort: str):
    values = [one["hit"]["value"] for one in search(api, SENTENCE, mode="text", sort=sort, limit=100)["items"]]
    assert values == sorted(values, reverse=True)


def test_pages_join(api: httpx.Client):
    whole = [one["feature"] for one in search(api, SENTENCE, mode="text", limit=9)["items"]]
    first = search(api, SENTENCE, mode="text", limit=4)
    second = search(api, SENTENCE, mode="text", limit=5, cursor=first["next"])
    assert [one["feature"] for one in first["items"] + second["items"]] == whole


def test_dense_features_are_hidden_by_default_and_said_to_be(api: httpx.Client):
    answer = api.get(f"{HERE}/search", params={"q": SENTENCE, "mode": "text"}).json()
    (chip,) = answer["hidden"]
    assert (chip["filter"], chip["value"], chip["is_default"]) == ("max_density", "0.01", True)
    assert chip["n"] == search(api, SENTENCE, mode="text")["total"] - answer["total"] > 0
    asked = search(api, SENTENCE, mode="text", max_density=0.01)
    assert asked["hidden"][0]["is_default"] is False


def test_a_number_jumps(api: httpx.Client, index: Index):
    assert search(api, "7")["jump"] == 7
    assert search(api, index.address(5))["jump"] == 5
    assert search(api, "bridge")["jump"] is None


def test_a_text_is_read_token_by_token(api: httpx.Client, index: Index):
    body = {"text": SENTENCE, "per_token": 2, "limit": 5, "sort": "max"}
    found = api.post(f"{HERE}/read", json=body).json()
    n = len(found["tokens"])
    assert "".join(found["tokens"]).endswith(SENTENCE)
    assert len(found["per_token"]) == len(found["counted"]) == len(found["n_active"]) == n
    assert found["per_token"][0] == [], "the first token does not count"
    assert max(map(len, found["per_token"])) <= 2
    for firings in found["per_token"]:
        values = [one["value"] for one in firings]
        assert values == sorted(values, reverse=True)
    assert len(found["features"]) <= 5
    for one in found["features"]:
        assert one["activations"][one["peak"]] == pytest.approx(one["value"], abs=1e-4)
    listed = {one["feature"] for firings in found["per_token"] for one in firings}
    assert {int(feature) for feature in found["labels"]} <= listed


def test_dense_features_can_be_left_out_of_a_reading(api: httpx.Client, index: Index):
    found = api.post(f"{HERE}/read", json={"text": SENTENCE, "max_density": 0.2}).json()
    assert all(one["density"] <= 0.2 for one in found["features"])
    assert all(index.densities[one["feature"]] <= 0.2 for firings in found["per_token"] for one in firings)
    assert found["hidden"][0]["filter"] == "max_density"


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ({"q": ""}, 400, "The search is empty."),
        ({"q": "...", "mode": "words"}, 400, "holds no word"),
        ({"q": " ", "mode": "text"}, 400, "The text is empty."),
        ({"q": "zzzqqq", "mode": "token"}, 404, "is not one token"),
        ({"q": "x" * 500, "mode": "examples"}, 400, "no phrase"),
        ({"q": "a", "mode": "colour"}, 422, "mode"),
        ({"q": "x" * 20_001}, 422, "q"),
        ({"q": "a", "cursor": "b"}, 400, "is no cursor"),
    ],
)
def test_wrong_words(api: httpx.Client, query: dict, status: int, said: str):
    answer = api.get(f"{HERE}/search", params=query)
    assert answer.status_code == status, answer.text
    assert said in answer.text


def test_a_text_longer_than_the_model_reads_is_refused(api: httpx.Client):
    answer = api.post(f"{HERE}/read", json={"text": "river " * 3000})
    assert answer.status_code == 422
    assert answer.json()["type"] == "prompt-too-long"
