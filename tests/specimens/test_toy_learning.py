"""Learning: resting at levels and jumping between them, on made-up histories and on a trained one."""

import pytest
import torch

from hooke.specimens.toy_claims import Effort
from hooke.specimens.toy_learning import learning, resting, sharpest_tenth

ALONE = torch.tensor([[1.0, 0], [0, 1.0]])


def test_what_stays_on_a_level_rests():
    steady = ALONE.repeat(10, 1, 1, 1)
    assert resting(steady).tolist() == [1]
    # Two features at 45 degrees have D = 2/3, no level that five features in a plane have.
    slanted = torch.tensor([[1.0, 0], [0.5**0.5, 0.5**0.5]]).repeat(10, 1, 1, 1)
    assert resting(slanted).tolist() == [0]


def test_a_jump_is_sharp_and_a_slope_is_not():
    angles = torch.linspace(torch.pi / 2, torch.pi / 4, 41)
    slope = torch.stack(
        [torch.stack([torch.stack([a.new_tensor([1.0, 0]), torch.stack([a.cos(), a.sin()])])]) for a in angles]
    )
    jump = torch.where(torch.arange(41)[:, None, None, None] < 20, slope[0], slope[-1])
    assert float(sharpest_tenth(jump)) == pytest.approx(1)
    assert float(sharpest_tenth(slope)) < 0.3


def test_the_history_is_there_to_draw():
    found = learning(effort=Effort(steps=0.1, seeds=0.1))
    n_snapshots = len(found.data["steps"])
    assert n_snapshots == 11
    for arm in (0, 1):
        assert {len(one) for one in found.data["dimensionality"][arm]} == {n_snapshots}
        assert found.data["loss"][arm][0] > found.data["loss"][arm][-1]
