"""Superposition in toy models, reproduced: each claim with its interval and control, beside what was published.

Elhage et al. 2022, "Toy Models of Superposition" (Transformer Circuits Thread).
"""

from collections.abc import Callable

from hooke.specimens.toy_attack import attacks
from hooke.specimens.toy_claims import FULL, QUICK, Claim, Effort, Experiment
from hooke.specimens.toy_geometry import bodies, layouts
from hooke.specimens.toy_learning import learning
from hooke.specimens.toy_pairs import pairs
from hooke.specimens.toy_phases import FATES, phase_diagram

__all__ = ["EXPERIMENTS", "FATES", "FULL", "QUICK", "Claim", "Effort", "Experiment", "superposition"]

EXPERIMENTS: tuple[Callable[..., Experiment], ...] = (layouts, phase_diagram, bodies, attacks, pairs, learning)
"""In the order in which they are told."""


def superposition(*, effort: Effort = FULL, seed: int = 0) -> tuple[Experiment, ...]:
    """All experiments, one after the other; the same seed gives the same numbers."""
    return tuple(experiment(effort=effort, seed=seed) for experiment in EXPERIMENTS)
