"""Labelled texts in three parts, by whole groups: to fit on, to choose on, and to confirm on once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from hooke.configs import content_hash
from hooke.errors import BadRequest

Part = Literal["fit", "validation", "confirmation"]
SHARES: dict[Part, float] = {"fit": 0.5, "validation": 0.2, "confirmation": 0.3}
FEWEST_GROUPS = 5
"""Groups of the confirmation part below which their draws make no interval."""
_LEAST = 2
"""Groups of a part, at least."""


@runtime_checkable
class Grouped(Protocol):
    """A labelled text of a group."""

    @property
    def text(self) -> str:
        """What it says."""
        ...

    @property
    def label(self) -> bool | None:
        """Whether it has the concept."""
        ...

    @property
    def group(self) -> str:
        """Texts of one group are kept together."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """Which texts lie in which part."""

    fit: tuple[int, ...]
    """Numbers of the texts that vectors are made on."""
    validation: tuple[int, ...]
    """Those that layer, pooling and method are chosen on."""
    confirmation: tuple[int, ...]
    """Those that the choice is measured on, once."""
    fingerprint: str
    """Identifies the texts and labels of the confirmation part."""


def shares(n_groups: int) -> Float[ndarray, " part"]:
    """The share of each part; of few groups more go to the part that is confirmed on, where that makes an interval."""
    usual = np.array(list(SHARES.values()))
    held = max(usual[-1], FEWEST_GROUPS / n_groups) if n_groups >= 2 * FEWEST_GROUPS else usual[-1]
    return np.append(usual[:-1] / usual[:-1].sum() * (1 - held), held)


def split_by_group(items: Sequence[Grouped], *, seed: int = 0) -> Split:
    """The parts, the same for a seed; no group lies in two, and each has about its share of both labels.

    Groups go one by one, the largest first and equally large ones in an order drawn by the seed, to the part that lacks
    their labels most.

    Raises:
        BadRequest: there are too few groups, or a part would lack a label.
    """
    labels = np.array([one.label for one in items], dtype=np.int64)
    names, number = np.unique([one.group for one in items], return_inverse=True)
    counts = np.zeros((len(names), 2))
    np.add.at(counts, (number, labels), 1)
    wanted = shares(len(names))[:, None] * counts.sum(0)
    have, n_groups = np.zeros_like(wanted), np.zeros(len(wanted))
    part = np.zeros(len(names), dtype=np.int64)
    drawn = np.random.default_rng(seed).permutation(len(names))
    for group in drawn[np.argsort(-counts[drawn].sum(1), kind="stable")]:
        lacks = ((1 - have / np.maximum(wanted, 1e-9)) * counts[group]).sum(1)
        part[group] = int(np.argmax(lacks))
        have[part[group]] += counts[group]
        n_groups[part[group]] += 1
    if have.min(initial=np.inf) < 1 or n_groups.min() < _LEAST:
        raise BadRequest(
            "These texts cannot be parted for a probe.",
            f"{len(items)} texts in {len(names)} groups, {int(labels.sum())} of them with the concept.",
            "Give texts with and without it in more groups: each of three parts needs both, in at least 2 groups.",
        )
    of_text = part[number]
    fit, validation, confirmation = (tuple(np.flatnonzero(of_text == at).tolist()) for at in range(len(SHARES)))
    opened = sorted((items[at].text, items[at].label) for at in confirmation)
    return Split(fit=fit, validation=validation, confirmation=confirmation, fingerprint=content_hash(opened))
