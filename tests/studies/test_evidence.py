"""What every study measures, on a specimen whose circuit is known."""

import numpy as np
import pytest

from hooke.circuits.pairs import Pairs, open_pairs
from hooke.circuits.places import PARTS
from hooke.specimens import Specimen, build
from hooke.studies.evidence import Evidence, by_group, gather, halves, handed_over, said_first, together, transfer


@pytest.fixture(scope="module")
def specimen() -> Specimen:
    return build("two-hop")


@pytest.fixture(scope="module")
def pairs(specimen: Specimen) -> Pairs:
    return open_pairs(specimen.model, specimen.pairs)


@pytest.fixture(scope="module")
def evidence(specimen: Specimen, pairs: Pairs) -> Evidence:
    return gather(specimen.model, "two-hop", *halves(pairs))


def test_what_was_planted_is_found_on_one_half_and_holds_on_the_other(specimen: Specimen, evidence: Evidence):
    assert set(evidence.edges.graph.names(evidence.circuit)) == specimen.circuit
    assert set(evidence.heads.strongest(2)) == {(1, 0), (1, 1)}
    found = {one.claim: one for one in evidence.findings}
    for claim, one in found.items():
        if claim.startswith("Given back") and "0 of" not in claim:
            assert one.value == pytest.approx(1, abs=0.02)
            assert one.control == pytest.approx(0, abs=0.3)
    lost = next(one for claim, one in found.items() if claim.startswith("Lost"))
    assert lost.value == pytest.approx(1, abs=0.02)
    assert lost.control == pytest.approx(0, abs=0.02)
    said = found["A right answer comes first of all tokens"]
    assert (said.value, said.control) == (1, 0)


def test_findings_are_of_the_second_set(evidence: Evidence):
    assert {one.n for one in evidence.findings} == {12}
    assert len(evidence.curve.clean) == len(evidence.heads.base) == 12


def test_heads_that_do_nothing_are_not_missed(specimen: Specimen, pairs: Pairs):
    found = together(specimen.model, pairs, [(0, 0), (0, 1)])
    assert abs(found.value) < 0.05
    assert found.control is not None


def test_a_circuit_is_tried_on_other_pairs(specimen: Specimen, pairs: Pairs, evidence: Evidence):
    _, others = by_group(pairs, "city")
    found = transfer(specimen.model, evidence, others, "where what is asked changes")
    assert found.n == len(others)
    assert found.value == pytest.approx(1, abs=0.02)


def test_sets_are_split_without_loss(pairs: Pairs):
    for first, second in (halves(pairs), halves(pairs, seed=1), by_group(pairs, "city")):
        assert sorted(one.name for some in (first, second) for one in some.pairs) == sorted(
            one.name for one in pairs.pairs
        )
    assert {one.group for one in by_group(pairs, "city")[0].pairs} == {"city"}


def test_each_prompt_counts_once(specimen: Specimen, pairs: Pairs):
    assert said_first(specimen.model, pairs.some([0, 0, 1])).n == 2


def test_the_answer_is_handed_over_where_the_last_token_holds_more():
    effects = np.full((5, len(PARTS)), np.nan)
    effects[:, PARTS.index("last changed")] = [1, 1, 0.9, 0.1, 0]
    effects[:, PARTS.index("last token")] = [0, 0, 0.1, 0.9, 1]
    assert handed_over(effects) == 3
