"""One dictionary of several sites that stand side by side."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from hooke.dictionaries import Dictionary, load_dictionary
from hooke.errors import BadRequest, ShapeMismatch
from hooke.sites import Site
from hooke.training import TrainConfig, train_crosscoder
from hooke.training.crosscoders import calibrate_sites, fold_sites
from hooke.training.gradients import sparse_gradients
from hooke.training.losses import dense_loss
from hooke.training.state import advance, start
from hooke.training.together import Layout
from hooke.training.weights import Weights, first_weights, part_norms, prepare, row_norms
from tests.dictionaries.test_dictionary import inputs
from tests.training.planted import batches
from tests.training.test_gradients import active_of, batch, gradients, require_equal
from tests.training.test_weights import KINDS, config

SITES = (Site("resid_post", 1), Site("resid_post", 2), Site("resid_post", 5))
LAYOUT = Layout(reads=SITES, writes=SITES, is_crosscoder=True)


def scrambled(asked: TrainConfig, d: int) -> Weights:
    """Weights as they could be in the middle of a training, of three sites."""
    made = first_weights(asked, d, generator=torch.Generator().manual_seed(0), n_sites=3)
    for number, (_, tensor) in enumerate(made.named()):
        tensor += 0.1 * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(number))
    if asked.has_unit_rows:
        made.decoder.div_(row_norms(made)[:, None])
    return made


def test_the_first_rows_write_as_much_in_sum_and_project_on_themselves():
    weights = first_weights(config(), 12, generator=torch.Generator().manual_seed(0), n_sites=3)
    torch.testing.assert_close(row_norms(weights), torch.ones(40))
    torch.testing.assert_close((weights.encoder[:, :-1] * weights.decoder).sum(1), torch.ones(40))
    torch.testing.assert_close(part_norms(weights.decoder, 3)[:, 1], weights.decoder[:, 4:8].norm(dim=1))


@pytest.mark.parametrize("extra", [{}, {"tanh_slope": 2.0}, {"pre_activation": 0.3}])
def test_the_closed_form_is_the_gradient_where_rows_pay_for_each_site(extra: dict):
    asked = config("relu", **extra)
    weights = scrambled(asked, 12)
    for _, tensor in weights.named():
        tensor.requires_grad_()
        tensor.grad = torch.full_like(tensor, torch.nan)
    dense = dense_loss(weights, batch(), asked, 0.7)
    expected = gradients(dense.loss, weights)
    found = sparse_gradients(weights, batch(), active_of(weights, batch(), asked), asked, 0.7)
    require_equal(weights, expected)
    torch.testing.assert_close(found.loss, dense.loss.detach())


def test_the_penalty_is_the_sum_of_norms_and_not_their_root():
    weights = Weights(torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[3.0, 4.0]]), torch.zeros(2), n_sites=2)
    asked, x = TrainConfig(kind="relu", n_features=1, n_tokens=1), torch.tensor([[2.0, 0.0, 1.0]])
    losses = [float(dense_loss(one, x, asked, 10.0).loss) for one in (weights, replace(weights, n_sites=1))]
    assert losses[0] - losses[1] == pytest.approx(10 * 2 * (7 - 5))


@pytest.mark.parametrize("kind", ["batchtopk", "jumprelu"])
def test_steps_leave_the_sum_of_norms_at_one(kind: str):
    asked = TrainConfig(kind=kind, n_features=40, n_tokens=10_000, k=3, batch=512)
    state = start(asked, calibrate_sites(next(batches()(0)), asked, 3), device=torch.device("cpu"))
    for x in islice(batches()(0), 3):
        before = state.weights.decoder.detach().clone()
        advance(state, x)
        grad = state.weights.decoder.grad
        assert grad is not None
        units = functional.normalize(before.unflatten(1, (3, -1)), dim=2).flatten(1)
        assert float((grad * units).sum(1).abs().max()) < 1e-5 * float(grad.norm(dim=1).max())
    torch.testing.assert_close(row_norms(state.weights).detach(), torch.ones(40))


def test_each_site_has_its_own_units():
    x = torch.cat([7 * inputs(300, 4) + 3, 100 * inputs(300, 4, seed=2)], dim=1)
    units = calibrate_sites(x, config(), 2)
    ready = prepare(x, units)[:, :-1]
    for part in ready.chunk(2, dim=1):
        assert float(part.square().sum(1).mean()) == pytest.approx(4, rel=0.02)
    x[5, :4] *= 1000
    again = prepare(x, units)[5]
    torch.testing.assert_close(again[4:8], ready[5, 4:])
    assert float(again[:4].norm()) == pytest.approx(units.longest[0], rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_folding_leaves_the_reconstruction_unchanged(kind: str):
    stretched = torch.tensor([20.0, 20.0, 3.0, 3.0, 1.0, 1.0])
    x, asked = stretched * inputs(1, 6) - 3, config(kind)
    units, weights = calibrate_sites(stretched * inputs(200, 6, seed=5) - 3, asked, 3), scrambled(asked, 6)
    outcome = dense_loss(weights, prepare(x, units), asked, 0.0)
    threshold = outcome.threshold * (1 - 1e-6)
    made = fold_sites(weights, units, asked, threshold=threshold, name="a", model="b", sites=SITES)
    scales = torch.tensor(units.scales).repeat_interleave(2)
    torch.testing.assert_close(made(x), x + outcome.error / scales, rtol=1e-4, atol=1e-3)
    written = part_norms(made.W_dec * scales, 3)
    torch.testing.assert_close(written.sum(1), torch.ones(40))
    assert int(made.encode(x).l0()) == int(outcome.counts.sum()) > 0
    assert made.config.site_scales == units.scales


def run(folder: Path, kind: str, stream: Iterator[Tensor] | None = None) -> Dictionary:
    return train_crosscoder(asked_of(kind), stream or batches(), layout=LAYOUT, model_name="planted", folder=folder)


@pytest.mark.parametrize("kind", ["relu", "batchtopk"])
def test_a_stopped_run_goes_on_to_the_same_weights_bit_for_bit(kind: str, tmp_path: Path):
    def stopping() -> Iterator[Tensor]:
        yield from islice(batches()(0), 17)
        raise KeyboardInterrupt

    expected = run(tmp_path / "whole", kind)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "made", kind, stopping())
    other = Layout(reads=SITES[::-1], writes=SITES[::-1], is_crosscoder=True)
    with pytest.raises(BadRequest, match="crosscoder was"):
        train_crosscoder(asked_of(kind), batches(), layout=other, model_name="planted", folder=tmp_path / "made")
    run(tmp_path / "made", kind)
    found = load_dictionary(tmp_path / "made")
    assert replace(found.config, name="whole") == expected.config
    assert found.config.reads == found.config.writes == tuple(map(str, SITES))
    for name, tensor in expected.state_dict().items():
        assert torch.equal(tensor, found.state_dict()[name]), name


def asked_of(kind: str) -> TrainConfig:
    return TrainConfig(
        kind=kind, n_features=64, n_tokens=30 * 512, batch=512, k=3, calibration_tokens=1024, checkpoint_every=10 * 512,
        dead_after=2_000,
    )  # fmt: skip


def test_sites_that_do_not_share_the_columns_are_refused(tmp_path: Path):
    two = Layout(reads=(Site("embed"),) * 5, writes=(Site("embed"),) * 5, is_crosscoder=True)
    with pytest.raises(ShapeMismatch, match="5 sites of one width"):
        train_crosscoder(asked_of("topk"), batches(), layout=two, model_name="planted", folder=tmp_path / "made")


def test_a_crosscoder_of_two_models_keeps_which_they_are_and_goes_on_with_no_others(tmp_path: Path):
    layout = Layout(reads=SITES[:1], writes=SITES[:1], is_crosscoder=True, models=("a", "b"))
    settings = {"layout": layout, "model_name": "a", "folder": tmp_path / "made"}

    def stopping() -> Iterator[Tensor]:
        yield from islice(batches()(0), 17)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_crosscoder(asked_of("batchtopk"), stopping(), **settings)
    with pytest.raises(BadRequest, match=r"models was \['a', 'b'\], is \['a', 'c'\]"):
        train_crosscoder(
            asked_of("batchtopk"), batches(), **(settings | {"layout": replace(layout, models=("a", "c"))})
        )
    train_crosscoder(asked_of("batchtopk"), batches(), **settings)
    made = load_dictionary(tmp_path / "made")
    assert (made.config.models, made.config.reads, made.config.d_in) == (("a", "b"), ("resid_post.1",), 24)
    assert len(made.config.site_scales) == 2
    whole = train_crosscoder(asked_of("batchtopk"), batches(), **(settings | {"folder": tmp_path / "whole"}))
    assert torch.equal(whole.W_dec, made.W_dec)
    written = part_norms(made.W_dec * torch.tensor(made.config.site_scales).repeat_interleave(12), 2)
    torch.testing.assert_close(written.sum(1), torch.ones(64))
