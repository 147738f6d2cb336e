"""Matching of features that are known to be the same, or not."""

import numpy as np
import pytest
import torch

from hooke.dictionaries import Dictionary, DictionaryConfig
from hooke.errors import ShapeMismatch
from hooke.evaluate.stability import matched, stability


def dictionary(rows: torch.Tensor, *, columns: torch.Tensor | None = None, name: str = "d") -> Dictionary:
    n, d = rows.shape
    config = DictionaryConfig(
        name=name, model="m", kind="relu", reads=("resid_post.0",), writes=("resid_post.0",), n_features=n, d_in=d,
        d_out=d,
    )  # fmt: skip
    encoder = rows if columns is None else columns
    return Dictionary(config, W_enc=encoder.T.contiguous(), b_enc=torch.zeros(n), W_dec=rows, b_dec=torch.zeros(d))


def rows(n: int = 40, d: int = 64, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def test_features_in_another_order_and_length_are_all_found():
    own = rows()
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    found = matched(dictionary(own), dictionary(own[order] * 3))
    assert found.partner.tolist() == torch.argsort(order).tolist()
    assert found.shared.all()
    share, cosine, nearest = stability(dictionary(own, name="a"), dictionary(own[order], name="b"))
    assert share.value == 1
    assert cosine.value == pytest.approx(1)
    assert share.control == 0
    assert nearest.control is not None
    assert 0.1 < nearest.control < 0.6


def test_two_features_have_not_the_same_partner():
    own = rows()
    twice = torch.cat([own[:1], own[:1] + 0.1 * rows(1, seed=5), own[2:]])
    found = matched(dictionary(twice), dictionary(own))
    assert len(set(found.partner.tolist())) == 40
    assert found.nearest[:2].min() > 0.9
    assert min(found.decoder[:2]) < 0.5
    assert (found.nearest >= found.decoder - 1e-6).all()


def test_a_feature_that_reads_something_else_is_not_shared():
    own = rows()
    found = matched(dictionary(own), dictionary(own, columns=rows(seed=9)))
    assert found.decoder.min() > 0.99
    assert not found.shared.any()


def test_what_is_too_many_has_no_partner():
    found = matched(dictionary(rows(50)), dictionary(rows(50)[:20]))
    assert np.sum(found.partner == -1) == 30
    assert found.shared.sum() == 20


def test_dictionaries_of_other_widths_are_refused():
    with pytest.raises(ShapeMismatch, match="64 and 32 numbers"):
        matched(dictionary(rows()), dictionary(rows(d=32)))
