"""A dictionary for the tiny models, and a vocabulary for their numbers."""

import torch

from hooke.dictionaries import Dictionary, DictionaryConfig
from hooke.features.vocabulary import Vocabulary

VOCABULARY = Vocabulary(tuple(f" w{token}".encode() for token in range(128)), frozenset({0}))


def small_dictionary(site: str = "resid_post.1", n_features: int = 24, width: int = 32) -> Dictionary:
    """A relu dictionary with random unit rows and biases."""
    generator = torch.Generator().manual_seed(1)
    rows = torch.nn.functional.normalize(torch.randn(n_features, width, generator=generator), dim=-1)
    config = DictionaryConfig(
        name="small",
        model="tiny",
        kind="relu",
        reads=(site,),
        writes=(site,),
        n_features=n_features,
        d_in=width,
        d_out=width,
    )
    return Dictionary(
        config,
        W_enc=rows.T.contiguous(),
        b_enc=torch.full((n_features,), -0.05),
        W_dec=rows,
        b_dec=torch.linspace(-0.1, 0.1, width),
    )
