"""`hooke steer --recipe`."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Hooke

FEATURE = "resid_post.1/3@tiny"


def recipe(tmp_path: Path, *edits: dict) -> Path:
    path = tmp_path / "r.json"
    path.write_text(json.dumps({"name": "r", "edits": list(edits)}))
    return path


def test_a_recipe_with_a_cap_a_condition_and_a_plan_speaks_in_three_arms(hooke: Hooke, tmp_path: Path):
    path = recipe(
        tmp_path,
        {"feature": FEATURE, "strength": 0.4, "schedule": {"hold": 2, "fade": 2}},
        {"feature": FEATURE, "how": "cap", "strength": 0.5, "given": FEATURE, "above": 0.1},
    )
    data = hooke(f"steer bridge --recipe {path} --max-tokens 4 --model MODEL --json").data
    assert set(data["texts"]) == {"base", "treated", "random"}
    assert data["dose_response"] is None


def test_its_dose_response_is_measured_on_request(hooke: Hooke, tmp_path: Path):
    path = recipe(tmp_path, {"feature": FEATURE})
    command = f"steer bridge --recipe {path} --dose-response --strengths 0.5 --max-tokens 2 --model MODEL --json"
    found = hooke(command).data["dose_response"]
    assert [dose["strength"] for dose in found["treated"]["doses"]] == [0.5]
    assert len(found["controls"]) == 3
    assert found["usable"]["reason"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--strengths 2", "has its own strengths"),
        ("--html page.html", "has no page"),
        ("--edits other.json", "steered by itself"),
    ],
)
def test_what_does_not_go_with_a_recipe_is_refused(hooke: Hooke, tmp_path: Path, options: str, said: str):
    done = hooke(f"steer bridge --recipe {recipe(tmp_path, {'feature': FEATURE})} {options} --model MODEL")
    assert done.code == 2
    assert said in done.err
