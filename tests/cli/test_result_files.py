"""`hooke dictionary results`."""

import json
from pathlib import Path

from tests.cli.conftest import Hooke

TEXT = "--model MODEL --corpus CORPUS --context 32 --windows 4"


def test_a_file_is_written_and_said(hooke: Hooke, tmp_path: Path):
    done = hooke(f"dictionary results tiny {tmp_path}/out --kind core {TEXT} --json")
    assert done.code == 0, done.err
    (path,) = done.data["files"]
    assert json.loads(Path(path).read_text())["sae_lens_id"] == "tiny"
    assert any(row[1] == "ce_loss_score" for row in done.data["results"])
    again = hooke(f"dictionary results tiny {tmp_path}/out --kind core {TEXT}")
    assert again.code == 2
    assert "is there already" in again.err


def test_wrong_words(hooke: Hooke, tmp_path: Path):
    for command, said in (
        (f"dictionary results tiny {tmp_path}/x --kind scr {TEXT}", 'Invalid value "scr"'),
        (f"dictionary results tyny {tmp_path}/x {TEXT}", "No dictionary 'tyny'"),
    ):
        done = hooke(command)
        assert done.code == 2, done
        assert said in " ".join(done.err.split())
