"""Dictionaries of several sites."""

import pytest
import torch

from hooke.dictionaries import Dictionary, DictionaryConfig
from hooke.dictionaries.crosscoders import is_crosscoder, relative_norms, rows_at, written_at
from hooke.errors import BadRequest
from hooke.sites import Site
from tests.dictionaries.test_dictionary import inputs
from tests.models.small_dictionary import small_dictionary

FIRST, SECOND = Site("resid_post", 1), Site("resid_post", 2)


def crosscoder(site_scales: tuple[float, ...] = ()) -> Dictionary:
    names = (str(FIRST), str(SECOND))
    config = DictionaryConfig(
        name="both", model="m", kind="jumprelu", reads=names, writes=names, n_features=3, d_in=8, d_out=8,
        site_scales=site_scales,
    )  # fmt: skip
    rows = torch.zeros(3, 8)
    rows[0, :4], rows[1, 4:], rows[2] = 0.5, 2.0, 1.0
    biases = {"b_enc": torch.ones(3), "b_dec": torch.arange(8.0), "threshold": torch.ones(3) / 2}
    return Dictionary(config, W_enc=inputs(8, 3), W_dec=rows, **biases)


def test_each_site_has_its_share_of_what_a_feature_writes():
    assert relative_norms(crosscoder()).tolist() == [[1, 0], [0, 1], [0.5, 0.5]]
    # The second site's numbers are a third as large where sites are alike.
    assert relative_norms(crosscoder((1.0, 1 / 3)))[2].tolist() == pytest.approx([0.75, 0.25])


def test_what_is_written_at_one_site_is_that_part_of_the_reconstruction():
    made, x = crosscoder(), inputs(20, 8, seed=4)
    assert is_crosscoder(made.config)
    for place, site in enumerate((FIRST, SECOND)):
        view = written_at(made, site)
        assert (view.reads, view.writes) == ((FIRST, SECOND), (site,))
        torch.testing.assert_close(view(x), made(x)[:, 4 * place : 4 * place + 4])
        assert not is_crosscoder(view.config)


def test_a_feature_has_a_row_for_each_site():
    made, chosen = crosscoder(), torch.tensor([2, 1])
    assert torch.equal(rows_at(made, chosen, SECOND), made.W_dec[chosen, 4:])
    one = small_dictionary("one", "resid_post.1", 8, 16)
    assert torch.equal(rows_at(one, chosen, SECOND), one.W_dec[chosen])


def test_a_dictionary_of_one_site_is_its_own_view_and_of_no_other():
    one = small_dictionary("one", "resid_post.1", 8, 16)
    assert written_at(one, FIRST) is one
    with pytest.raises(BadRequest, match=r"does not write resid_post.2 by itself. It writes resid_post.1"):
        written_at(one, SECOND)
