"""Path patching over HTTP: the job's map of senders, and single senders beside their control."""

import time
from collections.abc import Iterator

import httpx
import pytest

from hooke.circuits.pairs import open_pairs
from hooke.circuits.path_patching import PathSettings, path_patch
from hooke.cli.app import main
from hooke.lab import Lab
from hooke.server.routes.path_patching import MAX_SENDERS
from hooke.specimens import build
from tests.server.tiny_server import running

SPECIMEN = build("two-hop")
PAIRS = [
    {"clean": one.clean, "corrupted": one.corrupted, "answers": list(one.answers), "wrong": list(one.wrong)}
    for one in SPECIMEN.pairs[:6]
]
BODY = {"model": "specimen-two-hop", "pairs": PAIRS}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a microscope over a lab with the specimen of two hops."""
    root = tmp_path_factory.mktemp("paths") / "lab"
    assert main(["specimen", "build", "two-hop", "--lab", str(root)]) == 0
    with running(Lab(root)) as server, server.client() as found:
        yield found


def test_the_job_maps_what_the_library_finds(client: httpx.Client):
    number = client.post("/api/patching/paths", json=BODY | {"receivers": ["m1"], "through": "nothing"}).json()["job"]
    give_up = time.monotonic() + 300
    while (job := client.get(f"/api/jobs/{number}").json())["state"] in ("queued", "running"):
        assert time.monotonic() < give_up
        time.sleep(0.2)
    assert job["state"] == "done", job
    found = client.get(f"/api/patching/paths/{number}").json()
    assert found == job["result"]
    pairs = open_pairs(SPECIMEN.model, SPECIMEN.pairs[:6])
    expected = path_patch(SPECIMEN.model, pairs, PathSettings(receivers=("m1",), through="nothing"))
    effects = dict(zip(expected.senders, expected.effects, strict=True))
    n_heads = len(found["columns"]) - 1
    assert found["columns"][-1] == "MLP"
    for layer, row in enumerate(found["effects"]):
        names = [*(f"a{layer}.h{head}" for head in range(n_heads)), f"m{layer}"]
        assert row == [None if name not in effects else pytest.approx(effects[name], abs=1e-5) for name in names]
    assert found["effects"][-1][-1] is None
    assert found["input"] == pytest.approx(effects["input"], abs=1e-5)
    assert found["clean"] > 0 > found["corrupted"]


def test_a_planted_sender_beats_its_control_and_an_idle_one_does_nothing(client: httpx.Client):
    body = BODY | {"receivers": ["logits"], "senders": ["a1.h0", "a0.h1"]}
    planted, idle = client.post("/api/patching/paths/senders", json=body).json()["items"]
    assert (planted["sender"], planted["n"]) == ("a1.h0", 6)
    assert planted["interval"][0] > planted["control_interval"][1]
    assert idle["value"] == pytest.approx(0, abs=0.01)


def test_a_job_of_another_kind_has_no_map(client: httpx.Client):
    number = client.post("/api/jobs", json={"kind": "text", "arguments": {"dictionary": "nowhere"}}).json()["id"]
    answer = client.get(f"/api/patching/paths/{number}")
    assert (answer.status_code, "no map of paths" in answer.text) == (400, True)
    assert client.get("/api/patching/paths/nowhere").status_code == 404


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"receivers": ["a9.h9"]}, 404, "a9.h9"),
        ({"receivers": []}, 422, "receivers"),
        ({"receivers": ["a0.h0"]}, 400, "does not come before"),
        ({"senders": ["a9.h9"]}, 404, "a9.h9"),
        ({"senders": ["m0"] * (MAX_SENDERS + 1)}, 422, "senders"),
        ({"through": "heads"}, 422, "through"),
        ({"pairs": None}, 400, "neither"),
        ({"model": "nowhere"}, 404, "nowhere"),
    ],
)
def test_wrong_words(client: httpx.Client, change: dict, status: int, words: str):
    answer = client.post("/api/patching/paths/senders", json=BODY | {"senders": ["m0"]} | change)
    assert (answer.status_code, words in answer.text) == (status, True), answer.text
