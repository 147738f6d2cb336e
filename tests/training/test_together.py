import pytest
import torch
from torch import Tensor

from hooke.dictionaries.crosslayer import CrossLayerTranscoder
from hooke.dictionaries.replacement import reconstruct
from hooke.dictionaries.sets import TranscoderSet
from hooke.errors import BadConfig, ShapeMismatch
from hooke.sites import Site
from hooke.training.config import TrainConfig
from hooke.training.state import advance, start
from hooke.training.together import Layout, Together, advance_all, begin, facts, finish, pooled, transcoder_layout
from hooke.training.weights import calibrate
from tests.training.planted_layers import D_IN, D_OUT, LAYERS, N_LAYERS, batch, layout

CPU = torch.device("cpu")


def config(kind: str = "topk", **changes) -> TrainConfig:
    settings = {"n_features": 48, "n_tokens": 100_000, "k": 3, "batch": 256, "lr": 4e-3} | changes
    return TrainConfig(kind=kind, **settings)


def begun(asked: TrainConfig, **changes) -> Together:
    return begin(asked, layout(**changes), batch(0), CPU)


def test_sites_stand_side_by_side_inputs_first():
    assert [str(site) for site in layout().sites[:4]] == ["mlp_in.1", "mlp_in.2", "mlp_in.4", "mlp_out.1"]
    assert transcoder_layout("resid_mid", [3, 1], crosses_layers=True).reads == (
        Site("resid_mid", 1),
        Site("resid_mid", 3),
    )
    assert begun(config()).width == 2 * N_LAYERS * D_IN


def test_layers_trained_together_are_those_trained_alone():
    asked, together = config(), begun(config())
    columns = batch(0).chunk(2 * N_LAYERS, dim=1)
    alone = start(
        asked, calibrate(columns[1], asked), device=CPU, target=calibrate(columns[1 + N_LAYERS], asked), number=1
    )
    for number in range(4):
        advance_all(together, batch(number))
        columns = batch(number).chunk(2 * N_LAYERS, dim=1)
        advance(alone, columns[1], columns[1 + N_LAYERS])
    for (name, ours), (_, theirs) in zip(together.states[1].weights.named(), alone.weights.named(), strict=True):
        assert torch.equal(ours, theirs), name
    first, second = (state.weights.encoder for state in together.states[:2])
    assert not torch.allclose(first, second, atol=0.1)


@pytest.mark.parametrize("kind", ["topk", "batchtopk", "relu", "jumprelu"])
def test_sparse_and_dense_steps_across_layers_make_the_same_weights(kind: str, monkeypatch: pytest.MonkeyPatch):
    extra = {"tanh_slope": 2.0, "pre_activation": 1e-3, "sparsity": 0.1} if kind in ("relu", "jumprelu") else {}
    made = []
    for is_dense in (True, False):
        monkeypatch.setattr("hooke.training.state.prefers_dense", lambda share, device, choice=is_dense: choice)
        together = begun(config(kind, skip=True, **extra), crosses_layers=True)
        for number in range(5):
            advance_all(together, batch(number))
        made.append(together.states)
    for dense, sparse in zip(*made, strict=True):
        for (name, ours), (_, theirs) in zip(dense.weights.named(), sparse.weights.named(), strict=True):
            # Adam divides by the gradient's size, so rounding in tiny gradients shows; one step moves a weight by 4e-3.
            assert float((ours - theirs).detach().abs().mean()) < 5e-5, name


@pytest.mark.parametrize("kind", ["topk", "batchtopk", "jumprelu"])
@pytest.mark.parametrize("crosses_layers", [False, True])
def test_the_finished_replacement_makes_the_error_that_training_saw(kind: str, crosses_layers: bool):
    extra = {"tanh_slope": 2.0, "sparsity": 0.1} if kind == "jumprelu" else {}
    asked = config(kind, skip=True, centre="mean", longest=1e9, lr=4e-3, **extra)
    together = begun(asked, crosses_layers=crosses_layers)
    for number in range(20):
        advance_all(together, batch(number))
    x = batch(99)
    made = finish(together, name="made", model="planted")
    outcomes = advance_all(together, x)
    assert isinstance(made, CrossLayerTranscoder if crosses_layers else TranscoderSet)
    assert (made.layers, made.model) == (LAYERS, "planted")
    columns = x.chunk(2 * N_LAYERS, dim=1)
    acts = {layer: made.encode(layer, columns[place]) for place, layer in enumerate(LAYERS)}
    for place, layer in enumerate(LAYERS):
        written = reconstruct(made, acts, columns[place], layer)
        target = together.states[place].target
        assert target is not None
        error = (written - columns[N_LAYERS + place]) * target.scale
        if kind == "batchtopk":
            # Training chose over the batch, here one threshold stands for all batches: close, not equal.
            assert float(error.norm()) == pytest.approx(float(outcomes[place].error.norm()), rel=0.1)
        else:
            torch.testing.assert_close(error, outcomes[place].error, rtol=1e-3, atol=1e-3)


def fvu(made: CrossLayerTranscoder | TranscoderSet, x: Tensor) -> list[float]:
    columns, found = x.chunk(2 * N_LAYERS, dim=1), []
    acts = {layer: made.encode(layer, columns[place]) for place, layer in enumerate(LAYERS)}
    for place, layer in enumerate(LAYERS):
        y = columns[N_LAYERS + place]
        error = reconstruct(made, acts, columns[place], layer) - y
        found.append(float(error.square().sum() / (y - y.mean(0)).square().sum()))
    return found


def test_only_features_that_write_to_later_layers_explain_what_earlier_layers_cause():
    # The later outputs hold parts that the layer's own input does not show.
    found = {}
    for crosses_layers in (False, True):
        together = begun(config(n_tokens=300 * 256), crosses_layers=crosses_layers)
        for number in range(300):
            advance_all(together, batch(number))
        made = finish(together, name="made", model="planted")
        assert not isinstance(made, torch.nn.Module)
        found[crosses_layers] = fvu(made, batch(10**6))
    assert max(found[True]) < 0.35
    assert found[True][2] < 0.6 * found[False][2], found


def test_a_skip_takes_over_what_is_linear():
    # Besides features the output holds a rotation of the whole input, which no three features can write.
    rotation = torch.linalg.qr(torch.randn(D_IN, D_IN, generator=torch.Generator().manual_seed(3)))[0]
    one, found = transcoder_layout("mlp_in", [1], crosses_layers=False), {}

    def both(number: int) -> Tensor:
        x, y = (batch(number).chunk(2 * N_LAYERS, dim=1)[place] for place in (0, N_LAYERS))
        return torch.cat([x, y + x @ rotation], dim=1)

    for skip in (False, True):
        together = begin(config(skip=skip, n_tokens=200 * 256), one, both(0), CPU)
        for number in range(200):
            outcomes = advance_all(together, both(number))
        found[skip] = facts(together, outcomes, both(199))[0]["fvu"]
    assert found[True] < 0.7 * found[False], found


def test_facts_are_pooled_over_the_layers():
    together = begun(config())
    parts = facts(together, advance_all(together, batch(0)), batch(0))
    whole = pooled(parts)
    assert whole["loss"] == pytest.approx(sum(part["loss"] for part in parts))
    assert whole["fvu"] == pytest.approx(sum(part["fvu"] for part in parts) / 3)
    assert whole["worst_fvu"] == max(part["fvu"] for part in parts)
    assert all(part["l0"] <= 3 for part in parts)
    assert pooled(parts[:1]) == parts[0]


def test_what_does_not_go_together_is_refused():
    place = Site("resid_post", 1)
    with pytest.raises(BadConfig, match="no skip"):
        begin(config(skip=True), Layout(reads=(place,), writes=(place,)), batch(0), CPU)
    for kind, extra in (("matryoshka", {"groups": (8, 48)}), ("gated", {})):
        with pytest.raises(BadConfig, match=f"No cross-layer transcoder of kind {kind}"):
            begun(config(kind, **extra), crosses_layers=True)
    with pytest.raises(ShapeMismatch, match="6 sites of one width"):
        begin(config(), layout(), batch(0)[:, :-1], CPU)
    assert D_IN == D_OUT
