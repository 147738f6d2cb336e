"""The mean Jacobian against derivatives that are taken one by one."""

import pytest
import torch

from hooke.errors import BadConfig, BadRequest
from hooke.models.edits import Add
from hooke.prompts import jacobian_lens
from hooke.prompts.jacobian_lens import JacobianConfig, mean_jacobian, summed_jacobian
from hooke.sites import Site
from tests.models.tiny import tiny_model
from tests.prompts.lens_models import sentences, spoken_model

IDS = torch.tensor([3, 14, 15, 9, 26])
COUNTED = torch.tensor([False, True, True, False, True])


def one_by_one(architecture: str) -> torch.Tensor:
    """The last block's by differences: the stream before it moved a little, one direction at one token at a time."""
    model = tiny_model(architecture)
    before = Site("resid_post", model.n_layers - 2)
    last = Site("resid_post", model.n_layers - 1)
    step = 1e-3
    found = torch.zeros(model.d_model, model.d_model)
    for source in COUNTED.nonzero()[:, 0].tolist():
        for column in range(model.d_model):
            vector = torch.zeros(model.d_model)
            vector[column] = 1.0
            moved = [
                model.run(
                    IDS,
                    capture=[last],
                    edits=[Add(str(before), vector, scale=sign * step, positions=(source,))],
                    logits=False,
                )[last][0]
                for sign in (1, -1)
            ]
            found[:, column] += ((moved[0] - moved[1]) / (2 * step))[COUNTED].sum(0)
    return found


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_rows_are_what_small_changes_do(architecture: str):
    model = tiny_model(architecture)
    found = summed_jacobian(model, IDS, COUNTED)
    expected = one_by_one(architecture)
    # Differences of float32 numbers of about 1, over 2e-3.
    torch.testing.assert_close(found[-2], expected, atol=5e-3, rtol=1e-2)
    assert torch.equal(found[-1], 3 * torch.eye(model.d_model))


def test_how_many_go_together_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    model = tiny_model()
    whole = summed_jacobian(model, IDS, COUNTED)
    monkeypatch.setattr(jacobian_lens, "_TOKENS_AT_ONCE", 5 * 7)
    torch.testing.assert_close(summed_jacobian(model, IDS, COUNTED), whole, atol=1e-5, rtol=1e-4)


def test_the_mean_over_windows_and_how_far_it_has_settled():
    model = spoken_model()
    few = mean_jacobian(model, sentences(200), JacobianConfig(n_windows=4, context=16))
    assert few.matrices.shape == (3, 32, 32)
    assert torch.equal(few.matrices[-1], torch.eye(32))
    assert few.n_tokens <= 4 * 15
    more = mean_jacobian(model, sentences(200), JacobianConfig(n_windows=32, context=16))
    assert len(more.halves) == 2
    assert all(a < b <= 1 for a, b in zip(few.halves, more.halves, strict=True))


def test_no_gradient_is_left_behind():
    model = spoken_model()
    mean_jacobian(model, sentences(200), JacobianConfig(n_windows=2, context=8))
    assert all(weight.grad is None for weight in model.hf.parameters())


def test_too_little_text_is_refused():
    with pytest.raises(BadRequest, match="does not fill two windows"):
        mean_jacobian(spoken_model(), sentences(2), JacobianConfig(n_windows=2, context=32))
    with pytest.raises(BadConfig):
        JacobianConfig(n_windows=1)
