"""Features over HTTP, on the tiny lab's index."""

from dataclasses import replace

import httpx
import pytest

from hooke.features.labels import Label, Score
from hooke.features.query import Index
from hooke.server.routes.features import label_facts, label_out
from tests.cli.tiny_lab import N_FEATURES, TinyLab

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


def test_a_label_comes_with_its_score_its_null_and_what_n_counts():
    first = Label(feature=1, text="a", source="rule", kind="token", score=0.6, f1=0.2, n=900, words="")
    score = Score(
        scorer="detection", judge="rule", value=0.7, interval=(0.6, 0.8), n=70, null=0.5, null_interval=(0.4, 0.6)
    )
    tried = replace(first, score=0.7, n=70, scores=(score,))
    facts = label_facts(tried)
    assert (facts.score, facts.null, facts.is_better, facts.n, facts.unit) == (0.7, 0.5, True, 70, "passages")
    facts = label_facts(first)
    assert (facts.score, facts.null, facts.is_better, facts.n, facts.unit) == (0.6, None, False, 900, "tokens")
    assert (label_facts(None).label, label_facts(None).n) == ("", None)
    (sent,) = label_out(tried).scores
    assert (sent.scorer, sent.low, sent.null, sent.null_high, sent.is_better) == ("detection", 0.6, 0.5, 0.6, True)
    assert (label_out(first).scores, label_out(first).unit) == ([], "tokens")


def test_pages_of_the_listing_join_to_all_features(api: httpx.Client):
    found, cursor = [], None
    while True:
        page = get(
            api, "/features", sort="density", descending=True, limit=20, **({"cursor": cursor} if cursor else {})
        )
        assert bool(page["facets"]) == (cursor is None), "facets come with the first page"
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    assert sorted(row["feature"] for row in found) == list(range(N_FEATURES))
    densities = [row["density"] for row in found]
    assert densities == sorted(densities, reverse=True)
    assert page["total"] == page["n_features"] == N_FEATURES


def test_a_filter_is_named_with_what_it_hides(api: httpx.Client):
    page = get(api, "/features", max_density=0.05, alive=True)
    assert {one["filter"]: one["value"] for one in page["hidden"]} == {"max_density": "0.05", "alive": "true"}
    without = get(api, "/features", alive=True)
    hidden = {one["filter"]: one["n"] for one in page["hidden"]}
    assert without["total"] == page["total"] + hidden["max_density"]
    assert all(row["density"] <= 0.05 for row in page["items"])


def test_chosen_features_come_as_rows_of_the_list_in_the_order_of_the_request(api: httpx.Client):
    listed = {row["feature"]: row for row in get(api, "/features", limit=N_FEATURES)["items"]}
    answer = api.post(f"{HERE}/rows", json={"features": [7, 3, 7, N_FEATURES - 1]})
    assert answer.json()["items"] == [listed[feature] for feature in (7, 3, 7, N_FEATURES - 1)]


@pytest.mark.parametrize(
    ("features", "status"),
    [([], 422), ([0] * 501, 422), ([3, N_FEATURES], 404), ([-1], 404), ([10**30], 404)],
)
def test_rows_of_nothing_too_many_or_unknown_features_are_refused(api: httpx.Client, features: list[int], status: int):
    answer = api.post(f"{HERE}/rows", json={"features": features})
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/problem+json")


def test_the_head_is_the_cards(api: httpx.Client, index: Index, busiest: int):
    head, card = get(api, f"/features/{busiest}"), index.card(busiest)
    assert (head["address"], head["density"], head["max"]) == (card.name, card.density, card.max)
    assert (head["layer"], head["unit"], head["is_dead"]) == (1, None, False)
    assert head["labels"][0]["text"] == card.labels[0].text
    assert head["provenance"]["n_counted"] == card.n_counted
    assert get(api, "/features/0")["previous"] is None
    assert get(api, f"/features/{N_FEATURES - 1}")["next"] is None


def test_a_random_feature_fires(api: httpx.Client, index: Index):
    drawn = {get(api, "/random")["feature"] for _ in range(12)}
    assert len(drawn) > 1
    assert all(index.card(feature).n_active for feature in drawn)


def test_the_export_is_one_page_that_loads_nothing(api: httpx.Client, index: Index):
    answer = api.post(f"{HERE}/export", json={"features": [3, 1, 3]})
    assert "attachment" in answer.headers["content-disposition"]
    assert answer.text.index(index.address(3)) < answer.text.index(index.address(1))
    assert "src=" not in answer.text
    assert "<script" not in answer.text


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/features/48", 404, "No feature 48"),
        ("/features/-1", 404, "No feature -1"),
        ("/features/one", 422, "path.feature"),
        ("/features/0/examples?group=best", 404, "No group of examples 'best'"),
        ("/features?cursor=-3", 400, "is no cursor"),
        ("/features?kind=colour", 400, "No feature has the kind"),
        ("/features?limit=501", 422, "limit"),
        ("/features?max_density=2", 422, "max_density"),
    ],
)
def test_wrong_words_get_one_clear_problem(api: httpx.Client, path: str, status: int, said: str):
    answer = api.get(HERE + path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in answer.text


def test_an_unknown_dictionary_is_not_found(api: httpx.Client):
    for name in ("nothing", "..", "%2e%2e%2fmodels"):
        answer = api.get(f"/api/dictionaries/{name}/features/0")
        assert answer.status_code in (400, 404)


def test_an_export_of_nothing_or_too_much_is_refused(api: httpx.Client):
    assert api.post(f"{HERE}/export", json={"features": []}).status_code == 422
    assert api.post(f"{HERE}/export", json={"features": list(range(201))}).status_code == 422
    assert api.post(f"{HERE}/export", json={"features": [999]}).status_code == 404
