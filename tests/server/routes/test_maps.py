"""The map over HTTP."""

import httpx
import numpy as np
from safetensors.numpy import load

from hooke.features.aids import aids_folder
from hooke.features.listing import Listing
from hooke.features.query import Index
from hooke.server.routes.maps import MapArguments, draw_map
from tests.cli.tiny_lab import TinyLab

HERE = "/api/dictionaries/tiny/map"


def test_the_map_is_drawn_by_a_job_and_then_there(api: httpx.Client, server_lab: TinyLab):
    lab = server_lab.lab
    index = Index.open("tiny", lab=lab)
    drawn = draw_map(lab, MapArguments(dictionary="tiny"))
    state = api.get(f"{HERE}/state").json()
    assert state["state"] == "ready"
    assert state["n_points"] == drawn["n_points"] == int(np.count_nonzero(Listing.of(index).n_active))
    assert sum(one["n"] for one in state["clusters"]) == state["n_points"]
    answer = api.get(HERE)
    assert answer.headers["content-type"] == "application/octet-stream"
    arrays = load(answer.content)
    assert {name: str(array.dtype) for name, array in arrays.items()} == {
        "feature": "uint32",
        "x": "float32",
        "y": "float32",
        "density": "float16",
        "score": "float16",
        "cluster": "uint16",
    }
    assert all(len(array) == state["n_points"] for array in arrays.values())
    assert max(np.abs(arrays["x"]).max(), np.abs(arrays["y"]).max()) <= 1
    assert set(arrays["cluster"].tolist()) == {one["cluster"] for one in state["clusters"]}


def test_without_a_map_it_says_what_to_do(server_lab: TinyLab, tmp_path):
    import shutil

    from hooke.lab import Lab
    from tests.server.tiny_server import running

    other = Lab(tmp_path / "lab")
    shutil.copytree(server_lab.lab.path("features", "tiny"), other.path("features", "tiny"))
    assert not aids_folder(Index.open("tiny", lab=other)).exists()
    with running(other) as microscope, microscope.client() as client:
        assert client.get(f"{HERE}/state").json()["state"] == "absent"
        answer = client.get(HERE)
        assert answer.status_code == 404
        assert "job 'map'" in answer.json()["hint"]
