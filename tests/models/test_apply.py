"""What edits do to a run."""

import json
from dataclasses import replace
from itertools import permutations

import pytest
import torch

from hooke.errors import BadConfig, ShapeMismatch, UnknownName
from hooke.models.edits import Ablate, Add, Cap, Clamp, Patch, Project, Scale, Splice, edits_to_json
from hooke.models.scope import Given, Schedule
from tests.models.small_dictionary import small_dictionary
from tests.models.tiny import tiny_model

IDS = torch.randint(3, 128, (2, 9), generator=torch.Generator().manual_seed(0))
MODEL = tiny_model("llama")
DICTIONARY = small_dictionary("tiny-res", "resid_post.1", 32, 64)


def _run(*given_edits, **settings):
    return MODEL.run(IDS, edits=list(given_edits), dictionaries=[DICTIONARY], **settings)


def _active_feature() -> tuple[str, float]:
    acts = DICTIONARY.encode(MODEL.run(IDS, capture=["resid_post.1"])["resid_post.1"])
    index = int(acts.indices[0, 4, 0])
    return f"resid_post.1/{index}@tiny-res", float(acts.values[0, 4, 0])


def test_clamping_to_the_present_value_changes_nothing() -> None:
    feature, value = _active_feature()
    assert value > 0
    plain = _run().logits[0, 4:5]
    same = _run(Clamp(feature=feature, value=value, positions=(4,))).logits[0, 4:5]
    assert torch.allclose(same, plain, atol=1e-5)
    moved = _run(Clamp(feature=feature, value=value + 5, positions=(4,))).logits[0, 4:5]
    assert not torch.allclose(moved, plain, atol=1e-3)


def test_a_clamp_keeps_what_the_dictionary_does_not_explain() -> None:
    feature, value = _active_feature()
    index = int(feature.split("/")[1].split("@")[0])
    before = _run(capture=["resid_post.1"])["resid_post.1"]
    after = _run(Clamp(feature=feature, value=value + 2, positions=(4,)), capture=["resid_post.1"])["resid_post.1"]
    row = DICTIONARY.decoder_rows(torch.tensor([index]))[0]
    assert torch.allclose(after[0, 4] - before[0, 4], 2 * row, atol=1e-5)
    assert torch.equal(after[:, :4], before[:, :4])


def test_scale_ablate_and_clamp_agree() -> None:
    feature, _ = _active_feature()
    ablated = _run(Ablate(feature=feature)).logits
    assert torch.allclose(_run(Scale(feature=feature, factor=0.0)).logits, ablated, atol=1e-6)
    assert torch.allclose(_run(Clamp(feature=feature, value=0.0)).logits, ablated, atol=1e-6)
    assert torch.allclose(_run(Scale(feature=feature, factor=1.0)).logits, _run().logits, atol=1e-6)


def test_project_removes_the_component_and_only_that() -> None:
    direction = torch.randn(32, generator=torch.Generator().manual_seed(3))
    before = _run(capture=["resid_post.1"])["resid_post.1"]
    after = _run(Project(site="resid_post.1", direction=direction), capture=["resid_post.1"])["resid_post.1"]
    unit = direction / direction.norm()
    assert (after @ unit).abs().max() < 1e-4
    other = torch.randn(32, generator=torch.Generator().manual_seed(4))
    other -= (other @ unit) * unit
    assert torch.allclose(after @ other, before @ other, atol=1e-3)


def test_splice_is_the_reconstruction() -> None:
    before = _run(capture=["resid_post.1"])["resid_post.1"]
    after = _run(Splice(dictionary="tiny-res", positions="1:"), capture=["resid_post.1"])["resid_post.1"]
    assert torch.allclose(after[:, 1:], DICTIONARY(before)[:, 1:], atol=1e-5)
    assert torch.equal(after[:, 0], before[:, 0])


@pytest.mark.parametrize("order", list(permutations([0, 1, 2])))
def test_edits_at_different_sites_commute(order: tuple[int, ...]) -> None:
    several = [
        Add(site="resid_mid.0", vector=torch.ones(32)),
        Project(site="resid_post.1", direction=torch.arange(32.0)),
        Add(site="mlp_out.2", vector=torch.ones(32), scale=-2, positions="1:"),
    ]
    assert torch.equal(_run(*several).logits, _run(*(several[place] for place in order)).logits)


def test_edits_at_one_site_apply_in_order() -> None:
    add, project = (
        Add(site="resid_post.1", vector=torch.ones(32)),
        Project(site="resid_post.1", direction=torch.ones(32)),
    )
    assert not torch.allclose(_run(add, project).logits, _run(project, add).logits, atol=1e-3)


def test_positions_count_from_each_prompt_and_negative_ones_from_its_end() -> None:
    add = Add(site="resid_post.1", vector=torch.ones(32), positions=(-1,))
    before = _run(capture=["resid_post.1"])["resid_post.1"]
    after = _run(add, capture=["resid_post.1"])["resid_post.1"]
    assert torch.allclose(after[:, -1], before[:, -1] + 1, atol=1e-5)
    assert torch.equal(after[:, :-1], before[:, :-1])
    same = _run(replace(add, positions=(8,)), capture=["resid_post.1"])["resid_post.1"]
    assert torch.equal(same, after)


def test_phases() -> None:
    add = Add(site="resid_post.1", vector=torch.ones(32), when="generated")
    assert torch.equal(_run(add).logits, _run().logits)
    assert torch.equal(_run(replace(add, when="prompt")).logits, _run(replace(add, when="all")).logits)


def test_misfits_are_refused() -> None:
    with pytest.raises(ShapeMismatch, match="32"):
        _run(Add(site="resid_post.1", vector=torch.ones(31)))
    with pytest.raises(UnknownName, match="0-63"):
        _run(Ablate(feature="resid_post.1/64@tiny-res"))
    with pytest.raises(UnknownName, match="reads resid_post.1"):
        _run(Ablate(feature="resid_post.0/6@tiny-res"))
    with pytest.raises(UnknownName):
        _run(Ablate(feature="resid_post.1/6@nowhere"))
    with pytest.raises(ShapeMismatch, match="patch does not fit"):
        _run(Patch(site="resid_post.1", value=torch.zeros(2, 32), positions=(1,)))
    with pytest.raises(BadConfig, match="not finite"):
        Add(site="resid_post.1", vector=torch.tensor([float("nan")]))


def test_a_feature_name_stands_for_its_decoder_row() -> None:
    row = DICTIONARY.decoder_rows(torch.tensor([5]))[0]
    by_name = _run(Add(site="resid_post.1", vector="resid_post.1/5@tiny-res", scale=3)).logits
    assert torch.equal(by_name, _run(Add(site="resid_post.1", vector=row, scale=3)).logits)
    data = json.loads(edits_to_json([Add(site="resid_post.1", vector="resid_post.1/5@tiny-res", scale=3)]))
    assert data == [{"edit": "Add", "site": "resid_post.1", "vector": "resid_post.1/5@tiny-res", "scale": 3}]


HEADS = small_dictionary("heads", "z.1", 32, 64)


def _heads(*given_edits):
    return MODEL.run(IDS, edits=list(given_edits), dictionaries=[HEADS], capture=["z.1"])["z.1"]


def test_a_dictionary_of_heads_is_edited_through_with_the_heads_side_by_side() -> None:
    before = _heads()
    assert before.shape[2:] == (4, 8)
    flat, index = before.flatten(2), int(HEADS.encode(before.flatten(2)).indices[0, 4, 0])
    row = HEADS.decoder_rows(torch.tensor([index]))[0]
    clamped = _heads(Clamp(feature=f"z.1/{index}@heads", value=float(HEADS.encode_feature(flat, index)[0, 4]) + 2))
    torch.testing.assert_close((clamped.flatten(2) - flat)[0, 4], 2 * row, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(_heads(Splice(dictionary="heads")).flatten(2), HEADS(flat))
    added = _heads(Add(site="z.1", vector=f"z.1/{index}@heads", scale=3.0))
    torch.testing.assert_close(added.flatten(2) - flat, (3 * row).expand_as(flat), atol=1e-5, rtol=1e-4)
    unit = row / row.norm()
    assert (_heads(Project(site="z.1", direction=row)).flatten(2) @ unit).abs().max() < 1e-5


def test_a_row_as_wide_as_a_head_is_the_same_for_every_head() -> None:
    row = torch.randn(8, generator=torch.Generator().manual_seed(3))
    before = _heads()
    torch.testing.assert_close(_heads(Add(site="z.1", vector=row)), before + row)
    assert (_heads(Project(site="z.1", direction=row)) @ (row / row.norm())).abs().max() < 1e-5
    with pytest.raises(ShapeMismatch, match="7 entries, the site 32"):
        _heads(Add(site="z.1", vector=torch.ones(7)))


DIRECTION = torch.randn(32, generator=torch.Generator().manual_seed(3))
UNIT = DIRECTION / DIRECTION.norm()


def _stream(*given_edits) -> torch.Tensor:
    return _run(*given_edits, capture=["resid_post.1"])["resid_post.1"]


def test_a_cap_keeps_a_component_within_its_interval_and_is_the_identity_inside() -> None:
    before = _stream()
    components = before @ UNIT
    low, high = components.quantile(0.25).item(), components.quantile(0.75).item()
    after = _stream(Cap(site="resid_post.1", direction=DIRECTION, low=low, high=high))
    is_inside = (components > low) & (components < high)
    assert 0.2 < is_inside.float().mean() < 0.8
    assert torch.equal(after[is_inside], before[is_inside])
    assert torch.allclose(after @ UNIT, components.clamp(low, high), atol=1e-4)
    rest = before - components[..., None] * UNIT
    assert torch.allclose(after - (after @ UNIT)[..., None] * UNIT, rest, atol=1e-4)
    wide = Cap(site="resid_post.1", direction=DIRECTION, low=-1e9, high=1e9)
    assert torch.equal(_run(wide).logits, _run().logits)


def test_a_cap_of_a_feature_is_a_clamp_outside_and_nothing_inside() -> None:
    feature, value = _active_feature()
    capped = _stream(Cap(feature=feature, high=value / 2, positions=(4,)))
    assert torch.allclose(capped[0], _stream(Clamp(feature=feature, value=value / 2, positions=(4,)))[0], atol=1e-5)
    assert torch.equal(_stream(Cap(feature=feature, low=0, high=value * 2, positions=(4,)))[0], _stream()[0])


def test_a_share_of_a_cap_goes_that_far_and_a_control_as_far_along_another_direction() -> None:
    before, high = _stream(), float((_stream() @ UNIT).median())
    cap = Cap(site="resid_post.1", direction=DIRECTION, high=high)
    whole, half = _stream(cap) - before, _stream(replace(cap, share=0.5)) - before
    assert torch.allclose(half, whole / 2, atol=1e-4)
    other = torch.randn(32, generator=torch.Generator().manual_seed(4))
    control = _stream(replace(cap, along=other * 7)) - before
    assert torch.allclose(control.norm(dim=-1), whole.norm(dim=-1), atol=1e-4)
    assert torch.allclose(control.norm(dim=-1), (control @ (other / other.norm())).abs(), atol=1e-4)


def test_a_cap_of_one_head_caps_each_head_by_itself() -> None:
    before = _run(capture=["z.1"])["z.1"]
    row = torch.randn(8, generator=torch.Generator().manual_seed(4))
    after = _run(Cap(site="z.1", direction=row, high=0.0), capture=["z.1"])["z.1"]
    unit = row / row.norm()
    assert torch.allclose(after @ unit, (before @ unit).clamp(max=0), atol=1e-5)


ADD = Add(site="resid_post.1", vector=DIRECTION)
CONDITION = Given(site="resid_pre.1", direction=DIRECTION, above=0.0)


def _met(condition: Given) -> torch.Tensor:
    assert condition.site is not None
    assert condition.direction is not None
    return _run(capture=[condition.site])[condition.site] @ condition.direction > condition.above


@pytest.mark.parametrize("site", ["resid_pre.1", "resid_mid.1", "attn_out.1", "resid_post.1"])
def test_an_edit_on_a_condition_acts_where_it_is_met_and_nowhere_else(site: str) -> None:
    condition = replace(CONDITION, site=site)
    found, plain, whole = _stream(replace(ADD, given=condition)), _stream(), _stream(ADD)
    is_met = _met(condition)
    assert 0 < is_met.float().mean() < 1
    assert torch.equal(found, torch.where(is_met[..., None], whole, plain))


def test_a_condition_that_is_never_met_changes_no_bit() -> None:
    for edit in (ADD, Splice(dictionary="tiny-res"), Add(site="resid_mid.1", vector=DIRECTION)):
        assert torch.equal(_run(replace(edit, given=replace(CONDITION, above=1e9))).logits, _run().logits)
        always = _run(replace(edit, given=replace(CONDITION, above=-1e9))).logits
        assert torch.equal(always, _run(edit).logits)


def test_a_condition_may_be_a_feature() -> None:
    feature, value = _active_feature()
    is_met = DICTIONARY.encode_feature(_stream(), int(feature.split("/")[1].split("@")[0])) > value / 2
    assert 0 < is_met.float().mean() < 1
    found = _stream(replace(ADD, given=Given(feature=feature, above=value / 2)))
    assert torch.equal(found, torch.where(is_met[..., None], _stream(ADD), _stream()))


@pytest.mark.parametrize("site", ["resid_mid.1", "resid_post.1"])
def test_a_condition_is_read_before_the_edits_at_its_own_site(site: str) -> None:
    condition = replace(CONDITION, site=site)
    is_met = _met(condition)
    push, edit = Add(site=site, vector=-DIRECTION * 1e3), Add(site=site, vector=torch.ones(32), given=condition)
    found = _run(push, edit, capture=[site])[site] - _run(push, capture=[site])[site]
    assert torch.equal(found.abs().sum(-1) > 1, is_met)


def test_a_condition_behind_its_edit_is_refused() -> None:
    with pytest.raises(BadConfig, match=r"cannot wait for 'resid_post.2'"):
        _run(replace(ADD, given=replace(CONDITION, site="resid_post.2")))
    with pytest.raises(ShapeMismatch, match="condition's direction"):
        _run(replace(ADD, given=Given(site="resid_post.1", direction=torch.ones(31), above=0)))
    with pytest.raises(UnknownName, match="features 0-63"):
        _run(replace(ADD, given=Given(feature="resid_post.1/64@tiny-res", above=0)))


def test_a_schedule_that_has_not_begun_leaves_a_text_that_is_all_prompt() -> None:
    assert torch.equal(_run(replace(ADD, schedule=Schedule(start=1))).logits, _run().logits)
    assert torch.equal(_run(replace(ADD, schedule=Schedule(hold=0))).logits, _run(ADD).logits)
