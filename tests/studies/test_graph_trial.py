"""Neurons of a circuit taken out of the model: what was planted is needed, and what was not is not."""

import pytest

from hooke.circuits.pairs import Pairs, open_pairs
from hooke.specimens import Specimen, build
from hooke.studies.evidence import by_group
from hooke.studies.graph_circuit import Member
from hooke.studies.graph_trial import lost


@pytest.fixture(scope="module")
def specimen() -> Specimen:
    return build("two-hop")


@pytest.fixture(scope="module")
def pairs(specimen: Specimen) -> Pairs:
    return by_group(open_pairs(specimen.model, specimen.pairs), "city")[0]


def planted(specimen: Specimen, layer: int, part: str) -> list[Member]:
    units = {index for truth in specimen.planted for one, index, _ in truth.neurons if one == layer}
    return [Member(layer=layer, index=index, part=part, share=0.1, frequency=1.0) for index in sorted(units)]


@pytest.mark.parametrize("corrupted", [False, True])
@pytest.mark.parametrize(("layer", "part"), [(0, "last changed"), (1, "last token")])
def test_without_what_was_planted_the_answer_is_lost(
    specimen: Specimen, pairs: Pairs, layer: int, part: str, corrupted: bool
):
    members = planted(specimen, layer, part)
    found = lost(specimen.model, pairs, [members] * len(pairs), "Lost", corrupted=corrupted)
    # Set to the other prompt's, all is lost; at 0, the way to the point between both answers.
    assert found.value == pytest.approx(1.0 if corrupted else 0.5, abs=0.1)
    assert found.control == pytest.approx(0, abs=0.05)
    assert found.n == len(pairs)
    assert found.claim == ("Lost, as on the corrupted prompt" if corrupted else "Lost, set to 0")


def test_at_another_part_they_do_nothing(specimen: Specimen, pairs: Pairs):
    found = lost(specimen.model, pairs, [planted(specimen, 0, "before")] * len(pairs), "")
    assert found.value == pytest.approx(0, abs=0.05)


def test_a_neuron_of_the_other_sign_stays(specimen: Specimen, pairs: Pairs):
    width = 64
    members = [
        Member(layer=one.layer, index=one.index + width, part=one.part, share=one.share, frequency=1.0)
        for one in planted(specimen, 1, "last token")
    ]
    assert lost(specimen.model, pairs, [members] * len(pairs), "").value == pytest.approx(0, abs=0.05)


def test_each_prompt_can_have_its_own(specimen: Specimen, pairs: Pairs):
    members = planted(specimen, 1, "last token")
    n = len(pairs) // 2
    whole = lost(specimen.model, pairs, [members] * len(pairs), "", corrupted=True)
    half = lost(specimen.model, pairs, [members] * n + [[]] * (len(pairs) - n), "", corrupted=True)
    assert half.value == pytest.approx(whole.value / 2, abs=0.15)
