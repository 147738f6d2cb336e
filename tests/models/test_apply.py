"""What edits do to a run."""

import json
from dataclasses import replace
from itertools import permutations

import pytest
import torch

from hooke.errors import BadConfig, ShapeMismatch, UnknownName
from hooke.models.edits import Ablate, Add, Clamp, Patch, Project, Scale, Splice, edits_to_json
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
