import math

import pytest

from hooke.directions.steer_config import SteerConfig
from hooke.errors import BadConfig


@pytest.mark.parametrize(
    "settings",
    [
        {"strengths": ()},
        {"strengths": (0.0,)},
        {"strengths": (math.nan,)},
        {"n_promoted": 0},
        {"n_continued": 0},
        {"measurement": ("the stone",)},
    ],
)
def test_impossible_settings_are_refused(settings: dict):
    with pytest.raises(BadConfig):
        SteerConfig(**{"selection": ("the stone",), **settings})


def test_tokens_are_chosen_at_the_strength_nearest_to_one():
    assert SteerConfig(strengths=(-1.0, 0.25, 0.75, 2.0)).selection_strength == 0.75
