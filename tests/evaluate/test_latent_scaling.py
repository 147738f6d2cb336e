"""Latent scaling on crosscoders whose features are absent, shrunk away or written by another."""

import pytest
import torch
from torch import Tensor

from hooke.dictionaries import Dictionary, DictionaryConfig
from hooke.errors import BadRequest
from hooke.evaluate.latent_scaling import latent_scaling

OFFSET = 0.5
NAMES = ("resid_post.0", "resid_post.1")


def crosscoder(rows: Tensor, names: tuple[str, ...] = NAMES) -> Dictionary:
    """Reads feature i off column i of the first site."""
    n, d = rows.shape
    config = DictionaryConfig(
        name="pair", model="m", kind="relu", reads=names, writes=names, n_features=n, d_in=d, d_out=d
    )
    biases = {"b_enc": torch.full((n,), -OFFSET), "b_dec": torch.full((d,), OFFSET)}
    return Dictionary(config, W_enc=torch.eye(d, n), W_dec=rows, **biases)


def acts(seed: int = 0) -> Tensor:
    """Of three features, sparse."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(4000, 3, generator=generator) * (torch.rand(4000, 3, generator=generator) < 0.1)


def test_a_feature_is_absent_only_if_neither_error_nor_other_features_hold_it():
    # All three write to the first site only. The second site has nothing of feature 0, has feature 1, which nothing
    # writes there, and has feature 2, which a fourth that fires with it writes there.
    found = acts()
    first = torch.cat([found, torch.zeros(4000, 1)], dim=1)
    second = torch.zeros(4000, 4)
    second[:, 1:3] = found[:, 1:]
    rows = torch.zeros(4, 8)
    rows[0, 0] = rows[1, 1] = rows[2, 2] = rows[3, 6] = 1.0
    made = crosscoder(rows)
    made.W_enc[:, 3] = made.W_enc[:, 2]
    scaling = latent_scaling(made, torch.cat([first, second], dim=1) + OFFSET, 0)
    assert scaling.nu_error[:3].tolist() == pytest.approx([0, 1, 0], abs=1e-4)
    assert scaling.nu_other[:3].tolist() == pytest.approx([0, 0, 1], abs=1e-4)
    assert scaling.is_absent[:3].tolist() == [True, False, False]
    # Seen from the second site the fourth is not its own: the first has it as the third.
    assert float(latent_scaling(made, torch.cat([first, second], dim=1) + OFFSET, 1).nu_other[3]) == pytest.approx(1)


def test_a_feature_that_never_fires_is_not_known_to_be_absent():
    rows = torch.zeros(2, 8)
    rows[0, 0] = rows[1, 1] = 1.0
    x = torch.zeros(10, 8)
    x[:, 0] = 1.0
    assert latent_scaling(crosscoder(rows), x + OFFSET, 0).is_absent.tolist() == [True, False]


def test_other_numbers_of_sites_are_refused():
    one = crosscoder(torch.ones(2, 8), ("resid_post.0",))
    with pytest.raises(BadRequest, match="compares two sites"):
        latent_scaling(one, torch.zeros(3, 8), 0)
