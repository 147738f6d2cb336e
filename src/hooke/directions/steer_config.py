"""How steering is measured: doses, prompts, and what a usable dose may cost."""

from dataclasses import dataclass

import numpy as np

from hooke.directions.prompts import MEASUREMENT, SELECTION
from hooke.directions.response import Limits
from hooke.errors import BadConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class SteerConfig:
    """How a direction is steered and measured."""

    strengths: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
    """Doses, in units of the feature's largest activation."""
    n_promoted: int = 10
    """Promoted tokens of each direction."""
    n_controls: int = 3
    """Random directions of the same norm."""
    limits: Limits = Limits()
    """What a dose must do, and may cost."""
    selection: tuple[str, ...] = SELECTION
    """Prompts that promoted tokens are chosen on."""
    measurement: tuple[str, ...] = MEASUREMENT
    """Prompts that they are measured on."""
    prompt: str = "Yesterday I went to"
    """Prompt that is continued for reading."""
    max_tokens: int = 24
    """Tokens of each continuation; 0 for none."""
    n_continued: int = 8
    """Prompts that are continued: the example, then measurement prompts."""
    seed: int = 0
    """Seed of the random directions and of the bootstrap."""

    def __post_init__(self) -> None:
        if not self.strengths or not all(np.isfinite(self.strengths)) or 0 in self.strengths:
            raise BadConfig(f"Strengths cannot be {self.strengths}.", "", "Give one or more numbers other than 0.")
        if self.n_promoted < 1 or min(self.n_controls, self.max_tokens, self.n_continued - 1) < 0:
            raise BadConfig(
                "Steering needs at least one promoted token and one continuation, and no negative numbers.",
                f"n_promoted {self.n_promoted}, n_controls {self.n_controls}, max_tokens {self.max_tokens}, "
                f"n_continued {self.n_continued}.",
                "",
            )
        if set(self.selection) & set(self.measurement):
            raise BadConfig("Selection and measurement share a prompt.", "", "Measure on other prompts.")

    @property
    def selection_strength(self) -> float:
        """The strength nearest to 1, at which promoted tokens are chosen."""
        return min(self.strengths, key=lambda strength: abs(strength - 1))
