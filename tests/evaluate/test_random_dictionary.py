"""The control has the dictionary's shape and sparsity, and is fitted as well as a random one can be."""

import pytest
import torch

from hooke.evaluate.random_dictionary import random_dictionary
from tests.models.small_dictionary import small_dictionary


def sample(n: int = 400) -> torch.Tensor:
    return 3 + torch.randn(n, 16, generator=torch.Generator().manual_seed(3))


def fvu(y: torch.Tensor, rebuilt: torch.Tensor) -> float:
    return float(((y - rebuilt) ** 2).sum() / ((y - y.mean(0)) ** 2).sum())


@pytest.fixture
def control():
    dictionary = small_dictionary("d", "resid_post.0", 16, 64, k=4)
    return random_dictionary(dictionary, sample(), sample(), generator=torch.Generator().manual_seed(0))


def test_it_has_the_shape_and_the_sparsity(control):
    assert (control.n_features, control.config.k, control.config.reads) == (64, 4, ("resid_post.0",))
    assert bool((control.encode(sample()).l0() == 4).all())


def test_no_other_scale_fits_better(control):
    best = fvu(sample(), control(sample()))
    assert best < 1
    centre = sample().mean(0)
    for factor in (0.9, 1.1):
        assert fvu(sample(), centre + factor * (control(sample()) - centre)) > best


def test_its_directions_are_not_the_dictionarys(control):
    dictionary = small_dictionary("d", "resid_post.0", 16, 64, k=4)
    cosine = torch.nn.functional.normalize(control.W_dec, dim=-1) @ dictionary.W_dec.T
    assert float(cosine.abs().mean()) < 0.3


def test_one_that_writes_elsewhere_decodes_with_other_directions():
    dictionary = small_dictionary("d", "mlp_in.0", 16, 64, k=4)
    object.__setattr__(dictionary.config, "writes", ("mlp_out.0",))
    control = random_dictionary(dictionary, sample(), sample(), generator=torch.Generator().manual_seed(0))
    cosine = torch.nn.functional.cosine_similarity(control.W_enc.T, control.W_dec)
    assert float(cosine.abs().mean()) < 0.4
