"""Random twins of edits."""

import numpy as np
import pytest
import torch

from hooke.directions.controls import random_edits, random_like
from hooke.models.edits import Ablate, Add, Cap, Clamp, Edit, Patch, Project, Scale, Splice
from tests.models.small_dictionary import small_dictionary

NAME = "resid_post.0/3@d"
DICTIONARIES = {"d": small_dictionary("d", "resid_post.0", 8, 16)}


def twin(edit: Edit, seed: int = 0) -> Edit:
    found = random_edits([edit], DICTIONARIES, generator=np.random.default_rng(seed))
    assert found is not None
    return found[0]


def test_random_directions_have_the_norm_of_what_is_added():
    step = torch.tensor([3.0, 4.0, 0.0])
    drawn = [random_like(step, generator=np.random.default_rng(seed)) for seed in (0, 1)]
    assert [float(one.norm()) for one in drawn] == pytest.approx([5.0, 5.0])
    assert not torch.allclose(*drawn)


def test_added_vectors_keep_their_norm_scale_and_positions():
    edit = Add(site="resid_post.0", vector=torch.arange(8.0), scale=2.0, positions="1:")
    found = twin(edit)
    assert isinstance(found, Add)
    assert isinstance(found.vector, torch.Tensor)
    assert float(found.vector.norm()) == pytest.approx(float(torch.arange(8.0).norm()))
    assert (found.scale, found.positions, found.site) == (2.0, "1:", "resid_post.0")
    assert twin(edit) == found != twin(edit, seed=1)


def test_a_features_name_stands_for_its_decoder_row():
    found = twin(Add(site="resid_post.0", vector=NAME))
    assert isinstance(found, Add)
    assert isinstance(found.vector, torch.Tensor)
    assert float(found.vector.norm()) == pytest.approx(1.0)
    assert isinstance(twin(Project(site="resid_post.0", direction=NAME)), Project)


@pytest.mark.parametrize(
    "edit", [Clamp(feature=NAME, value=3.0), Scale(feature=NAME, factor=2.0), Ablate(feature=NAME)]
)
def test_edits_of_a_feature_get_another_feature_of_its_dictionary(edit: Clamp | Scale | Ablate):
    drawn = {twin(edit, seed).feature for seed in range(60)}  # pyright: ignore[reportAttributeAccessIssue]
    assert NAME not in drawn
    assert len(drawn) > 10
    assert all(name.startswith("resid_post.0/") and name.endswith("@d") for name in drawn)


@pytest.mark.parametrize(
    "edit",
    [Cap(feature=NAME, high=1.0), Cap(site="resid_post.0", direction=torch.arange(8.0), low=-1.0, share=0.5)],
)
def test_a_cap_acts_as_often_along_a_random_direction(edit: Cap):
    found = twin(edit)
    assert isinstance(found, Cap)
    assert isinstance(found.along, torch.Tensor)
    assert (found.feature, found.low, found.high, found.share) == (edit.feature, edit.low, edit.high, edit.share)
    assert found != twin(edit, seed=1)


def test_edits_that_have_no_twin_have_no_control():
    patch = Patch(site="resid_post.0", value=torch.zeros(1, 8), positions=(1,))
    add = Add(site="resid_post.0", vector=torch.ones(8))
    for edits in ([patch], [add, Splice(dictionary="d")]):
        assert random_edits(edits, DICTIONARIES, generator=np.random.default_rng(0)) is None
