"""The feature of a dictionary that tells labelled texts apart best."""

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.dictionaries import Dictionary
from hooke.directions.token_rows import TokenRows
from hooke.errors import ShapeMismatch
from hooke.sites import Site


def telling_feature(dictionary: Dictionary, rows: TokenRows, site: Site) -> int:
    """The feature whose mean activation has the largest AUROC; of equal ones the one that differs most (2501.17148).

    Raises:
        ShapeMismatch: the dictionary does not read and write the site.
    """
    if (dictionary.reads, dictionary.writes) != ((site,), (site,)):
        raise ShapeMismatch(
            f"'{dictionary.name}' is no dictionary of {site}.",
            f"It reads {', '.join(map(str, dictionary.reads))}.",
            "Give one of the site, or that site.",
        )
    active = mean_activations(dictionary, rows, site)
    is_with = torch.from_numpy(rows.labels)
    first, second = active[is_with], active[~is_with]
    area = torch.zeros(dictionary.n_features)
    for one in first:
        area += ((one > second).float() + 0.5 * (one == second).float()).mean(0) / len(first)
    apart = (first.mean(0) - second.mean(0)) / (active.amax() or 1.0)
    # The difference only decides between equal areas, which are further apart than that.
    return int((area + 1e-4 * apart).argmax())


def mean_activations(dictionary: Dictionary, rows: TokenRows, site: Site) -> Float[Tensor, "text feature"]:
    """Mean activation of every feature over each text's tokens."""
    texts = rows.rows[site].split(rows.lengths.tolist())
    return torch.stack([dictionary.encode(tokens).dense().float().mean(0).cpu() for tokens in texts])
