import pytest
import torch

from hooke.dictionaries.sparse import prefers_dense
from hooke.training.config import TrainConfig
from hooke.training.state import State, advance, start
from hooke.training.weights import calibrate
from tests.training.planted import D, batch
from tests.training.test_weights import KINDS


def begun(kind: str = "topk", **changes) -> State:
    settings = {"n_features": 128, "n_tokens": 100_000, "batch": 512, "lr": 4e-3} | KINDS[kind] | changes
    if kind == "matryoshka":
        settings["groups"] = (32, 128)
    config = TrainConfig(kind=kind, **settings)
    return start(config, calibrate(batch(0), config), device=torch.device("cpu"))


@pytest.mark.parametrize("kind", KINDS)
def test_steps_lower_the_loss_of_an_unseen_batch(kind: str):
    state = begun(kind, sparsity=0.0)
    losses = [float(advance(state, batch(number)).loss) for number in range(60)]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
    assert (state.step, state.tokens) == (60, 60 * 512)


@pytest.mark.parametrize("kind", KINDS)
def test_sparse_and_dense_steps_make_the_same_weights(kind: str, monkeypatch: pytest.MonkeyPatch):
    made = []
    for is_dense in (True, False):
        monkeypatch.setattr("hooke.training.state.prefers_dense", lambda share, device, choice=is_dense: choice)
        state = begun(kind)
        for number in range(5):
            advance(state, batch(number))
        made.append(dict(state.weights.named()))
    for name, tensor in made[0].items():
        # Adam divides by the gradient's size, so rounding in tiny gradients shows; one step moves a weight by 4e-3.
        assert float((tensor - made[1][name]).detach().abs().mean()) < 2e-5, name


@pytest.mark.parametrize("kind", KINDS)
def test_decoder_rows_stay_at_norm_one_except_for_relu(kind: str):
    state = begun(kind)
    for number in range(3):
        advance(state, batch(number))
    norms = state.weights.decoder.norm(dim=1)
    assert bool(((norms - 1).abs() < 1e-5).all()) == (kind != "relu")


def test_the_gradient_along_a_decoder_row_is_taken_out():
    state = begun(k_aux=0)
    for number in range(3):
        before = state.weights.decoder.detach().clone()
        advance(state, batch(number))
        grad = state.weights.decoder.grad
        assert grad is not None
        assert float((grad * before).sum(1).abs().max()) < 1e-5 * float(grad.norm(dim=1).max())


@pytest.mark.parametrize(("k_aux", "least", "most"), [(0, 0.35, 0.5), (64, 0.0, 0.2)])
def test_dead_features_come_back_only_with_revival(k_aux: int, least: float, most: float):
    state = begun(k_aux=k_aux, dead_after=2_000, n_features=64)
    # Half of the features lose every competition; what is nowhere above zero would have no gradient to come back by.
    with torch.no_grad():
        state.weights.encoder[::2, -1] = -3
    for number in range(200):
        advance(state, batch(number))
    assert least <= float(state.firing.dead(5_000).float().mean()) <= most


def test_the_running_threshold_is_the_mean_of_the_batches():
    state = begun("batchtopk")
    seen = [advance(state, batch(number)).threshold for number in range(10)]
    assert state.threshold == pytest.approx(sum(seen) / 10)
    assert state.last_threshold == seen[-1]


@pytest.mark.parametrize("kind", ["relu", "jumprelu"])
def test_crowded_kinds_begin_densely_and_turn_sparse(kind: str):
    state = begun(kind, first_threshold=3.0)
    assert prefers_dense(state.share, torch.device("cpu"))
    with torch.no_grad():
        state.weights.encoder[:, -1] -= 4
    advance(state, batch(0))
    assert not prefers_dense(state.share, torch.device("cpu"))
    assert float(advance(state, batch(1)).loss) > 0


def test_inputs_of_other_widths_are_an_error_of_ours():
    with pytest.raises(RuntimeError):
        advance(begun(), torch.zeros(4, D + 1))
