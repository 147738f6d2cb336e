"""Dictionaries that read and write several sites, or one site of two models: how much each feature writes to each of
these parts, and what one part gets.

A part is a site of a model. Parts stand side by side in what is read and written, site by site, and at each site model
by model.
"""

import dataclasses

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig
from hooke.errors import BadRequest
from hooke.sites import Site, parse_site


def parts_of(config: DictionaryConfig) -> tuple[tuple[Site, str], ...]:
    """What stands side by side in what is written: sites, each with its model."""
    models = config.models or (config.model,)
    return tuple((parse_site(site), model) for site in config.writes for model in models)


def part_names(config: DictionaryConfig) -> tuple[str, ...]:
    """The parts in words."""
    return tuple(f"{site} of {model}" if config.models else str(site) for site, model in parts_of(config))


def is_crosscoder(config: DictionaryConfig) -> bool:
    """Whether it reads several sites, or one of several models, and writes the same."""
    return len(parts_of(config)) > 1 and config.reads == config.writes


def column_scales(config: DictionaryConfig) -> Float[Tensor, " d_in"]:
    """What each column is multiplied by where parts are compared; ones where nothing is known of that."""
    if not config.site_scales:
        return torch.ones(config.d_in)
    return torch.tensor(config.site_scales).repeat_interleave(config.d_in // len(config.site_scales))


def relative_norms(crosscoder: Dictionary) -> Float[Tensor, "feature part"]:
    """Each part's share of what a feature writes: norms of its decoder vectors, in units in which parts are alike.

    Of a feature that is in one part only, that part has all.
    """
    rows = crosscoder.W_dec.detach() * column_scales(crosscoder.config).to(crosscoder.device)
    norms = torch.linalg.vector_norm(rows.unflatten(1, (len(parts_of(crosscoder.config)), -1)), dim=2)
    return norms / norms.sum(1, keepdim=True).clamp_min(1e-12)


def written_at(crosscoder: Dictionary, site: Site, model: str | None = None) -> Dictionary:
    """The dictionary that reads what the crosscoder reads and writes one of its sites; another is itself.

    Of two models' it is the one named, or the first.

    Raises:
        BadRequest: it does not write there.
    """
    if crosscoder.writes == (site,) and not is_crosscoder(crosscoder.config):
        return crosscoder
    if site not in crosscoder.writes or not is_crosscoder(crosscoder.config):
        found = f"It writes {', '.join(crosscoder.config.writes)}."
        raise BadRequest(f"'{crosscoder.name}' does not write {site} by itself.", found, "Choose another site.")
    return written_in(crosscoder, _place(crosscoder, site, model))


def written_in(crosscoder: Dictionary, place: int) -> Dictionary:
    """The dictionary that reads what the crosscoder reads and writes one of its parts, by its place."""
    site, model = parts_of(crosscoder.config)[place]
    columns = _columns(crosscoder, place)
    return Dictionary(
        dataclasses.replace(
            crosscoder.config, model=model, models=(), writes=(str(site),), d_out=columns.stop - columns.start
        ),
        W_enc=crosscoder.W_enc,
        b_enc=crosscoder.b_enc,
        W_dec=crosscoder.W_dec[:, columns],
        b_dec=crosscoder.b_dec[columns],
        threshold=crosscoder.threshold,
    )


def rows_at(
    dictionary: Dictionary, indices: Int[Tensor, " n"], site: Site, model: str | None = None
) -> Float[Tensor, "n width"]:
    """What features write at a site: of a crosscoder's rows that site's part, of another's all, wherever it writes.

    Of two models' it is the part of the one named, or of the first.

    Raises:
        BadRequest: it is of two models, and not of this one.
    """
    rows = dictionary.decoder_rows(indices)
    is_part = is_crosscoder(dictionary.config) and site in dictionary.writes
    return rows[:, _columns(dictionary, _place(dictionary, site, model))] if is_part else rows


def _place(crosscoder: Dictionary, site: Site, model: str | None) -> int:
    config = crosscoder.config
    if config.models and model is not None and model not in config.models:
        do = "Choose one of them."
        raise BadRequest(f"'{config.name}' is not of the model '{model}'.", f"It is of {', '.join(config.models)}.", do)
    owner = model if config.models and model is not None else (config.models or (config.model,))[0]
    return parts_of(config).index((site, owner))


def _columns(crosscoder: Dictionary, place: int) -> slice:
    width = crosscoder.config.d_out // len(parts_of(crosscoder.config))
    return slice(place * width, (place + 1) * width)
