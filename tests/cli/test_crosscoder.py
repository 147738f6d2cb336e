"""Dictionaries of several sites, from training to steering."""

import shutil

import pytest

from tests.cli.conftest import Hooke
from tests.cli.test_train import SIZES
from tests.cli.tiny_lab import TinyLab


def test_a_crosscoder_is_measured_at_each_site_and_indexed(hooke: Hooke, tiny: TinyLab):
    hooke("harvest MODEL --name posts --site resid_post.* --tokens 1500 --corpus CORPUS --context 32")
    command = f"train both --activations posts --form crosscoder --site resid_post.1,resid_post.2 {SIZES}"
    assert "64 features at resid_post.1, resid_post.2" in hooke(command + " --kind batchtopk").out
    live = f"train all --model MODEL --form crosscoder --site resid_post.* --corpus CORPUS --context 32 {SIZES}"
    assert hooke(live + " --json").data["config"]["reads"] == [f"resid_post.{layer}" for layer in range(3)]
    text = "--tokens 640 --corpus CORPUS --context 32"
    data = hooke(f"dictionary eval both --model MODEL {text} --loss-windows 4 --json").data
    assert [one["sites"] for one in data["measured"]] == [
        ["resid_post.1 resid_post.2", "resid_post.1"],
        ["resid_post.1 resid_post.2", "resid_post.2"],
    ]
    assert sum(one["mean_share"] for one in data["shares"]) == pytest.approx(1)
    assert all(one["own"]["fvu"]["value"] < one["control"]["fvu"]["value"] for one in data["measured"])
    assert data["findings"][0]["claim"].endswith("at resid_post.1")
    assert hooke(f"index both --model MODEL {text}").code == 0
    assert "resid_post.1" in hooke("feature resid_post.1/3@both").out
    assert hooke("read bridge --index both --model MODEL").code == 0
    said = hooke("steer resid_post.1/3@both bridge --strengths 4 --max-tokens 4 --model MODEL --json").data["said"]
    assert [one["name"] for one in said] == ["baseline", "treated", "random"]
    for room, name in (
        ("dictionaries", "both"),
        ("dictionaries", "all"),
        ("features", "both"),
        ("activations", "posts"),
    ):
        shutil.rmtree(tiny.lab.find(room, name))
