import shutil
from pathlib import Path

import httpx

from hooke.lab import Lab
from tests.cli.tiny_lab import TinyLab
from tests.server.tiny_server import running


def test_a_sound_server_is_well(api: httpx.Client):
    health = api.get("/api/health").json()
    assert health["is_well"], health
    assert {"lab", "index tiny", "index smollm2-res"} <= {check["name"] for check in health["checks"]}
    assert health["versions"]["hooke"]
    assert health["process_megabytes"] > 50


def test_a_damaged_index_is_named_with_what_to_do(server_lab: TinyLab, tmp_path: Path):
    lab = Lab(tmp_path / "lab")
    shutil.copytree(server_lab.lab.path("features", "tiny"), lab.path("features", "tiny"))
    with (lab.path("features", "tiny") / "labels.sqlite").open("ab") as file:
        file.write(b"x")
    with running(lab) as server, server.client() as client:
        health = client.get("/api/health").json()
    bad = [check for check in health["checks"] if not check["is_well"]]
    assert [check["name"] for check in bad] == ["index tiny"]
    assert bad[0]["hint"]
