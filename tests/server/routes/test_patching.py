"""Patching over HTTP: estimates, exact cells beside their control, and the job that runs every cell."""

import time
from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from hooke.circuits.pairs import open_pairs
from hooke.circuits.patch import PatchSettings, patch
from hooke.cli.app import main
from hooke.lab import Lab
from hooke.server.routes.patching import MAX_CELLS
from hooke.specimens import build
from hooke.text.tasks import TASKS
from tests.server.tiny_server import running

SPECIMEN = build("two-hop")
PAIRS = [
    {"clean": one.clean, "corrupted": one.corrupted, "answers": list(one.answers), "wrong": list(one.wrong)}
    for one in SPECIMEN.pairs[:6]
]
BODY = {"model": "specimen-two-hop", "pairs": PAIRS, "kind": "heads"}
PLANTED, IDLE = (1, 0), (0, 1)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a microscope over a lab with the specimen of two hops."""
    root = tmp_path_factory.mktemp("patching") / "lab"
    assert main(["specimen", "build", "two-hop", "--lab", str(root)]) == 0
    with running(Lab(root)) as server, server.client() as found:
        yield found


def test_the_sets_are_listed_with_their_pairs(client: httpx.Client):
    items = client.get("/api/tasks").json()["items"]
    assert [one["name"] for one in items] == list(TASKS)
    assert [len(one["pairs"]) for one in items] == [len(one.pairs()) for one in TASKS.values()]


def test_estimates_are_those_of_the_library(client: httpx.Client):
    found = client.post("/api/patching", json=BODY).json()
    pairs = open_pairs(SPECIMEN.model, SPECIMEN.pairs[:6])
    expected = patch(SPECIMEN.model, pairs, PatchSettings(kind="heads", method="attribution"))
    np.testing.assert_allclose(found["effects"], expected.effects, atol=1e-5)
    assert (found["method"], found["n_pairs"], found["refused"]) == ("attribution", 6, [])
    assert found["right"] == 1
    assert found["clean"] == pytest.approx(expected.clean.mean(), abs=1e-4)
    assert found["corrupted"] == pytest.approx(expected.corrupted.mean(), abs=1e-4)


def test_a_planted_cell_is_confirmed_by_a_run_and_an_idle_one_is_not(client: httpx.Client):
    answer = client.post("/api/patching/cells", json=BODY | {"cells": [PLANTED, IDLE]}).json()["items"]
    planted, idle = answer
    assert (planted["layer"], planted["column"]) == PLANTED
    assert planted["interval"][0] > planted["control_interval"][1]
    assert idle["value"] == pytest.approx(0, abs=0.01)
    assert planted["n"] == 6


def test_columns_of_one_pair_are_its_tokens(client: httpx.Client):
    body = BODY | {"pairs": PAIRS[:1], "kind": "resid_post", "by": "positions"}
    found = client.post("/api/patching", json=body).json()
    texts = [[word.strip() for word in one] for one in (found["columns"], found["other"])]
    assert texts[0] == ["<s>", *PAIRS[0]["clean"].split()]
    assert texts[1] == ["<s>", *PAIRS[0]["corrupted"].split()]
    by_parts = client.post("/api/patching", json=BODY | {"kind": "resid_post"}).json()
    assert by_parts["other"] is None
    assert "last token" in by_parts["columns"]
    assert [row[by_parts["columns"].index("between")] for row in by_parts["effects"]] == [None, None]


def test_the_job_runs_every_cell(client: httpx.Client):
    number = client.post("/api/patching/exact", json=BODY).json()["job"]
    give_up = time.monotonic() + 90
    while (job := client.get(f"/api/jobs/{number}").json())["state"] in ("queued", "running"):
        assert time.monotonic() < give_up
        time.sleep(0.2)
    assert job["state"] == "done", job
    assert job["result"]["method"] == "exact"
    cell = client.post("/api/patching/cells", json=BODY | {"cells": [PLANTED]}).json()["items"][0]
    assert job["result"]["effects"][PLANTED[0]][PLANTED[1]] == pytest.approx(cell["value"], abs=1e-4)


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"pairs": None}, 400, "neither"),
        ({"task": "two-hop"}, 400, "both"),
        ({"pairs": None, "task": "two-hops"}, 404, "two-hop"),
        ({"model": "nowhere"}, 404, "nowhere"),
        ({"kind": "neurons"}, 422, "kind"),
        ({"value": "mean"}, 400, "noising"),
        ({"pairs": []}, 422, "pairs"),
        ({"pairs": [PAIRS[0] | {"corrupted": PAIRS[0]["clean"]}]}, 400, "same"),
        ({"pairs": [PAIRS[0] | {"corrupted": "the"}]}, 400, "tokens"),
        ({"pairs": [PAIRS[0] | {"answers": ["nowhere"]}]}, 400, "not one token"),
    ],
)
def test_wrong_words(client: httpx.Client, change: dict, status: int, words: str):
    for path, more in (("/api/patching", {}), ("/api/patching/cells", {"cells": [PLANTED]})):
        answer = client.post(path, json=BODY | change | more)
        assert (answer.status_code, words in answer.text) == (status, True), answer.text


@pytest.mark.parametrize(
    ("cells", "kind", "status"),
    [
        ([[9, 0]], "heads", 400),
        ([[0, 99]], "heads", 400),
        ([[0, 2]], "resid_post", 400),  # no prompt has a token between two changed ones
        ([], "heads", 422),
        ([[0, 0]] * (MAX_CELLS + 1), "heads", 422),
    ],
)
def test_cells_that_are_not_there(client: httpx.Client, cells: list, kind: str, status: int):
    answer = client.post("/api/patching/cells", json=BODY | {"cells": cells, "kind": kind})
    assert answer.status_code == status, answer.text


def test_without_models_only_the_sets_are_there(client: httpx.Client, tmp_path):
    with running(Lab(tmp_path), read_only=True) as server, server.client() as quiet:
        assert quiet.get("/api/tasks").status_code == 200
        for path in ("/api/patching", "/api/patching/exact"):
            assert quiet.post(path, json=BODY).json()["type"] == "no-model"
