"""A run cut at a site gives what the whole model gives."""

import pytest
import torch

from hooke.errors import ShapeMismatch, UnknownSite
from hooke.models import split
from hooke.models.architectures import relative_error
from hooke.models.edits import Add, Patch
from hooke.models.model import Tokens
from hooke.models.split import split_run
from hooke.sites import Site
from tests.models.tiny import ARCHITECTURES, tiny_model

IDS = torch.tensor([[1, 5, 9, 4, 77, 30], [1, 8, 8, 60, 2, 41]])


def whole(model, site: Site, value: torch.Tensor) -> torch.Tensor:
    run = model.run(IDS, edits=[Patch(site=str(site), value=value)], capture=["resid_post.2"], logits=False)
    return run["resid_post.2"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_upper_part_gives_what_the_whole_gives(architecture: str):
    model = tiny_model(architecture)
    for site in (Site("resid_post", 1), Site("resid_post", 2), Site("mlp_out", 1)):
        run = split_run(model, IDS, site)
        changed = run.value + torch.randn(run.value.shape, generator=torch.Generator().manual_seed(1))
        # The same arithmetic twice; batched kernels may sum in another order.
        assert relative_error(run.final_after(changed), whole(model, site, changed)) < 1e-6
        assert relative_error(run.final_after(run.value), run.final) < 1e-6


def test_blocks_are_called_again_by_themselves():
    assert len(split_run(tiny_model(), IDS, Site("resid_post", 0)).calls) == 2


def test_prompts_of_unequal_length_keep_their_masks():
    model = tiny_model()
    short = split_run(model, IDS[1:, :4], Site("resid_post", 0)).final
    tokens = model.tokenize(IDS)
    tokens.mask[1, 4:] = False
    both = split_run(model, tokens, Site("resid_post", 0))
    assert relative_error(both.final_after(both.value)[1, :4], short[0]) < 1e-5


def test_a_model_whose_blocks_cannot_be_called_again_runs_whole():
    model = tiny_model()
    split._CAN_CALL_AGAIN[model] = False
    run = split_run(model, IDS, Site("resid_post", 0))
    assert run.calls == ()
    assert relative_error(run.final_after(run.value * 2), whole(model, run.site, run.value * 2)) < 1e-6


def test_a_model_that_does_something_between_its_blocks_is_noticed():
    model = tiny_model()
    fresh = [True]

    def start(module, args):
        fresh[0] = True

    def double_once(module, args):
        is_first, fresh[0] = fresh[0], False
        return (args[0] * 2, *args[1:]) if is_first else None

    handles = [
        model.hf.model.embed_tokens.register_forward_pre_hook(start),
        model.hf.model.layers[1].register_forward_pre_hook(double_once),
    ]
    try:
        assert split_run(model, IDS, Site("resid_post", 0)).calls == ()
    finally:
        for handle in handles:
            handle.remove()


def test_nothing_is_left_on_the_model():
    model = tiny_model()
    split_run(model, IDS, Site("resid_post", 0))
    with pytest.raises(UnknownSite):
        split_run(model, IDS, Site("resid_post", 9))
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in model.hf.modules())


def test_a_value_of_another_shape_is_refused():
    run = split_run(tiny_model(), IDS, Site("mlp_out", 1))
    with pytest.raises(ShapeMismatch):
        run.final_after(run.value[:, :3])


def test_a_vector_is_added_at_all_tokens_but_the_first_and_each_prompts_last_token_is_predicted_from():
    model, site = tiny_model(), Site("resid_post", 0)
    tokens = Tokens.of([[1, 5, 9, 4], [1, 8]])
    run, step = split_run(model, tokens, site), torch.ones(model.d_model)
    logits = model.run(tokens, edits=[Add(site=str(site), vector=step, positions="1:")]).logits
    assert logits is not None
    expected = logits[[0, 1], [3, 1]].log_softmax(-1)
    found = split.next_log_probabilities(run, split.steered(run, step))
    assert relative_error(found, expected) < 1e-5
    plain = model.run(tokens).logits
    assert plain is not None
    assert relative_error(found, plain[[0, 1], [3, 1]].log_softmax(-1)) > 1e-3
