"""Patching finds what was planted, agrees with a run that is patched by hand, and says what it cannot do."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from hooke.circuits.pairs import Pairs, open_pairs
from hooke.circuits.patch import KINDS, PatchSettings, cell_findings, patch
from hooke.circuits.places import PARTS, parts
from hooke.errors import BadRequest, HookeError
from hooke.models import split
from hooke.models.edits import Patch
from hooke.specimens import Specimen, build


@pytest.fixture(scope="module")
def two_hop() -> Specimen:
    return build("two-hop")


@pytest.fixture(scope="module")
def induction() -> Specimen:
    return build("induction")


@pytest.fixture(scope="module")
def pairs(two_hop: Specimen) -> Pairs:
    return open_pairs(two_hop.model, two_hop.pairs)


LAST, CHANGED = PARTS.index("last token"), PARTS.index("last changed")


@pytest.mark.parametrize("way", ["denoising", "noising"])
def test_the_answer_goes_from_the_changed_token_to_the_last(two_hop: Specimen, pairs: Pairs, way: str):
    effects = patch(two_hop.model, pairs, PatchSettings(way=way)).effects
    expected = np.zeros((2, len(PARTS)))
    expected[0, CHANGED] = expected[1, LAST] = 1
    is_there = ~np.isnan(effects)
    assert is_there.sum() == 2 * 5, "no token is first of several, or between"
    np.testing.assert_allclose(effects[is_there], expected[is_there], atol=0.02)


def test_heads_that_carry_the_answer_share_it_and_no_other_head_does(two_hop: Specimen, pairs: Pairs):
    effects = patch(two_hop.model, pairs, PatchSettings(kind="heads")).effects
    assert effects[1, :2].sum() == pytest.approx(1, abs=0.02), "one for the city, one for what is asked"
    effects[1, :2] = 0
    assert np.abs(effects).max() < 0.01


def test_the_previous_token_head_counts_where_the_order_was_changed(induction: Specimen):
    of_order = open_pairs(induction.model, [pair for pair in induction.pairs if pair.group == "order"])
    found = patch(induction.model, of_order, PatchSettings(kind="heads"))
    np.testing.assert_allclose(found.effects[:, 0], 1, atol=0.02)
    assert np.abs(found.effects[:, 1:]).max() < 0.01
    silent = patch(induction.twin, of_order, PatchSettings(kind="heads"))
    assert np.abs(silent.changes[:, 0, 0]).max() < 0.05, "the twin's head is not read"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("heads", "neurons")])
def test_a_cell_is_what_a_run_patched_by_hand_is(induction: Specimen, kind: str):
    model, pairs = induction.model, open_pairs(induction.model, induction.pairs)
    found, where = patch(model, pairs, PatchSettings(kind=kind)), parts(pairs)
    site = f"{kind}.0"
    for row in (0, 5, 11):
        one = pairs.some([row])
        places = tuple((where[row] == CHANGED).nonzero()[:, 0].tolist())
        value = model.run(one.clean, capture=[site], logits=False)[site][:, list(places)]
        logits = model.run(one.corrupted, edits=[Patch(site, value, positions=places)]).logits
        assert logits is not None
        by_hand = float(one.judge(one.last(logits))) - found.base[row]
        if not places:
            assert np.isnan(found.changes[row, 0, CHANGED])
            continue
        assert found.changes[row, 0, CHANGED] == pytest.approx(by_hand, abs=1e-3)


def test_models_whose_blocks_cannot_be_called_alone_are_run_whole(
    two_hop: Specimen, pairs: Pairs, monkeypatch: pytest.MonkeyPatch
):
    settings = PatchSettings(kind="resid_mid")
    expected = patch(two_hop.model, pairs, settings)
    monkeypatch.setitem(split._CAN_CALL_AGAIN, two_hop.model, False)
    np.testing.assert_allclose(patch(two_hop.model, pairs, settings).changes, expected.changes, atol=1e-4)


def test_attribution_is_exact_where_the_model_is_straight_and_not_where_it_is_curved(two_hop: Specimen, pairs: Pairs):
    exact, estimated = (
        patch(two_hop.model, pairs, PatchSettings(method=method)) for method in ("exact", "attribution")
    )
    assert estimated.effects[1, LAST] == pytest.approx(exact.effects[1, LAST], abs=0.02)
    assert exact.effects[0, CHANGED] - estimated.effects[0, CHANGED] > 0.05, "a neuron's threshold lies between"
    np.testing.assert_allclose(estimated.base, exact.base, atol=1e-4)


def test_attribution_finds_the_planted_neurons(two_hop: Specimen, pairs: Pairs):
    found = patch(two_hop.model, pairs, PatchSettings(kind="neurons", method="attribution", way="noising"))
    planted = {(layer, index) for one in two_hop.planted for layer, index, _ in one.neurons}
    assert set(found.strongest(len(planted) // 2)) <= planted


def test_a_random_direction_of_the_same_length_does_little(two_hop: Specimen, pairs: Pairs):
    found = patch(two_hop.model, pairs)
    (finding,) = cell_findings(two_hop.model, pairs, found, [(0, CHANGED)])
    assert finding.value == pytest.approx(found.effects[0, CHANGED])
    assert finding.interval[0] > 0.9
    assert finding.n == len(pairs)
    assert finding.control is not None
    assert finding.control_interval is not None
    assert abs(finding.control) < 0.3 < finding.interval[0]
    assert "denoising, counterfactual" in finding.method
    (again,) = cell_findings(two_hop.model, pairs, found, [(0, CHANGED)])
    assert again == finding


def test_cells_found_by_attribution_are_tried_exactly(two_hop: Specimen, pairs: Pairs):
    estimated = patch(two_hop.model, pairs, PatchSettings(method="attribution"))
    (finding,) = cell_findings(two_hop.model, pairs, estimated, [(0, CHANGED)])
    assert finding.value == pytest.approx(1, abs=0.02)
    assert "exact" in finding.method


@pytest.mark.parametrize("value", ["mean", "zero"])
def test_without_the_fetching_heads_the_answer_is_lost(two_hop: Specimen, pairs: Pairs, value: str):
    found = patch(two_hop.model, pairs, PatchSettings(kind="heads", way="noising", value=value))
    lost = -found.changes.mean(0) / found.base.mean()
    assert lost[1, :2].min() > 0.4
    assert np.abs(lost[0]).max() < 0.01


def test_the_mean_is_over_tokens_of_the_same_part(two_hop: Specimen, pairs: Pairs):
    same = open_pairs(two_hop.model, [two_hop.pairs[0]] * 3)
    found = patch(two_hop.model, same, PatchSettings(way="noising", value="mean", kind="mlp_out"))
    single = ~np.isnan(found.changes[0]) & (np.array(PARTS) != "before") & (np.array(PARTS) != "after")
    assert np.abs(found.changes[0][single]).max() < 1e-3, "of equal prompts the mean is what is there"


def test_noise_on_the_changed_token_is_undone_by_its_clean_state(two_hop: Specimen, pairs: Pairs):
    found = patch(two_hop.model, pairs, PatchSettings(value="noise"))
    assert found.base.mean() < 0.7 * found.other.mean()
    assert found.effects[0, CHANGED] == pytest.approx(1, abs=0.02)
    assert abs(found.effects[0, PARTS.index("before")]) < 0.02
    again = patch(two_hop.model, pairs, PatchSettings(value="noise"))
    np.testing.assert_array_equal(again.changes, found.changes)
    some = patch(two_hop.model, pairs, PatchSettings(value="noise"), cells=[(0, CHANGED)], control=True)
    np.testing.assert_allclose(some.base, found.base, atol=1e-3, err_msg="a control is of the very same run")
    other = patch(two_hop.model, pairs, PatchSettings(value="noise", seed=1))
    assert np.abs(other.base - found.base).max() > 0.01


def test_chosen_cells_are_what_they_are_among_all(two_hop: Specimen, pairs: Pairs):
    whole = patch(two_hop.model, pairs, PatchSettings(kind="heads"))
    some = patch(two_hop.model, pairs, PatchSettings(kind="heads"), cells=[(1, 1), (0, 3), (1, 0)])
    assert np.isnan(some.changes[:, 0, 0]).all()
    for layer, head in ((1, 1), (0, 3), (1, 0)):
        np.testing.assert_allclose(some.changes[:, layer, head], whole.changes[:, layer, head], atol=1e-4)


def test_by_positions_the_cells_are_tokens(two_hop: Specimen, pairs: Pairs):
    found = patch(two_hop.model, pairs, PatchSettings(by="positions"))
    assert found.columns == tuple(str(one) for one in range(9))
    assert found.effects[1, 8] == pytest.approx(1, abs=0.02)
    assert found.effects[0, 7] + found.effects[0, 2] == pytest.approx(1, abs=0.02), "the city, or what is asked"


def test_what_cannot_be_patched_is_refused(two_hop: Specimen, induction: Specimen, pairs: Pairs):
    model = two_hop.model
    refused: tuple[tuple[dict[str, Any], str], ...] = (
        ({"kind": "resid"}, "There are: resid_pre"),
        ({"way": "up"}, "denoising"),
        ({"value": "nothing"}, "counterfactual"),
        ({"method": "guess"}, "attribution"),
        ({"by": "words"}, "'parts' or 'positions'"),
        ({"value": "zero"}, "Use noising"),
        ({"kind": "neurons"}, "method attribution"),
    )
    for settings, says in refused:
        with pytest.raises(BadRequest, match=says):
            PatchSettings(**settings)
    for cell in ((2, 0), (0, 7), (-1, 0)):
        with pytest.raises(BadRequest, match=r"There is no cell"):
            patch(model, pairs, cells=[cell])
    uneven = open_pairs(induction.model, induction.pairs)
    with pytest.raises(BadRequest, match="cannot be read position by position"):
        patch(induction.model, uneven, PatchSettings(by="positions"))


def test_a_set_without_an_effect_is_refused(two_hop: Specimen):
    pair = two_hop.pairs[0]
    same = replace(pair, corrupted=pair.clean.replace("country of", "country the"), wrong=("crown",))
    with pytest.raises(HookeError, match="no effect to share out"):
        patch(two_hop.model, open_pairs(two_hop.model, [same]))


def test_a_number_that_is_none_is_named(two_hop: Specimen):
    model = build("two-hop").model
    pairs = open_pairs(model, two_hop.pairs[:3])
    assert np.isfinite(patch(model, pairs).base).all()
    row = int(pairs.clean.ids[1, 7])
    with torch.no_grad():
        model.hf.get_input_embeddings().weight[row] = torch.nan  # pyright: ignore
    with pytest.raises(HookeError, match=r"metric of pair \d is not a number"):
        patch(model, pairs)
