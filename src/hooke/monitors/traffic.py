"""The ordinary traffic that a monitor was calibrated on: what drift is measured against, and where new texts begin."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """What ordinary texts scored when the thresholds were set."""

    corpus: str
    """Reference of the corpus."""
    n: int
    """Its first documents that were read; any others are new."""
    peaks: tuple[float | None, ...]
    """Peak of each; None where nothing was judged."""

    @staticmethod
    def of(corpus: str, peaks: Sequence[float]) -> "Reference":
        """The reference of the first documents of a corpus, by their peaks."""
        kept = tuple(one if math.isfinite(one) else None for one in peaks)
        return Reference(corpus=corpus, n=len(kept), peaks=kept)

    def known(self) -> list[float]:
        """The peaks, below all numbers where nothing was judged."""
        return [float("-inf") if one is None else one for one in self.peaks]
