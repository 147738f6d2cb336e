"""What explainers make of a feature, and what they are given: the protocol that all of them share."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Int
from numpy import ndarray

from hooke.features.rules import Rule
from hooke.features.shards import Postings
from hooke.features.trials import Trial


@dataclass(frozen=True)
class Case:
    """A feature that wants a label, with the text that the label may be made from."""

    postings: Postings
    """The firings of a range of features."""
    order: Int[ndarray, " entry"]
    """Their entries by strength."""
    place: int
    """The feature's place in the range."""
    trial: Trial
    """Passages of that text in which it fires and is silent."""

    @property
    def feature(self) -> int:
        """The feature."""
        return self.trial.feature


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A label that was not scored yet."""

    feature: int
    """The feature."""
    text: str
    """What it says."""
    source: str
    """Who made it."""
    kind: str
    """What it is about; see `Label.kind`."""
    words: str = ""
    """Words to search for it by."""
    rule: Rule | None = None
    """The rule that it says in words, where it is one."""


@runtime_checkable
class Explainer(Protocol):
    """Makes labels."""

    name: str
    """What labels have as their source."""

    def drafts(self, cases: Sequence[Case]) -> Iterator[Draft | None]:
        """A label for each of some features of one range; None where nothing usable came."""
        ...
