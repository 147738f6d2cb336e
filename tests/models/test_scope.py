"""What a schedule multiplies the change by, token by token; how edits take it and conditions is in test_apply."""

import pytest
import torch

from hooke.errors import BadConfig
from hooke.models.scope import Given, Schedule

POSITION = torch.tensor([[0, 1, 2, 3, 4, 5, 6, 7], [-1, -1, 0, 1, 2, 3, 4, 5]])
N_PROMPT = torch.tensor([3, 1])


@pytest.mark.parametrize(
    ("schedule", "prompt", "new"),
    [
        (Schedule(), 1, [1, 1, 1, 1, 1]),
        (Schedule(start=2), 0, [0, 0, 1, 1, 1]),
        (Schedule(hold=2), 1, [1, 1, 0, 0, 0]),
        (Schedule(start=1, hold=2), 0, [0, 1, 1, 0, 0]),
        (Schedule(hold=0, fade=4), 1, [0.75, 0.5, 0.25, 0, 0]),
        (Schedule(hold=1, fade=2), 1, [1, 0.5, 0, 0, 0]),
        (Schedule(start=1, hold=1, fade=2), 0, [0, 1, 0.5, 0, 0]),
    ],
)
def test_the_factor_of_each_token(schedule: Schedule, prompt: float, new: list[float]):
    found = schedule.factors(POSITION, N_PROMPT)
    assert found[0].tolist() == pytest.approx([prompt] * 3 + new)
    assert found[1, 2:].tolist() == pytest.approx([prompt, *new])


def test_one_that_comes_later_is_the_same_one_shifted():
    own, later = Schedule(start=1, hold=1, fade=2), Schedule(start=1, hold=1, fade=2).later(2)
    assert later.factors(POSITION, N_PROMPT)[0, 5:].tolist() == own.factors(POSITION, N_PROMPT)[0, 3:6].tolist()


@pytest.mark.parametrize("kind", ["q", "k", "v", "pattern"])
def test_conditions_inside_the_attention_are_refused(kind: str):
    with pytest.raises(BadConfig, match="cannot be read at"):
        Given(site=f"{kind}.1", direction=torch.ones(3), above=0.0)
