"""Discovery over HTTP: the job that scores edges and runs circuits, what it keeps, and single circuits of it."""

import time
from collections.abc import Iterator

import httpx
import pytest

from hooke.circuits.circuit_file import load_circuit
from hooke.circuits.discover import DiscoverSettings, discover_and_measure
from hooke.circuits.pairs import open_pairs
from hooke.cli.app import main
from hooke.errors import BadRequest
from hooke.lab import Lab
from hooke.server.routes.discovery import MAX_DRAWN, DiscoverArguments, discover_work
from hooke.specimens import build
from tests.server.tiny_server import Microscope, running

SPECIMEN = build("two-hop")
PAIRS = [
    {"clean": one.clean, "corrupted": one.corrupted, "answers": list(one.answers), "wrong": list(one.wrong)}
    for one in SPECIMEN.pairs
]
BODY = {"model": "specimen-two-hop", "pairs": PAIRS, "method": "eap-ig-inputs", "steps": 3}
N = len(SPECIMEN.circuit)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Microscope]:
    """A microscope over a lab with the specimen of two hops."""
    root = tmp_path_factory.mktemp("discovery") / "lab"
    assert main(["specimen", "build", "two-hop", "--lab", str(root)]) == 0
    with running(Lab(root)) as found:
        yield found


@pytest.fixture(scope="module")
def client(server: Microscope) -> Iterator[httpx.Client]:
    """A client of it."""
    with server.client() as found:
        yield found


@pytest.fixture(scope="module")
def name(client: httpx.Client) -> str:
    """A discovery that was made by a job."""
    started = client.post("/api/discovery", json=BODY).json()
    give_up = time.monotonic() + 300
    while (job := client.get(f"/api/jobs/{started['job']}").json())["state"] in ("queued", "running"):
        assert time.monotonic() < give_up
        time.sleep(0.1)
    assert job["state"] == "done", job
    assert job["result"] == {"discovery": started["discovery"]}
    return started["discovery"]


def kept(server: Microscope, name: str, **change: object) -> str:
    """Another discovery, made without a process of its own."""
    arguments = DiscoverArguments.model_validate(BODY | change | {"name": name})
    discover_work(server.lab, arguments)
    return name


def test_the_curves_are_those_of_the_library(client: httpx.Client, name: str):
    found = client.get(f"/api/discovery/{name}").json()
    pairs = open_pairs(SPECIMEN.model, SPECIMEN.pairs)
    settings = DiscoverSettings(steps=3)
    expected = discover_and_measure(SPECIMEN.model, pairs, settings, orders=("size", "score"))
    assert [one["order"] for one in found["curves"]] == ["size", "score"]
    for curve, own in zip(found["curves"], expected.curves, strict=True):
        assert curve["area"]["value"] == pytest.approx(own.area.value, abs=1e-5)
        assert [one["n_edges"] for one in curve["points"]] == [one.n_edges for one in own.points]
        values = [one["faithfulness"]["value"] for one in curve["points"]]
        assert values == pytest.approx([one.faithfulness.value for one in own.points], abs=1e-5)
        controls = [one["control"]["value"] for one in curve["points"]]
        assert controls == pytest.approx([one.faithfulness.value for one in expected.control.points], abs=1e-5)
    assert found["curves"][1]["control_area"]["value"] == pytest.approx(expected.control.area_as("score").value)
    assert (found["n_scored"], found["n_tried"]) == (12, 12)
    assert found["right"] == 1
    assert found["stability"]["value"] > found["stability"]["control"]


def test_the_strongest_edges_are_the_planted_ones_and_have_intervals(client: httpx.Client, name: str):
    found = client.get(f"/api/discovery/{name}").json()["strongest"]
    assert {one["edge"] for one in found[:N]} == SPECIMEN.circuit
    assert all(one["interval"][0] <= one["score"] <= one["interval"][1] for one in found[:N])
    into_head = next(one for one in found if one["read"])
    assert into_head["edge"] == f"{into_head['sender']}->{into_head['receiver']}<{into_head['read']}>"


def test_a_circuit_of_a_chosen_size_is_cut_and_drawn(client: httpx.Client, name: str):
    found = client.get(f"/api/discovery/{name}/circuit", params={"edges": N}).json()
    assert {one["edge"] for one in found["edges"]} == SPECIMEN.circuit
    ends = {end for one in found["edges"] for end in (one["sender"], one["receiver"])}
    assert {one["name"] for one in found["nodes"]} == ends
    assert [one["name"] for one in found["nodes"]][-1] == "logits"
    head = next(one for one in found["nodes"] if one["head"] is not None)
    assert head["name"] == f"a{head['layer']}.h{head['head']}"
    few = client.get(f"/api/discovery/{name}/circuit", params={"edges": N, "most": 2}).json()
    assert few["edges"] == found["edges"][:2]
    assert few["n_edges"] == N
    alone = client.get(f"/api/discovery/{name}/circuit", params={"edges": 1}).json()
    assert (alone["nodes"], alone["edges"], alone["n_edges"]) == ([], [], 0)


def test_the_file_is_a_circuit_that_the_command_line_reads(client: httpx.Client, name: str, tmp_path):
    answer = client.get(f"/api/discovery/{name}/file", params={"edges": N})
    assert f'filename="{name}-{N}.json"' in answer.headers["content-disposition"]
    file = tmp_path / "circuit.json"
    file.write_bytes(answer.content)
    circuit = load_circuit(file)
    assert set(circuit.graph.names(circuit.kept)) == SPECIMEN.circuit
    assert circuit.d_model == SPECIMEN.model.d_model


def test_a_circuit_is_run_beside_as_many_random_edges(client: httpx.Client, name: str):
    found = client.post(f"/api/discovery/{name}/run", json={"edges": N}).json()
    assert found["value"] == pytest.approx(1, abs=0.01)
    assert found["control"] < 0.5
    assert found["n"] == 12
    nowhere = client.post(f"/api/discovery/{name}/run", json={"edges": 1})
    assert (nowhere.status_code, "leads nowhere" in nowhere.text) == (400, True)


def test_the_list_says_which_are_of_one_task_and_what_was_asked_for_is_not_made_again(
    client: httpx.Client, server: Microscope, name: str
):
    whole, fewer = kept(server, "whole", method="masks", mask_steps=2), kept(server, "fewer", limit=6)
    items = {one["name"]: one for one in client.get("/api/discovery").json()["items"]}
    assert list(items)[0] == fewer
    assert items[name]["same_pairs"] == items[whole]["same_pairs"] != items[fewer]["same_pairs"]
    assert items[name]["areas"]["size"]["value"] < items[name]["control_areas"]["size"]["value"]
    assert client.get(f"/api/discovery/{whole}").json()["stability"] is None
    assert client.get(f"/api/discovery/{whole}").json()["strongest"][0]["interval"] is None
    assert client.post("/api/discovery", json=BODY).json() == {"discovery": name, "job": None}
    assert client.delete(f"/api/discovery/{fewer}").status_code == 204
    assert client.get(f"/api/discovery/{fewer}").status_code == 404
    assert fewer not in {one["name"] for one in client.get("/api/discovery").json()["items"]}


def test_what_is_damaged_is_named(client: httpx.Client, server: Microscope):
    folder = server.lab.path("circuits", "broken")
    folder.mkdir(parents=True)
    (folder / "discovery.json").write_text('{"name": "broken"}')
    assert "Field required" in client.get("/api/discovery").json()["damaged"]["broken"]
    assert "no sound part of a discovery" in client.get("/api/discovery/broken").text
    (folder / "discovery.json").unlink()
    assert "broken" in client.get("/api/discovery").json()["damaged"]


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"pairs": None}, 400, "neither"),
        ({"task": "two-hop"}, 400, "both"),
        ({"pairs": None, "task": "two-hops"}, 404, "two-hop"),
        ({"model": "nowhere"}, 404, "nowhere"),
        ({"method": "eapp"}, 422, "method"),
        ({"limit": 3}, 422, "limit"),
        ({"threshold": 0}, 422, "threshold"),
    ],
)
def test_wrong_words(client: httpx.Client, change: dict, status: int, words: str):
    answer = client.post("/api/discovery", json=BODY | change)
    assert (answer.status_code, words in answer.text) == (status, True), answer.text


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"edges": 0}, 422),
        ({"edges": 10**6}, 400),
        ({"edges": 3, "order": "name"}, 422),
        ({"edges": 3, "most": MAX_DRAWN + 1}, 422),
    ],
)
def test_circuits_that_are_not_there(client: httpx.Client, name: str, asked: dict, status: int):
    assert client.get(f"/api/discovery/{name}/circuit", params=asked).status_code == status
    assert client.get("/api/discovery/nowhere/circuit", params={"edges": 1}).status_code == 404


def test_too_few_pairs_are_refused_and_nothing_is_kept(server: Microscope):
    with pytest.raises(BadRequest, match="cannot be halved"):
        kept(server, "few", pairs=PAIRS[:3])
    assert "few" not in server.lab.names("circuits")


def test_without_models_what_is_kept_can_be_read(server: Microscope, name: str):
    with running(server.lab, read_only=True) as quiet, quiet.client() as client:
        assert client.get(f"/api/discovery/{name}").status_code == 200
        assert client.get(f"/api/discovery/{name}/circuit", params={"edges": N}).json()["n_edges"] == N
        for path, body in (("", BODY), (f"/{name}/run", {"edges": N})):
            assert client.post(f"/api/discovery{path}", json=body).json()["type"] == "no-model"
