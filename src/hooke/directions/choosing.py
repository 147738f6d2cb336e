"""Which site, pooling and method: every combination is fitted on one part of the texts and measured on another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from hooke.directions.makers import (
    Fitted,
    Maker,
    Method,
    calibrated,
    logistic,
    means,
    pca,
    ridge,
    scores_of,
    subspace,
)
from hooke.directions.pooling import How, Pooling
from hooke.directions.token_probe import layers, token
from hooke.directions.token_rows import TokenRows
from hooke.errors import BadRequest
from hooke.findings import area_under_curve
from hooke.progress import track
from hooke.sites import Site, parse_site

MAKERS: dict[Method, Maker] = {
    "means": means,
    "logistic": logistic,
    "ridge": ridge,
    "pca": pca,
    "subspace": subspace,
    "token": token,
    "layers": layers,
}
_PLAIN: tuple[How, ...] = ("last", "mean", "max", "rolling", "ema")
USUAL: dict[Method, tuple[How, ...]] = {
    "means": _PLAIN,
    "logistic": _PLAIN,
    "ridge": _PLAIN,
    "pca": _PLAIN,
    "subspace": _PLAIN,
    "token": ("softmax", "attention"),
    "layers": ("rolling", "ema"),
}
"""Poolings that a method is tried with unless some are asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """One way to make a probe."""

    method: Method
    """How its vectors are made."""
    sites: tuple[str, ...]
    """Where it reads."""
    pooling: Pooling
    """How tokens become a text."""

    def __str__(self) -> str:
        where = self.sites[0] if len(self.sites) == 1 else f"{len(self.sites)} sites"
        return f"{self.method}, {self.pooling.how}, {where}"

    def make(self, data: TokenRows, *, seed: int) -> Fitted:
        """Its vectors and bias on some texts."""
        sites = self.places
        return calibrated(MAKERS[self.method](data, sites, self.pooling, seed), data, sites, self.pooling)

    def score(self, fitted: Fitted, data: TokenRows) -> Float[ndarray, " text"]:
        """Scores of texts."""
        return scores_of(fitted, data, self.places, self.pooling)

    @property
    def places(self) -> tuple[Site, ...]:
        """Its sites."""
        return tuple(map(parse_site, self.sites))


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """A candidate with what it reached on the validation part."""

    candidate: Candidate
    """Which."""
    area: float
    """AUROC."""
    apart: float
    """Between the labels' mean scores, in standard deviations: what decides where areas are equal."""


def candidates(
    sites: Sequence[Site], methods: Sequence[Method] = (), poolings: Sequence[How] = (), *, window: int = 16
) -> list[Candidate]:
    """Every combination that makes sense; of `layers` one for all sites, and attention with `token` only.

    Raises:
        BadRequest: none does.
    """
    found = []
    for method in dict.fromkeys(methods or MAKERS):
        groups = [tuple(sites)] if method == "layers" else [(site,) for site in sites]
        for how in dict.fromkeys(poolings or USUAL[method]):
            if how == "attention" and method != "token":
                continue
            found += [
                Candidate(method=method, sites=tuple(map(str, group)), pooling=Pooling(how=how, window=window))
                for group in groups
            ]
    if not found:
        raise BadRequest(
            "Nothing to try.",
            f"Sites: {len(sites)}; methods: {', '.join(methods)}; poolings: {', '.join(poolings)}.",
            "Give at least one site; attention pooling goes with the method 'token'.",
        )
    return found


def choose(options: Sequence[Candidate], fit: TokenRows, validation: TokenRows, *, seed: int = 0) -> tuple[Tried, ...]:
    """All candidates, the best first: by AUROC on the validation part, then by how far apart the labels lie there."""
    made: dict[tuple, Fitted] = {}
    found = []
    for one in track(options, "choose", unit="probes"):
        # Poolings that are fitted on the mean of the rows share their vectors.
        is_own = one.method in ("token", "layers") or one.pooling.how in ("last", "ema")
        key = (one.method, one.sites, one.pooling if is_own else "mean")
        if key not in made:
            made[key] = MAKERS[one.method](fit, one.places, one.pooling, seed)
        scores = one.score(made[key], validation)
        positive, negative = scores[validation.labels], scores[~validation.labels]
        spread = np.sqrt((positive.var() + negative.var()) / 2) + 1e-12
        found.append(
            Tried(
                candidate=one,
                area=area_under_curve(positive, negative)[0],
                apart=float((positive.mean() - negative.mean()) / spread),
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.area, -one.apart)))
