"""Features get rows best first, and the budget is kept; what is expanded does not depend on how it is batched."""

import pytest
import torch

from hooke.circuits.expand import expand
from hooke.circuits.frozen import freeze
from hooke.circuits.graph import TraceSettings
from hooke.circuits.neuron_basis import neuron_basis
from hooke.circuits.rows import edges_into
from hooke.circuits.targets import target_rows, top_logits
from tests.models.tiny import tiny_model

PROMPT = torch.arange(7)[None] * 5 + 3
FROZEN = freeze(tiny_model(), PROMPT)
GOALS = top_logits(FROZEN, mass=0.5, at_most=3)
SIZES = torch.stack([block.neurons.abs() for block in FROZEN.blocks if block.neurons is not None])
BASIS = neuron_basis(FROZEN, SIZES, 150)


def influence() -> torch.Tensor:
    """By its definition, w·(A + A² + ...), of all features when each has its row."""
    into, own = (edges_into(FROZEN, BASIS, rows) for rows in (target_rows(GOALS), BASIS.inputs(torch.arange(150))))
    parts = []
    for edges in (into, own):
        size = edges.features.abs().sum(-1) + edges.remainder.abs().sum((-2, -1)) + edges.tokens.abs().sum(-1)
        parts.append(edges.features.abs() / size[:, None])
    now = torch.tensor([goal.weight for goal in GOALS]) @ parts[0]
    reached = now
    for _ in range(3):
        now = now @ parts[1]
        reached = reached + now
    return reached


def test_rows_are_those_of_the_features_in_the_order_of_their_choice():
    found = expand(FROZEN, BASIS, GOALS, TraceSettings(max_nodes=40, batch=16))
    assert len(found.chosen) == len(set(found.chosen.tolist())) == 40
    assert len(found.edges.features) == 40 + len(GOALS)
    into_targets = edges_into(FROZEN, BASIS, target_rows(GOALS))
    torch.testing.assert_close(found.edges.features[: len(GOALS)], into_targets.features)
    alone = edges_into(FROZEN, BASIS, BASIS.inputs(found.chosen))
    torch.testing.assert_close(found.edges.features[len(GOALS) :], alone.features, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found.edges.total[len(GOALS) :], alone.total, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("batch", "least"), [(2, 0.999), (256, 0.985)])
def test_the_strongest_come_first(batch: int, least: float):
    reached = influence()
    found = expand(FROZEN, BASIS, GOALS, TraceSettings(max_nodes=60, batch=batch))
    # Small steps know more when they choose; even one step, by the targets' rows alone, finds most.
    assert float(reached[found.chosen].sum() / reached.topk(60).values.sum()) > least


def test_features_that_reach_no_target_get_no_rows():
    found = expand(FROZEN, BASIS, GOALS, TraceSettings(max_nodes=1000))
    silent = (influence() == 0).nonzero()[:, 0].tolist()
    assert silent
    assert not set(silent) & set(found.chosen.tolist())
    assert len(found.chosen) == 150 - len(silent)
