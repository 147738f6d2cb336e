"""How traffic of now differs from the calibration's in what fires and where activations lie.

Texts are the units: tokens of one text go together. What fires is tested feature by feature (Fisher's exact test), with
Benjamini and Hochberg's false discovery rate over all of a monitor's. How much lies outside the reference's main
subspace is for looking at: it has no error rate.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.stats import false_discovery_control, fisher_exact

from hooke.errors import BadRequest
from hooke.findings import Estimate, estimate
from hooke.monitors.traffic import TrafficRows

_DIMENSIONS = 32
"""Of the subspace: what detection keeps of high dimensions (2606.11949)."""
_LEAST = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Firing:
    """How often one feature, or a probe, fires."""

    name: str
    """Which."""
    before: float
    """Share of the reference's texts in which it is above 0 at any token."""
    now: float
    """The same share of the texts of now."""
    p: float
    """Fisher's exact test of the two, two-sided."""
    q: float
    """The false discovery rate at which it is called changed, over all of them."""


def firing_shift(
    names: tuple[str, ...], before: Bool[ndarray, "old unit"], now: Bool[ndarray, "new unit"]
) -> tuple[Firing, ...]:
    """How often each of a monitor's parts fires, before and now, the surest change first."""
    tables = [
        [[int(new.sum()), int((~new).sum())], [int(old.sum()), int((~old).sum())]]
        for old, new in zip(before.T, now.T, strict=True)
    ]
    chances = [min(1.0, float(fisher_exact(one)[1])) for one in tables]  # pyright: ignore[reportArgumentType]
    rates = np.asarray(false_discovery_control(chances)).tolist()
    found = [
        Firing(name=name, before=float(before[:, at].mean()), now=float(now[:, at].mean()), p=chances[at], q=rates[at])
        for at, name in enumerate(names)
    ]
    return tuple(sorted(found, key=lambda one: (one.q, one.p)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Outside:
    """How much of a site's variance lies outside the reference's main subspace."""

    site: str
    """Where."""
    n_dimensions: int
    """Of the subspace."""
    before: Estimate
    """Of reference texts that it was not fitted on."""
    now: Estimate
    """Of texts of now."""


def outside(
    site: str, before: Float[ndarray, "old width"], now: Float[ndarray, "new width"], *, seed: int = 0
) -> Outside:
    """The subspace is fitted on half of the reference, drawn at random; the rest are what now is held against.

    Raises:
        BadRequest: the reference has fewer than a few.
    """
    if len(before) < _LEAST:
        raise BadRequest(f"No subspace at {site}.", f"{len(before)} texts.", f"Calibrate on {_LEAST} texts or more.")
    # Drawn, since forms and sources may take turns in the reference.
    drawn = before[np.random.default_rng(seed).permutation(len(before))].astype(np.float64)
    fit, rest = drawn[: len(drawn) // 2], drawn[len(drawn) // 2 :]
    middle = fit.mean(0)
    axes = np.linalg.svd(fit - middle, full_matrices=False)[2][: min(_DIMENSIONS, len(fit) - 1)]

    def share(rows: Float[ndarray, "row width"]) -> Estimate:
        centred = rows - middle
        left = centred - centred @ axes.T @ axes
        # The mean of texts' shares: in a share of the sums, a few texts with huge activations would be all.
        shares = (left**2).sum(1) / (centred**2).sum(1).clip(1e-30)
        return estimate(shares, generator=np.random.default_rng(seed))

    return Outside(site=site, n_dimensions=len(axes), before=share(rest), now=share(now.astype(np.float64)))


def changes(before: TrafficRows | None, now: TrafficRows) -> tuple[tuple[Firing, ...], tuple[Outside, ...]]:
    """What fires otherwise and where rows lie; nothing where the calibration kept no rows.

    Raises:
        BadRequest: see `outside`.
    """
    if before is None:
        return (), ()
    firing = firing_shift(before.names, before.fired, now.fired)
    return firing, tuple(outside(site, own, now.means[site]) for site, own in before.means.items())
