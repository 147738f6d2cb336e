"""Dictionaries that read and write several sites: how much each feature writes to each, and what one site gets."""

import dataclasses

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig
from hooke.errors import BadRequest
from hooke.sites import Site


def is_crosscoder(config: DictionaryConfig) -> bool:
    """Whether it reads several sites and writes the same."""
    return len(config.reads) > 1 and config.reads == config.writes


def column_scales(config: DictionaryConfig) -> Float[Tensor, " d_in"]:
    """What each column is multiplied by where sites are compared; ones where nothing is known of that."""
    if not config.site_scales:
        return torch.ones(config.d_in)
    return torch.tensor(config.site_scales).repeat_interleave(config.d_in // len(config.site_scales))


def relative_norms(crosscoder: Dictionary) -> Float[Tensor, "feature site"]:
    """Each site's share of what a feature writes: norms of its decoder vectors, in units in which sites are alike.

    Of a feature that is at one site only, that site has all.
    """
    rows = crosscoder.W_dec.detach() * column_scales(crosscoder.config).to(crosscoder.device)
    norms = torch.linalg.vector_norm(rows.unflatten(1, (len(crosscoder.writes), -1)), dim=2)
    return norms / norms.sum(1, keepdim=True).clamp_min(1e-12)


def written_at(crosscoder: Dictionary, site: Site) -> Dictionary:
    """The dictionary that reads what the crosscoder reads and writes one of its sites; another is itself.

    Raises:
        BadRequest: it does not write there.
    """
    if crosscoder.writes == (site,):
        return crosscoder
    if site not in crosscoder.writes or not is_crosscoder(crosscoder.config):
        found = f"It writes {', '.join(crosscoder.config.writes)}."
        raise BadRequest(f"'{crosscoder.name}' does not write {site} by itself.", found, "Choose another site.")
    columns = _columns(crosscoder, site)
    return Dictionary(
        dataclasses.replace(crosscoder.config, writes=(str(site),), d_out=columns.stop - columns.start),
        W_enc=crosscoder.W_enc,
        b_enc=crosscoder.b_enc,
        W_dec=crosscoder.W_dec[:, columns],
        b_dec=crosscoder.b_dec[columns],
        threshold=crosscoder.threshold,
    )


def rows_at(dictionary: Dictionary, indices: Int[Tensor, " n"], site: Site) -> Float[Tensor, "n width"]:
    """What features write at a site: of a crosscoder's rows that site's part, of another's all, wherever it writes."""
    rows = dictionary.decoder_rows(indices)
    is_part = is_crosscoder(dictionary.config) and site in dictionary.writes
    return rows[:, _columns(dictionary, site)] if is_part else rows


def _columns(crosscoder: Dictionary, site: Site) -> slice:
    place, width = crosscoder.writes.index(site), crosscoder.config.d_out // len(crosscoder.writes)
    return slice(place * width, (place + 1) * width)
