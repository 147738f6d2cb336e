"""Phase diagrams: the closed form by hand and by simulation, and training against it."""

import pytest
import torch
from torch import Generator

from hooke.specimens.sparse_data import independent
from hooke.specimens.toy_claims import Effort
from hooke.specimens.toy_measures import DEDICATED, IGNORED, SUPERPOSED
from hooke.specimens.toy_models import rebuild
from hooke.specimens.toy_phases import closed_form, phase_diagram


def test_the_closed_form_in_three_corners():
    density = torch.tensor([1.0, 1.0, 0.01])
    importance = torch.tensor([[1.0, 0.1], [1.0, 10.0], [1.0, 1.0]])
    loss, fate = closed_form(density, importance, 1)
    assert fate.tolist() == [IGNORED, DEDICATED, SUPERPOSED]
    assert loss.tolist() == pytest.approx([0.1 / 12, 1 / 12, 2 * 0.01**2 / 6])


def test_the_closed_form_is_the_loss_of_weights_set_by_hand():
    p = 0.3
    draw = independent(torch.full((2,), p), 3)
    # In two dimensions: features 0 and 1 antipodal, 2 alone; and 0 and 1 alone, 2 ignored.
    weights = torch.tensor([[[1.0, 0], [-1, 0], [0, 1]], [[1.0, 0], [0, 1], [0, 0]]])
    bias = torch.tensor([[0.0, 0, 0], [0, 0, p / 2]])
    x = draw(200_000, Generator().manual_seed(0))
    measured = (rebuild(weights, bias, torch.zeros(2, dtype=torch.bool), x) - x).square().mean(1).sum(-1)
    for place, importance in enumerate(([1e-9, 1e-9, 1.0], [1.0, 1.0, 1e-9])):
        # Importance makes each of the two the cheapest; then its parts are weighed as the other's would be.
        _, fate = closed_form(torch.tensor([p]), torch.tensor([importance]), 2)
        assert fate.tolist() == [[DEDICATED], [IGNORED]][place]
    assert measured.tolist() == pytest.approx([2 * p**2 / 6, p / 3 - p**2 / 4], rel=0.02)


def test_training_ends_where_the_closed_form_says():
    found = phase_diagram(effort=Effort(steps=0.25, seeds=0.5))
    agreement, shared = (one.finding for one in found.claims[:2])
    assert agreement.control_interval is not None
    assert agreement.interval[0] > agreement.control_interval[1]
    assert shared.control is not None
    assert shared.value > 0.3 > shared.control
    fates = {fate for row in found.data["diagrams"][0]["trained"] for fate in row}
    assert fates == {IGNORED, DEDICATED, SUPERPOSED}
