"""A small TopK dictionary with random weights, for tests of edits."""

import torch

from hooke.dictionaries import Dictionary, DictionaryConfig


def small_dictionary(name: str, site: str, width: int, n_features: int, k: int = 8) -> Dictionary:
    """Random unit decoder rows, with the encoder their transpose."""
    rows = torch.randn(n_features, width, generator=torch.Generator().manual_seed(0))
    rows /= rows.norm(dim=-1, keepdim=True)
    config = DictionaryConfig(
        name=name,
        model="tiny",
        kind="topk",
        reads=(site,),
        writes=(site,),
        n_features=n_features,
        d_in=width,
        d_out=width,
        k=k,
    )
    return Dictionary(
        config, W_enc=rows.T.contiguous(), b_enc=torch.zeros(n_features), W_dec=rows, b_dec=torch.zeros(width)
    )
