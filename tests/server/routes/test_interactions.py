"""Interactions over HTTP: nothing computed, its own, beside another, and the edges of the map."""

from collections.abc import Iterator

import httpx
import pytest

from hooke.cli.app import main
from hooke.features.interactions import manifest_path, open_interactions
from hooke.lab import write_json
from hooke.server.routes.maps import MapArguments, draw_map
from tests.cli.tiny_lab import TinyLab
from tests.cli.tiny_pair import TEXT, make_tiny_pair
from tests.server.tiny_server import running


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> TinyLab:
    return make_tiny_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="module")
def computed(pair: TinyLab) -> Iterator[httpx.Client]:
    """A microscope over a lab with two runs and a map."""
    with running(pair.lab) as microscope, microscope.client() as client:
        bare = client.get("/api/dictionaries/tiny/features/3/interactions").json()
        assert bare["items"] == []
        assert bare["command"] == "hooke interactions tiny"
        assert bare["others"] == ["under"]
        edges = client.get("/api/dictionaries/tiny/interactions/edges").json()
        assert edges == {"items": [], "command": "hooke interactions tiny"}
        for command in (f"interactions tiny {TEXT}", f"interactions under --with tiny {TEXT}"):
            assert main(pair.words(command)) == 0
        draw_map(pair.lab, MapArguments(dictionary="tiny"))
        yield client


def test_a_feature_has_its_own_dictionary_and_the_other(computed: httpx.Client):
    answer = computed.get("/api/dictionaries/tiny/features/3/interactions").json()
    own, other = answer["items"]
    assert own["found"]["is_own"]
    assert own["false_alarms"] is not None
    assert (other["found"]["index"], other["found"]["direction"]) == ("under", "from")
    assert answer["others"] == []
    named = {str(one["feature"]) for one in other["found"]["together"]}
    assert named <= set(other["labels"])


def test_the_runs_of_an_index_come_with_findings(computed: httpx.Client):
    items = computed.get("/api/dictionaries/under/interactions").json()["items"]
    assert [one["run"] for one in items] == ["under--tiny"]
    assert items[0]["findings"][0]["control"] is not None


def test_edges_of_all_of_a_feature_and_of_a_group(computed: httpx.Client, pair: TinyLab):
    here = "/api/dictionaries/tiny/interactions/edges"
    everything = computed.get(here, params={"limit": 500}).json()["items"]
    assert everything
    feature = everything[0]["one"]
    own = computed.get(here, params={"feature": feature, "limit": 500}).json()["items"]
    assert own
    assert all(feature in (one["one"], one["other"]) for one in own)
    clusters = computed.get("/api/dictionaries/tiny/map/state").json()["clusters"]
    grouped = computed.get(here, params={"cluster": clusters[0]["cluster"], "limit": 500}).json()["items"]
    assert len(grouped) <= len(everything)
    assert computed.get(here, params={"cluster": clusters[0]["cluster"], "limit": 2}).json()["items"] == grouped[:2]


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("tiny/features/99/interactions", 404, "No feature 99"),
        ("none/features/1/interactions", 404, "No index 'none'"),
        ("tiny/interactions/edges?cluster=77", 404, "no group 77"),
        ("tiny/interactions/edges?cluster=0&feature=1", 422, "A feature and a group"),
        ("under/interactions/edges?cluster=0", 404, "no map of 'under'"),
    ],
)
def test_what_is_not_there_is_said(computed: httpx.Client, path: str, status: int, said: str):
    answer = computed.get(f"/api/dictionaries/{path}")
    assert answer.status_code == status
    assert said in answer.json()["title"]


def test_a_damaged_run_is_left_out(computed: httpx.Client, pair: TinyLab):
    path = manifest_path(pair.lab, "tiny")
    good = path.read_text()
    write_json(path, {})
    try:
        answer = computed.get("/api/dictionaries/tiny/features/3/interactions").json()
        assert [one["found"]["run"] for one in answer["items"]] == ["under--tiny"]
    finally:
        path.write_text(good)
    assert open_interactions(path).manifest.name == "tiny"
