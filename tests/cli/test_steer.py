"""`hooke steer`."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Hooke

FEATURE = "resid_post.1/3@tiny"


def test_each_text_stands_beside_no_edit_and_a_random_direction(hooke: Hooke):
    data = hooke(f"steer {FEATURE} bridge --strengths 1 --strengths 4 --max-tokens 4 --model MODEL --json").data
    arms = [(one["name"], one["strength"]) for one in data["said"]]
    assert arms == [("baseline", None), ("treated", 1.0), ("treated", 4.0), ("random", 1.0), ("random", 4.0)]
    again = hooke(f"steer {FEATURE} bridge --strengths 1 --strengths 4 --max-tokens 4 --model MODEL --json").data
    assert again == data, "the random direction comes from the seed"


def test_further_edits_are_in_force(hooke: Hooke, tmp_path: Path):
    path = tmp_path / "edits.json"
    path.write_text(json.dumps([{"edit": "Ablate", "feature": "resid_post.1/99999@tiny"}]))
    done = hooke(f"steer {FEATURE} bridge --max-tokens 2 --model MODEL --edits {path}")
    assert done.code != 0
    assert "No feature" in done.err


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("steer resid_post.1/3 bridge --strengths 0 --model MODEL", 2, "Strengths cannot be"),
        ("steer 3 bridge --model MODEL", 2, "No feature '3'"),
        ("steer resid_post.1/99999@tiny bridge --model MODEL", 2, "99999"),
        ("steer resid_post.1/3@tiny bridge --edits nowhere.json --model MODEL", 2, "could not be read"),
    ],
)
def test_wrong_words(hooke: Hooke, command: str, code: int, said: str):
    done = hooke(command)
    assert done.code == code
    assert said in done.err
    assert "Traceback" not in done.err
