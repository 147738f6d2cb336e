"""Direct effects: they sum to the difference of the logits, on every architecture and through dictionaries."""

import pytest
import torch

from hooke.errors import BadRequest
from hooke.prompts.targets import attribute, frozen_norm
from tests.models.tiny import ARCHITECTURES, tiny_model
from tests.prompts.small_prompt import small_dictionary

IDS = torch.tensor([3, 14, 15, 9, 26, 5])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.filterwarnings("ignore")
def test_parts_sum_to_the_difference(architecture: str):
    model = tiny_model(architecture)
    found = attribute(model, model.tokenize(IDS), 7, 11, position=3)
    # Streams are sums of a few dozen float32 numbers of size 1.
    assert abs(found.unaccounted) < 1e-5
    if getattr(model.config, "final_logit_softcapping", None) is None:
        assert found.linear_difference == pytest.approx(found.difference, abs=1e-5)


def test_a_soft_cap_is_left_out_of_the_sum():
    model = tiny_model("gemma2", final_logit_softcapping=0.5)
    found = attribute(model, model.tokenize(IDS), 7, 11)
    assert abs(found.difference) < abs(found.linear_difference)
    assert abs(found.unaccounted) < 1e-5


def test_turning_target_and_distractor_round_turns_every_sign():
    model = tiny_model()
    one, other = (attribute(model, model.tokenize(IDS), *pair) for pair in ((7, 11), (11, 7)))
    assert [part.effect for part in one.parts] == pytest.approx([-part.effect for part in other.parts])


@pytest.mark.parametrize("site", ["resid_post.1", "mlp_out.0", "attn_out.2"])
def test_features_bias_and_the_rest_sum_to_the_site(site: str):
    model, dictionary = tiny_model(), small_dictionary(site)
    found = attribute(model, model.tokenize(IDS), 7, 11, dictionaries=[dictionary])
    (through,) = found.dictionaries
    assert through.total == pytest.approx(through.bias + sum(through.effects) + through.unexplained)
    assert list(through.effects) == sorted(through.effects, key=abs, reverse=True)
    run = model.run(IDS, capture=[site])
    acts = dictionary.encode(run[site][0, -1:])
    frozen = frozen_norm(model, model.run(IDS, capture=["resid_post.2"])["resid_post.2"][0, -1].double(), 7, 11)
    expected = float(frozen.effect(dictionary.decode(acts)[0].detach() - dictionary.b_dec.detach()))
    assert sum(through.effects) == pytest.approx(expected, abs=1e-5)
    by_site = {part.site: part.effect for part in found.parts}
    if site in by_site:
        assert through.total == pytest.approx(by_site[site], abs=1e-6)


@pytest.mark.parametrize(("target", "position"), [(7, 6), (7, -7), (128, 0), (-1, 0)])
def test_what_is_not_there_is_refused(target: int, position: int):
    model = tiny_model()
    with pytest.raises(BadRequest):
        attribute(model, model.tokenize(IDS), target, 11, position=position)


def test_features_that_are_as_wide_as_the_stream_but_write_elsewhere_are_left_out():
    model = tiny_model()
    heads = small_dictionary("z.1")
    assert heads.W_dec.shape[1] == model.d_model
    assert attribute(model, model.tokenize(IDS), 7, 11, dictionaries=[heads]).dictionaries == ()
