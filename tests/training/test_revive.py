import pytest
import torch
from torch.nn import functional

from hooke.training.revive import add_revival, new_firing
from tests.dictionaries.test_dictionary import inputs
from tests.training.test_weights import config, scrambled


def test_idle_tokens_are_counted_since_the_last_firing():
    firing = new_firing(3, torch.device("cpu"))
    firing.observe(torch.tensor([5.0, 0.0, 0.0]), 100, 1000)
    firing.observe(torch.tensor([0.0, 0.0, 1.0]), 50, 1000)
    assert firing.idle.tolist() == [50, 150, 0]
    assert firing.dead(150).tolist() == [False, True, False]
    assert firing.dead(50).tolist() == [True, True, False]


def test_density_forgets_half_in_a_half_life():
    firing = new_firing(1, torch.device("cpu"))
    firing.observe(torch.tensor([100.0]), 100, 100)
    assert float(firing.density) == pytest.approx(0.5)
    for _ in range(10):
        firing.observe(torch.tensor([1.0]), 10, 100)
    assert float(firing.density) == pytest.approx(0.5 * 0.5 + 0.5 * 0.1)


@pytest.mark.parametrize("k_aux", [2, 100])
def test_the_gradient_is_that_of_the_auxiliary_loss_and_touches_the_dead_only(k_aux: int):
    asked = config("topk", k_aux=k_aux, aux_weight=0.25)
    weights, error = scrambled(asked, 6), inputs(64, 6, seed=9)
    x = functional.pad(inputs(64, 6), (0, 1), value=1.0)
    dead = torch.zeros(40, dtype=torch.bool)
    dead[[3, 5, 17, 30]] = True
    named = {name: tensor.requires_grad_() for name, tensor in weights.named()}
    pre = (x[:8] @ weights.encoder.t()).masked_fill(~dead, -torch.inf)
    kept = pre >= pre.sort(dim=1, descending=True).values[:, min(k_aux, 4) - 1 : min(k_aux, 4)]
    acts = torch.where(kept, pre, 0).clamp(min=0)
    loss = 0.25 * (error[:8] + acts @ weights.decoder).square().sum() / 8
    loss.backward()
    expected = {name: tensor.grad for name, tensor in named.items()}
    for tensor in named.values():
        tensor.grad = torch.ones_like(tensor)
    add_revival(weights, x, error, dead, asked)
    for name in ("encoder", "decoder"):
        torch.testing.assert_close(named[name].grad, 1 + expected[name])
        assert bool((named[name].grad[~dead] == 1).all())
    assert bool((named["decoder_bias"].grad == 1).all())
