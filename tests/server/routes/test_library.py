import shutil

import httpx
import pytest

from hooke.dictionaries.formats.native_sets import save_set
from tests.cli.tiny_lab import TinyLab
from tests.dictionaries.transcoders import transcoder_set


def test_the_library_has_everything_once(api: httpx.Client):
    library = api.get("/api/library").json()
    found = {one["name"]: one for one in library["dictionaries"]}
    assert found["tiny"]["index"] == "tiny"
    assert found["bare"]["index"] is None
    assert found["smollm2-res"]["is_starter"]
    assert found["bare"]["completeness"] is None
    assert found["bare"]["how_to_measure"] == "hooke dictionary quality bare --metric completeness"
    assert len(found) == len(library["dictionaries"])
    assert {"smollm2-135m", "tiny-model"} <= {one["name"] for one in library["models"]}
    assert "trained" in [run["name"] for run in library["runs"] if run["is_finished"]]
    assert library["disk"]["free"] > 0
    assert library["damaged"] == {}


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("resid_post.1/3@tiny", "/d/tiny/f/3"),
        ("tiny/3", "/d/tiny/f/3"),
        ("resid_post.1/3", "/d/tiny/f/3"),
        (" smollm2-res/8191 ", "/d/smollm2-res/f/8191"),
        ("bare", "/d/bare"),
        ("tiny-model", "/m/tiny-model"),
        ("https://www.neuronpedia.org/some-model/tiny/7", "/d/tiny/f/7"),
        ("http://127.0.0.1:1/d/tiny/f/5", "/d/tiny/f/5"),
    ],
)
def test_any_id_or_address_leads_to_its_page(api: httpx.Client, text: str, address: str):
    assert api.get("/api/resolve", params={"q": text}).json()["address"] == address


def test_a_number_is_of_the_index_that_is_looked_at(api: httpx.Client):
    assert api.get("/api/resolve", params={"q": "3", "index": "tiny"}).json()["address"] == "/d/tiny/f/3"
    assert api.get("/api/resolve", params={"q": "3"}).status_code == 400


@pytest.mark.parametrize(
    "text",
    [
        "tiny/48",
        "tin",
        "../../etc/passwd",
        "tiny/../3",
        "https://evil.example/d",
        "http://[",
        "a@b@c",
        "tiny/99999999999",
        "\0",
        "٣",
    ],
)
def test_what_leads_nowhere_is_refused_with_a_hint(api: httpx.Client, text: str):
    answer = api.get("/api/resolve", params={"q": text})
    assert answer.status_code in (400, 404)
    assert answer.json()["hint"]


def test_transcoders_of_several_layers_are_no_damaged_dictionaries(api: httpx.Client, server_lab: TinyLab):
    folder = server_lab.lab.path("dictionaries", "layered")
    save_set(transcoder_set(), folder)
    library = api.get("/api/library").json()
    shutil.rmtree(folder)
    assert library["damaged"] == {}
    assert "layered" not in [one["name"] for one in library["dictionaries"]]
