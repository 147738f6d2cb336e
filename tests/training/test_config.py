import pytest

from hooke.configs import from_dict, to_dict
from hooke.errors import BadConfig
from hooke.training.config import TrainConfig


@pytest.mark.parametrize(
    "changes",
    [
        {"n_features": 0},
        {"n_tokens": -5},
        {"warm_up": 1.5},
        {"decay": -0.1},
        {"k": 0},
        {"k": 65},
        {"kind": "matryoshka"},
        {"kind": "matryoshka", "groups": (16, 32)},
        {"kind": "matryoshka", "groups": (64, 16)},
        {"groups": (16, 64)},
        {"bandwidth": 0.0},
    ],
)
def test_impossible_settings_are_refused(changes: dict):
    with pytest.raises(BadConfig):
        TrainConfig(**({"n_features": 64, "n_tokens": 1000} | changes))


def test_unknown_kinds_and_settings_are_refused_from_data():
    for data in ({"kind": "gate"}, {"learning": 1}):
        with pytest.raises(BadConfig):
            from_dict(TrainConfig, {"n_features": 64, "n_tokens": 1000} | data)


def test_plain_data_and_back():
    config = TrainConfig(n_features=64, n_tokens=1000, kind="matryoshka", groups=(16, 64))
    assert from_dict(TrainConfig, to_dict(config)) == config


def test_the_default_learning_rate_falls_with_the_root_of_the_width():
    assert TrainConfig(n_features=8192, n_tokens=1).peak_lr == pytest.approx(2e-3)
    assert TrainConfig(n_features=32768, n_tokens=1).peak_lr == pytest.approx(1e-3)
    assert TrainConfig(n_features=8192, n_tokens=1, lr=0.5).peak_lr == 0.5


def test_kinds_differ_in_competition_and_norms():
    made = {
        kind: TrainConfig(n_features=64, n_tokens=1, kind=kind) for kind in ("relu", "topk", "batchtopk", "jumprelu")
    }
    assert [kind for kind in made if made[kind].is_competitive] == ["topk", "batchtopk"]
    assert [kind for kind in made if not made[kind].has_unit_rows] == ["relu"]
    assert made["topk"].prefixes == (64,)


@pytest.mark.parametrize("changes", [{"tanh_slope": 1.0}, {"pre_activation": 0.1}])
def test_kinds_without_a_penalty_refuse_its_settings(changes: dict):
    with pytest.raises(BadConfig, match="kind topk has no such penalty"):
        TrainConfig(n_features=40, n_tokens=10, **changes)
    with pytest.raises(BadConfig, match="kind gated has no such penalty"):
        TrainConfig(n_features=40, n_tokens=10, kind="gated", **changes)
    TrainConfig(n_features=40, n_tokens=10, kind="jumprelu", **changes)


def test_a_slope_must_be_above_zero():
    with pytest.raises(BadConfig, match="tanh_slope"):
        TrainConfig(n_features=40, n_tokens=10, kind="relu", tanh_slope=0.0)


def test_rows_are_free_where_the_penalty_sees_their_norm():
    assert TrainConfig(n_features=40, n_tokens=10, kind="jumprelu").has_unit_rows
    assert not TrainConfig(n_features=40, n_tokens=10, kind="jumprelu", tanh_slope=1.0).has_unit_rows
