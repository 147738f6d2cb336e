"""What an experiment with toy models gives back: claims beside what was published, and numbers to draw."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from hooke.findings import Finding, estimate


@dataclass(frozen=True, kw_only=True, slots=True)
class Effort:
    """How much is trained. What is quick has fewer models, trained for fewer steps, and misses more minima."""

    steps: float = 1.0
    """Steps of each training, relative to the full number."""
    seeds: float = 1.0
    """Models of each kind, relative to the full number."""

    def n_steps(self, full: int) -> int:
        """How many steps to train for."""
        return max(1, round(self.steps * full))

    def n_seeds(self, full: int) -> int:
        """How many models of a kind to train, at least two, so that there is an interval."""
        return max(2, round(self.seeds * full))


FULL = Effort()
QUICK = Effort(steps=0.4, seeds=0.5)


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A finding and what the literature says of it."""

    finding: Finding
    """Ours, beside its control."""
    published: str
    """The figure in print."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """One question put to toy models."""

    name: str
    """Letters and dashes."""
    title: str
    """What it shows."""
    about: str
    """What was trained, and what the control is."""
    claims: tuple[Claim, ...]
    """What was found."""
    data: dict[str, Any]
    """Plain lists: what the pictures are drawn from."""


def compared(
    claim: str,
    values: Sequence[float] | Float[ndarray, " n"],
    control: Sequence[float] | Float[ndarray, " n"],
    *,
    control_name: str,
    published: str,
    seed: int,
    method: str = "mean over models, each from first weights of its own; 95 % bootstrap interval over models",
) -> Claim:
    """A claim that the mean of some values, one for each model, differs from the mean of the control's.

    Values that are not numbers, from models in which there was nothing to measure, are left out.
    """
    ours, theirs = (np.asarray(one, dtype=np.float64) for one in (values, control))
    ours, theirs = ours[np.isfinite(ours)], theirs[np.isfinite(theirs)]
    generator = np.random.default_rng([seed, crc32(claim.encode())])
    found, beside = estimate(ours, generator=generator), estimate(theirs, generator=generator)
    finding = Finding(
        claim=claim,
        value=found.value,
        interval=found.interval,
        n=len(ours),
        control=beside.value,
        control_interval=beside.interval,
        control_name=control_name,
        method=method,
        seed=seed,
    )
    return Claim(finding=finding, published=published)
