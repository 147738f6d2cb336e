"""From the rows of sites to scores of tokens: a monitor's probes and features, opened and held to their digests."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hooke.configs import content_hash, to_dict
from hooke.dictionaries import Dictionary, load_dictionary
from hooke.dictionaries.dictionary import check_fits
from hooke.dictionaries.encoding import COMPETING
from hooke.directions.probe import Probe, check_probe, load_probe, token_attention, token_scores
from hooke.errors import BadArtefact, UnknownName
from hooke.lab import Lab
from hooke.models.model import Model
from hooke.monitors.spec import Scorer
from hooke.sites import Site, parse_feature, parse_site

Rows = Mapping[Site, Float[Tensor, "token width"]]
"""What a model holds at some sites, token by token."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A scorer, ready to score."""

    sites: tuple[Site, ...]
    """What it reads."""
    score: Callable[[Rows], Float[Tensor, "token kind"]]
    """Scores of tokens; of a probe that pools by attention, its second scores beside them."""
    n_products: int
    """Multiply-adds of a token."""
    names: tuple[str, ...]
    """What it consists of: the probe, or the features."""
    fires: Callable[[Rows], Bool[Tensor, "token unit"]]
    """At which tokens each of these is above 0."""
    probe: Probe | None = None
    """The probe that it is, where it is one."""


def open_scorer(scorer: Scorer, model: Model, lab: Lab, *, force: bool = False) -> Opened:
    """A scorer's probe or features, taken from the lab.

    Raises:
        UnknownName: the probe, the dictionary or a feature is not there.
        BadArtefact: it is not the one that the monitor was made with, or was made on another model.
        UnknownSite, UnsupportedModel, ShapeMismatch: it does not fit the model.
    """
    if scorer.probe:
        probe = load_probe(lab, scorer.probe)
        check_probe(probe, model, force=force)
        found, digest = opened_probe(probe, scorer.scale, scorer.bias), probe_digest(probe)
    else:
        dictionary = load_dictionary(_dictionary_name(scorer), lab=lab, device=str(model.device))
        check_fits(dictionary, model)
        found, digest = _of_features(dictionary, scorer), dictionary_digest(dictionary)
    if scorer.digest and scorer.digest != digest and not force:
        raise BadArtefact(
            f"'{scorer.probe or _dictionary_name(scorer)}' is not what the monitor was made with.",
            f"Its digest is {digest}, not {scorer.digest}.",
            "Put the old one back, make the monitor again, or force it.",
        )
    return found


def scorer_digest(scorer: Scorer, lab: Lab) -> str:
    """The digest of what a scorer scores with now.

    Raises:
        UnknownName, BadArtefact: see `load_probe`, `load_dictionary`.
    """
    if scorer.probe:
        return probe_digest(load_probe(lab, scorer.probe))
    return dictionary_digest(load_dictionary(_dictionary_name(scorer), lab=lab))


def _dictionary_name(scorer: Scorer) -> str:
    return parse_feature(scorer.features[0]).dictionary or ""


def probe_digest(probe: Probe) -> str:
    """Identifies what a probe computes: its sites, numbers and pooling."""
    return _digest([probe.sites, probe.bias, to_dict(probe.pooling)], *probe.vectors, *probe.attention)


def dictionary_digest(dictionary: Dictionary) -> str:
    """Identifies what a dictionary encodes."""
    threshold = () if dictionary.threshold is None else (dictionary.threshold,)
    return _digest(list(dictionary.config.reads), dictionary.W_enc, dictionary.b_enc, *threshold)


def _digest(plain: list, *tensors: Tensor) -> str:
    found = hashlib.sha256(content_hash(plain).encode())
    for tensor in tensors:
        found.update(tensor.detach().float().contiguous().cpu().numpy().tobytes())
    return found.hexdigest()[:16]


def opened_probe(probe: Probe, scale: float = 1.0, bias: float = 0.0) -> Opened:
    """A probe as a scorer."""

    def score(rows: Rows) -> Tensor:
        scores = scale * token_scores(probe, rows) + bias
        attention = token_attention(probe, rows)
        return scores[:, None] if attention is None else torch.stack([scores, attention], -1)

    return Opened(
        sites=tuple(parse_site(site) for site in probe.sites),
        score=score,
        n_products=sum(len(one) for one in (*probe.vectors, *probe.attention)),
        names=(probe.name,),
        fires=lambda rows: token_scores(probe, rows)[:, None] > 0,
        probe=probe,
    )


def _of_features(dictionary: Dictionary, scorer: Scorer) -> Opened:
    indices = [parse_feature(one).index for one in scorer.features]
    if max(indices) >= dictionary.n_features:
        raise UnknownName(
            f"No feature {max(indices)} in '{dictionary.name}'.", f"It has {dictionary.n_features}.", "Choose another."
        )
    weights = torch.tensor(scorer.weights or [1.0] * len(indices), device=dictionary.device)
    competes = dictionary.config.activation in COMPETING

    def acts(rows: Rows) -> Tensor:
        x = torch.cat([rows[site].float() for site in dictionary.reads], -1).to(dictionary.device)
        if competes:
            return dictionary.encode(x).dense()[:, indices].float()
        return torch.stack([dictionary.encode_feature(x, index) for index in indices], -1).float()

    return Opened(
        sites=dictionary.reads,
        score=lambda rows: (scorer.scale * acts(rows) @ weights + scorer.bias)[:, None],
        n_products=(dictionary.n_features if competes else len(indices)) * dictionary.config.d_in,
        names=scorer.features,
        fires=lambda rows: acts(rows) > 0,
    )
