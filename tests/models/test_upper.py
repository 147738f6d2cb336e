"""The upper part of a model gives what the whole gives, and the derivatives that differences give."""

import pytest
import torch

from hooke.errors import UnsupportedModel
from hooke.models import split
from hooke.models.architectures import relative_error
from hooke.models.edits import Patch
from hooke.models.upper import upper_run
from hooke.sites import Site
from tests.models.tiny import tiny_model

IDS = torch.tensor([[1, 5, 9, 4, 77, 30], [1, 8, 8, 60, 2, 41]])
SITES = [Site("resid_post", 1), Site("resid_post", 2), Site("mlp_out", 1), Site("z", 1), Site("resid_mid", 0)]


def noise(value: torch.Tensor, seed: int) -> torch.Tensor:
    return torch.randn(value.shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("site", SITES, ids=str)
@pytest.mark.parametrize("architecture", ["llama", "gemma3_text"])
def test_it_gives_what_the_whole_model_gives(architecture: str, site: Site):
    model = tiny_model(architecture)
    run = upper_run(model, IDS, [site], site)
    changed = run.value + noise(run.value, 1)
    edits = [Patch(site=str(site), value=changed)]
    whole = model.run(IDS, edits=edits, capture=["resid_post.2"], logits=False)["resid_post.2"]
    assert relative_error(run.final_after(changed).detach(), whole) < 1e-5
    assert relative_error(run.final_after(run.value).detach(), run.final) < 1e-5
    assert run.rows.shape == (2, 6, model.row_width(site))


@pytest.mark.parametrize("site", SITES, ids=str)
def test_its_derivative_is_that_of_differences(site: Site):
    model = tiny_model()
    run = upper_run(model, IDS, [site], site)
    value = run.value.clone().requires_grad_()
    weights, step = noise(run.final, 2), noise(run.value, 3)
    (slope,) = torch.autograd.grad((run.final_after(value) * weights).sum(), [value])
    with torch.no_grad():
        ahead, behind = (run.final_after(run.value + size * step) for size in (1e-3, -1e-3))
        expected = ((ahead - behind) * weights).double().sum() / 2e-3
    assert float((slope * step).sum()) == pytest.approx(float(expected), rel=3e-2)
    assert all(weight.grad is None for weight in model.hf.parameters())


def test_what_cannot_be_differentiated_is_refused():
    model = tiny_model()
    with pytest.raises(UnsupportedModel, match="is in no block"):
        upper_run(model, IDS, [Site("embed")], Site("embed"))
    split._CAN_CALL_AGAIN[model] = False
    with pytest.raises(UnsupportedModel, match="cannot be run by themselves"):
        upper_run(model, IDS, [Site("resid_post", 1)], Site("resid_post", 1))
