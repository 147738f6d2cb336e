"""`hooke direction`, and steering by one."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Hooke
from tests.directions.talking import sentences


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    rows = [{"text": one.text, "label": one.label, "group": one.group} for one in sentences()]
    path = tmp_path / "cat.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_one_is_made_of_texts_shown_listed_and_steers(hooke: Hooke, texts: Path, tmp_path: Path) -> None:
    data = hooke(f"direction make cat --texts {texts} --site resid_post.0 --model MODEL --json").data
    assert (data["made"]["method"], data["site"]) == ("means", "resid_post.0")
    assert [bool(one["control_name"]) for one in data["findings"]] == [True, True]
    assert "random directions" in hooke("direction show cat").out
    assert "cat" in [one["name"] for one in hooke("direction list --json").data["directions"]]
    command = "steer bridge --direction cat --strengths 0.2 --strengths -0.2 --max-tokens 3 --model MODEL --json"
    steered = hooke(command).data
    assert [one["name"] for one in steered["said"]] == ["baseline", "treated", "treated", "random", "random"]
    assert steered["unit"] > 0
    recipe = tmp_path / "cat.json"
    assert hooke(f"direction show cat --recipe {recipe} --strength 2").code == 0
    (edit,) = json.loads(recipe.read_text())["edits"]
    assert (edit["site"], edit["strength"], len(edit["vector"])) == ("resid_post.0", 2.0, 32)
    assert hooke(f"steer bridge --recipe {recipe} --max-tokens 2 --model MODEL").code == 0


def test_its_dose_response_stands_beside_random_directions(hooke: Hooke, texts: Path) -> None:
    hooke(f"direction make dosed --texts {texts} --site resid_post.0 --model MODEL")
    done = hooke("steer bridge --direction dosed --strengths 0.2 --dose-response --max-tokens 2 --model MODEL --json")
    response = done.data["dose_response"]
    assert response["name"] == "dosed"
    assert len(response["controls"]) == 3
    assert response["unit"] == pytest.approx(done.data["unit"])


def test_a_feature_and_a_learnt_vector(hooke: Hooke, texts: Path) -> None:
    row = hooke("direction make row --feature resid_post.1/3@tiny --model MODEL --json").data
    assert (row["made"]["method"], row["site"]) == ("decoder row", "resid_post.1")
    learnt = hooke(
        f"direction make learnt --texts {texts} --method learnt --site resid_post.0 --model MODEL --json"
    ).data
    assert learnt["findings"][0]["unit"] == " nats per token"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("direction make a --model MODEL", "not of 0"),
        ("direction make a --texts truth --probe b --model MODEL", "not of 2"),
        ("direction make ../a --texts truth --model MODEL", "not a name"),
        ("direction make a --persona nothing --model MODEL", "is no trait"),
        ("direction make a --probe nothing --model MODEL", "No probes 'nothing'"),
        ("direction make a --texts truth --method learnt --site resid_post.* --model MODEL", "at one site"),
        ("direction show nothing", "No directions 'nothing'"),
        ("steer bridge --direction nothing --model MODEL", "No directions 'nothing'"),
        ("steer resid_post.1/3@tiny bridge --direction cat --model MODEL", "steered by itself"),
        ("steer bridge --direction cat --strengths 0 --model MODEL", "Strengths cannot be"),
    ],
)
def test_wrong_words(hooke: Hooke, command: str, said: str) -> None:
    done = hooke(command)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err
