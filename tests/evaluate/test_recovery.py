from dataclasses import replace

import pytest

from hooke.circuits.trace import trace
from hooke.evaluate.recovery import ARMS, claimed, recover, spread_thin
from hooke.specimens import Specimen, build

NAMES = [
    "induction", "two-hop", "gated-refusal", "sycophancy", "evaluation-aware", "password-locked",
    "faithful-reasoner", "unfaithful-reasoner", "greater-than", "sorted-list", "brackets",
]  # fmt: skip


@pytest.fixture(scope="module", params=NAMES)
def specimen(request: pytest.FixtureRequest) -> Specimen:
    """With every fourth of its prompts: a trace of each, on three models, takes a while."""
    whole = build(request.param)
    some = {name: getattr(whole, name)[::4] for name in ("prompts", "answers", "planted", "pairs")}
    return replace(whole, **some)


def test_what_was_planted_is_found_and_found_nowhere_else(specimen: Specimen):
    found = {arm: recover(specimen, arm) for arm in ARMS}
    for measure in ("node_recall", "node_precision", "edge_recall", "edge_precision"):
        assert getattr(found["specimen"], measure).value == 1, measure
    for arm in ("twin", "random"):
        assert found[arm].node_recall.value <= 0.05
        assert found[arm].edge_recall.value <= 0.05


def test_a_circuit_is_what_passes_a_tenth_of_the_influence(specimen: Specimen):
    planted = specimen.planted[0]
    neurons, edges = claimed(trace(specimen.model, "neurons", specimen.prompts[0], targets=[specimen.answers[0]]))
    assert neurons == set(planted.neurons)
    assert edges == set(planted.edges)


def test_work_that_is_spread_over_many_neurons_is_found_in_part_and_said_to_be():
    whole = build("modular-addition")
    some = {name: getattr(whole, name)[::4] for name in ("prompts", "answers", "planted", "pairs")}
    found = recover(replace(whole, **some))
    assert spread_thin(whole) > 10
    assert 0 < found.node_recall.value < 0.3
    assert found.node_precision.value == 1
    assert spread_thin(build("sorted-list")) == 0


def test_findings_say_what_was_measured():
    specimen = build("induction")
    finding = recover(specimen).edge_precision
    assert finding.n == len(specimen.prompts)
    assert "10%" in finding.method
    assert specimen.name in finding.claim
