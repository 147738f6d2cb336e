"""The feature that tells texts apart: planted, beside one that fires more on fewer texts, and at another site."""

import pytest
import torch

from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig
from hooke.directions.telling_feature import mean_activations, telling_feature
from hooke.directions.token_rows import TokenRows
from hooke.errors import ShapeMismatch
from hooke.sites import Site
from hooke.text.concepts import Labelled

SITE = Site("resid_post", 0)


def dictionary() -> Dictionary:
    config = DictionaryConfig(
        name="small", model="none", kind="relu", reads=(str(SITE),), writes=(str(SITE),), n_features=4, d_in=4, d_out=4
    )
    return Dictionary(config, W_enc=torch.eye(4), b_enc=torch.zeros(4), W_dec=torch.eye(4), b_dec=torch.zeros(4))


def rows(*texts: list[list[float]]) -> TokenRows:
    """Texts with and without the concept in turn, each by its tokens' rows."""
    items = [Labelled(text=str(at), label=at % 2 == 0, group=str(at), style="") for at in range(len(texts))]
    lengths = torch.tensor([len(one) for one in texts])
    return TokenRows(rows={SITE: torch.tensor([row for one in texts for row in one])}, lengths=lengths, items=items)


# Feature 0 fires everywhere; 1 strongly, on one text; 2 a little, on each with the concept; 3 on those without.
TEXTS = rows(
    [[1.0, 9.0, 0.0, 0.0], [1.0, 9.0, 0.2, 0.0]],
    [[1.0, 0.0, 0.0, 0.5]],
    [[1.0, 0.0, 0.1, -3.0]],
    [[1.0, 0.0, 0.0, 0.7], [1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]],
)


def test_means_are_over_each_texts_tokens():
    found = mean_activations(dictionary(), TEXTS, SITE)
    assert found[:, 1].tolist() == [9, 0, 0, 0]
    torch.testing.assert_close(found[:, 2], torch.tensor([0.1, 0, 0.1, 0]))
    assert float(found[2, 3]) == 0


def test_the_feature_of_all_texts_with_the_concept_is_taken():
    assert telling_feature(dictionary(), TEXTS, SITE) == 2


def test_of_equally_good_ones_the_one_that_differs_most():
    assert telling_feature(dictionary(), rows([[0.0, 1.0, 2.0, 0.0]], [[0.0, 0.0, 0.0, 0.0]]), SITE) == 2


def test_a_dictionary_of_another_site_is_refused():
    with pytest.raises(ShapeMismatch, match="no dictionary of resid_post.1"):
        telling_feature(dictionary(), TEXTS, Site("resid_post", 1))
