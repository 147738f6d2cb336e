"""`hooke trace`."""

from pathlib import Path

import pytest

from hooke.circuits.graph_file import load_graph
from tests.cli.conftest import Hooke


def test_the_account_as_json(hooke: Hooke, tmp_path: Path):
    file = tmp_path / "graph.json"
    data = hooke(f"trace MODEL bridge-of-iron --max-nodes 20 --out {file} --json").data
    assert data["expanded"] == 20
    assert data["conservation_error"] <= 1e-4
    for score in ("replacement_score", "completeness_score"):
        for form in ("", "_null", "_corrected", "_corrected_null"):
            assert 0 <= data[f"{score}{form}"] <= 1 + 1e-9
    assert {"nodes", "edges", "active", "seconds", "peak_mb"} <= set(data)
    assert load_graph(file).prompt == "bridge-of-iron"


def test_what_is_shown_says_how_predicted_effects_rank_and_what_is_not_tested(hooke: Hooke):
    command = "trace MODEL bridge --max-nodes 20 --show 3 --dictionary neurons"
    out = " ".join(hooke(command).out.split())
    assert "predicted effect" in out
    assert "rank features as real ablations do" in out
    assert "shuffled" in out
    out = " ".join(hooke(f"{command} --ablations 0").out.split())
    assert "not tested on the model yet" in out
    assert hooke(f"{command} --ablations 0 --json").data["findings"] == []
    (finding,) = hooke(f"{command} --ablations 10 --json").data["findings"]
    assert finding["n"] == 10
    assert finding["interval"][0] <= finding["value"] <= finding["interval"][1]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("trace MODEL b", "one token"),
        ("trace MODEL bridge --dictionary nowhere", "nowhere"),
        ("trace MODEL bridge --target bridge-of-iron", "not one token"),
        ("trace MODEL bridge --name a/b", "not a name"),
        ("trace MODEL", "a prompt, or a file"),
        ("trace MODEL bridge --prompts nowhere.txt --name set", "a prompt, or a file"),
        ("trace MODEL --prompts nowhere.txt --name set", "holds no prompts"),
        ("trace MODEL --prompts nowhere.txt", "Give --name"),
        ("trace MODEL bridge --target #5 --target #5", "a target twice"),
    ],
)
def test_wrong_words(hooke: Hooke, command: str, said: str):
    done = hooke(command)
    assert done.code != 0
    assert said in done.err
    assert "Traceback" not in done.err


def test_a_file_of_prompts_is_traced_prompt_by_prompt_and_what_fails_is_told(hooke: Hooke, tmp_path: Path):
    file = tmp_path / "prompts.jsonl"
    file.write_text(
        '{"prompt": "bridge-of-iron", "name": "one"}\n{"prompt": "b"}\n{"prompt": "bridge", "targets": "#5 - #6"}\n'
    )
    done = hooke(f"trace MODEL --prompts {file} --name set --max-nodes 10 --json")
    assert done.code == 1
    assert [one["graph"] for one in done.data["graphs"]] == ["set-one", "set-3"]
    assert [one["prompt"] for one in done.data["graphs"]] == ["bridge-of-iron", "bridge"]
    assert len(done.data["graphs"][1]["targets"]) == 1
    assert list(done.data["refused"]) == ["set-2"]
    assert "one token" in done.data["refused"]["set-2"]
    assert {"set-one", "set-3"} <= {one["id"] for one in hooke("graph list --json").data["graphs"]}


def test_a_feature_of_a_dictionary_can_be_explained_and_the_plan_is_told(hooke: Hooke):
    done = hooke("trace MODEL bridge-of-iron --target resid_post.1/5@tiny --max-nodes 10 --json")
    ((name, _, weight),) = done.data["targets"]
    assert name.startswith("'resid_post.1/5@tiny:")
    assert weight == "1.000"
    assert "trace: 10 of" in done.err
    assert done.data["estimated_seconds"] > 0


def test_nothing_is_left_by_a_graph_that_was_refused(hooke: Hooke, tmp_path: Path):
    hooke(f"trace MODEL bridge --target bridge-of-iron --out {tmp_path / 'graph.json'}")
    assert list(tmp_path.iterdir()) == []
