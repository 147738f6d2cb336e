"""What was measured of a probe on texts held out, beside its baselines, and how much of a claim that carries.

L0 described · L1 decodable on groups held out · L2 decodable beyond what text, format, embedding and chance give.
None of these says that the model uses what is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hooke.configs import from_dict, to_dict
from hooke.directions.choosing import Candidate, Tried
from hooke.directions.splits import FEWEST_GROUPS
from hooke.findings import Estimate, Finding
from hooke.lab import Lab, read_json, write_json

Level = Literal["L0", "L1", "L2"]
_FILE = "evidence.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Recall:
    """How many texts with the concept are found at a rate of false alarms."""

    rate: float
    """The share of texts without the concept that may be taken for one with it."""
    recall: Estimate | None
    """Share of those with it that are found; None where it is not estimable."""
    threshold: float | None
    """Of the text's score."""
    n_above: int
    """Negatives above the threshold."""
    n_negatives: int
    """Negatives there are."""
    n_needed: int
    """Negatives that it takes at least, with none of them above."""

    @property
    def words(self) -> str:
        """As a table says it."""
        if self.recall is None:
            return f"not estimable: {self.n_negatives:,} negatives, at least {self.n_needed:,} are needed"
        low, high = self.recall.interval
        return f"{self.recall.value:.3f} [{low:.3f}, {high:.3f}]"


@dataclass(frozen=True, kw_only=True, slots=True)
class Baseline:
    """Something that a probe must be better than to say more than it."""

    name: str
    """Which, e.g. 'bag of words'."""
    area: Estimate | None
    """AUROC on the same texts; None where it was not measured."""
    recall: Estimate | None
    """Recall at 1 % false alarms, where that is estimable."""
    ahead: Estimate | None
    """By how much the probe is ahead, in recall where that is estimable, else in AUROC; on the same draws of groups."""
    about: str
    """How it was made, or why it was not measured."""

    @property
    def is_beaten(self) -> bool | None:
        """Whether the probe is surely better; None where it was not measured."""
        return None if self.ahead is None else self.ahead.interval[0] > 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What may be said."""

    level: Level
    """The rung of the ladder of claims."""
    words: str
    """In a sentence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """A probe on its confirmation part."""

    concept: str
    """The set of texts."""
    about: str
    """What a text with the label has."""
    n_fit: int
    """Texts that vectors were fitted on before the choice; afterwards those of both parts."""
    n_validation: int
    """Texts that the choice was made on."""
    n_positive: int
    """Texts of the confirmation part with the concept."""
    n_negative: int
    """And without."""
    n_groups: int
    """Groups of the confirmation part."""
    n_tried: int
    """Candidates that the choice was between."""
    tried: tuple[Tried, ...]
    """The best of them on the validation part; the first was chosen."""
    split: str
    """Fingerprint of the confirmation part."""
    opened: int
    """How often this lab has opened it for a probe of this model, this time included."""
    area: Estimate
    """AUROC."""
    near_area: float | None
    """AUROC on texts that look like the other label, where both labels have some."""
    recalls: tuple[Recall, ...]
    """At low rates of false alarms."""
    percentile: float
    """Share of random directions that the probe is above, in AUROC."""
    baselines: tuple[Baseline, ...]
    """What it must be better than."""
    verdict: Verdict
    """What follows."""
    seed: int
    """Seed of the split, the fits, the controls and the draws."""

    @property
    def choice(self) -> Candidate:
        """What was chosen."""
        return self.tried[0].candidate

    def findings(self) -> tuple[Finding, ...]:
        """The card: AUROC beside that of each baseline that was measured, and recalls that are estimable."""
        n, method = self.n_positive + self.n_negative, str(self.choice)
        found = [
            Finding(
                claim=f"AUROC of '{self.concept}' on groups held out, beside {one.name}",
                value=self.area.value,
                interval=self.area.interval,
                n=n,
                control=one.area.value,
                control_interval=one.area.interval,
                control_name=one.name,
                method=method,
                seed=self.seed,
            )
            for one in self.baselines
            if one.area is not None
        ]
        words = next((one.recall for one in self.baselines if one.name == WORDS), None)
        found += [
            Finding(
                claim=f"recall of '{self.concept}' at {one.rate:.1%} false alarms",
                value=one.recall.value,
                interval=one.recall.interval,
                n=self.n_positive,
                control=words.value if words and one.rate == MAIN_RATE else None,
                control_interval=words.interval if words and one.rate == MAIN_RATE else None,
                control_name=WORDS if words and one.rate == MAIN_RATE else "",
                method=method,
                seed=self.seed,
            )
            for one in self.recalls
            if one.recall is not None
        ]
        return tuple(found)


WORDS, FORMAT, EMBEDDING, SHUFFLED, RANDOM, REDRAWN, ASKED = (
    "bag of words",
    "length and format",
    "embedding layer",
    "shuffled labels",
    "random directions",
    "weights drawn anew",
    "asking the model",
)
MAIN_RATE = 0.01
RATES = (MAIN_RATE, 0.001)
_NEEDED = (WORDS, FORMAT, EMBEDDING, REDRAWN)
"""Baselines without which nothing is 'beyond controls'."""


def judge(area: Estimate, n_groups: int, baselines: Sequence[Baseline]) -> Verdict:
    """The verdict from the intervals."""
    low, high = area.interval
    measured = f"AUROC {area.value:.3f} [{low:.3f}, {high:.3f}] on groups held out"
    if n_groups < FEWEST_GROUPS:
        words = f"described only: {n_groups} groups were held out, and at least {FEWEST_GROUPS} make an interval"
        return Verdict(level="L0", words=f"{words} ({measured})")
    if low <= 0.5:
        return Verdict(level="L0", words=f"not found: {measured} is not surely above chance")
    missed = [one for one in baselines if one.is_beaten is False]
    if missed:
        names = ", ".join(f"{one.name} ({_area(one)})" for one in missed)
        return Verdict(level="L1", words=f"decodable, but does not surely beat {names}: {measured}")
    absent = [one.name for one in baselines if one.is_beaten is None and one.name in _NEEDED]
    if absent:
        return Verdict(level="L1", words=f"decodable; not measured: {', '.join(absent)}: {measured}")
    return Verdict(level="L2", words=f"decodable beyond every baseline that was measured: {measured}")


def _area(one: Baseline) -> str:
    return "–" if one.area is None else f"{one.area.value:.3f}"


def save_evidence(folder: Path, evidence: Evidence) -> None:
    """Keep it beside a probe."""
    write_json(folder / _FILE, to_dict(evidence))


def load_evidence(lab: Lab, name: str) -> Evidence | None:
    """What was measured of a probe of the lab; None of one that was made without.

    Raises:
        UnknownName: there is no such probe.
        BadArtefact, BadConfig: the file is damaged.
    """
    path = lab.find("probes", name) / _FILE
    return from_dict(Evidence, read_json(path)) if path.is_file() else None
