from pathlib import Path

import pytest
import torch
from torch import Tensor

from hooke.dictionaries.formats.statistics import fold_statistics
from hooke.errors import BadArtefact
from tests.dictionaries.test_dictionary import inputs

PLACES, D, N = 2, 3, 4
PATH = Path("file")


def weights() -> dict[str, Tensor]:
    shapes = {"W_enc": (PLACES * D, N), "b_enc": (N,), "W_dec": (N, PLACES * D), "b_dec": (PLACES * D,)}
    return {name: inputs(*shape, seed=place) for place, (name, shape) in enumerate(shapes.items())}


def statistics(**changes: Tensor | None) -> dict[str, Tensor]:
    deviation = inputs(PLACES, D, seed=8).abs() + 1
    made: dict[str, Tensor | None] = {
        "activation_mean": inputs(PLACES, D, seed=7),
        "activation_std": deviation,
        "activation_global_scale": 2 / (deviation.square().sum(-1) + 1e-8).sqrt(),
        "target_rms": torch.tensor(2.0),
        **changes,
    }
    return {name: one for name, one in made.items() if one is not None}


def test_what_is_done_to_inputs_and_undone_on_outputs_is_in_the_weights():
    own, told = weights(), statistics()
    x = inputs(9, PLACES, D, seed=5)
    scale = told["activation_global_scale"][:, None]
    acts = ((x - told["activation_mean"]) * scale).flatten(1) @ own["W_enc"] + own["b_enc"]
    x_hat = (acts @ own["W_dec"] + own["b_dec"]).unflatten(1, (PLACES, D)) / (scale + 1e-8) + told["activation_mean"]
    folded, names = fold_statistics(PATH, own, told)
    torch.testing.assert_close(x.flatten(1) @ folded["W_enc"] + folded["b_enc"], acts, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(acts @ folded["W_dec"] + folded["b_dec"], x_hat.flatten(1), atol=1e-5, rtol=1e-5)
    assert names[0].count(",") == 1
    assert names[1] == "input_centre"


def test_none_and_no_numbers_leave_the_weights():
    own, nothing = weights(), torch.full((PLACES, D), torch.nan)
    assert fold_statistics(PATH, own, {"k": 3}) == (own, ())
    assert fold_statistics(PATH, own, statistics(activation_mean=nothing, activation_std=nothing)) == (own, ())


@pytest.mark.parametrize(
    "changes",
    [
        {"target_rms": None},
        {"target_rms": torch.tensor(3)},
        {"activation_std": torch.ones(D)},
        {"activation_global_scale": torch.ones(PLACES)},
        {"activation_global_scale": torch.tensor(1.0)},
        {"activation_mean": torch.zeros(PLACES, D + 1), "activation_std": torch.ones(PLACES, D + 1)},
    ],
)
def test_statistics_that_do_not_fit_are_refused(changes: dict):
    with pytest.raises(BadArtefact, match="file"):
        fold_statistics(PATH, weights(), statistics(**changes))
