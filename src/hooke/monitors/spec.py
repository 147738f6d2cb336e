"""What a monitor is: plain data, kept as JSON in the lab.

scorers -> one score a token -> pooled over the tokens so far -> thresholds watch and act -> an action
"""

import math
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

from hooke.configs import from_dict, to_dict
from hooke.directions.pooling import Pooling
from hooke.errors import BadConfig, BadRequest
from hooke.lab import Lab, provenance, read_json, staged, write_json
from hooke.monitors.digests import Digests
from hooke.sites import parse_feature

Do = Literal["annotate", "log", "escalate", "steer", "stop"]
Reads = Literal["all", "prompt", "generated"]

_ROOM = "monitors"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scorer:
    """What scores a token: a probe, or a weighted sum of features of one dictionary."""

    probe: str = ""
    """Name of a probe in the lab."""
    features: tuple[str, ...] = ()
    """Addresses of features, all of one dictionary."""
    weights: tuple[float, ...] = ()
    """What their activations are multiplied by; 1 each where none are given."""
    digest: str = ""
    """Of what it scores with: another probe under the same name is refused."""
    scale: float = 1.0
    """What its score is multiplied by."""
    bias: float = 0.0
    """What is added then."""

    def __post_init__(self) -> None:
        if bool(self.probe) == bool(self.features) or (self.weights and len(self.weights) != len(self.features)):
            raise BadConfig(
                "This is no scorer.",
                f"Probe '{self.probe}', {len(self.features)} features, {len(self.weights)} weights.",
                "Give a probe, or features with one weight each.",
            )
        if len({parse_feature(one).dictionary for one in self.features}) > 1:
            raise BadConfig("Its features are of several dictionaries.", "", "Give one scorer for each dictionary.")
        for one in self.features:
            if parse_feature(one).dictionary is None:
                raise BadConfig(f"'{one}' names no dictionary.", "", f"Write '{one}@NAME'.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Action:
    """What is done from the token on at which a request is first at the level act."""

    do: Do = "annotate"
    """annotate: say so beside the answer; log: also keep the text around it; escalate: ask a second monitor; steer:
    apply a recipe from the next token on; stop: end the answer with the content filter's reason."""
    context: int = 64
    """log: tokens around the place that are kept."""
    second: str = ""
    """escalate: name of the second monitor."""
    recipe: str = ""
    """steer: name of a recipe in the lab."""

    def __post_init__(self) -> None:
        if (self.do == "escalate") != bool(self.second) or (self.do == "steer") != bool(self.recipe):
            raise BadConfig(
                f"The action '{self.do}' is not complete.",
                f"Second monitor '{self.second}', recipe '{self.recipe}'.",
                "To escalate takes a second monitor, to steer a recipe; no other action has either.",
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """What was measured of a threshold on ordinary traffic."""

    threshold: float
    """A text is above it where its score at any token is."""
    target: float
    """Share of ordinary texts that may be above it."""
    n: int
    """Ordinary texts."""
    n_above: int
    """Of these, above it."""
    upper: float
    """Upper bound of the share above it, one-sided."""
    confidence: float = 0.95
    """How sure the bound is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """On what the thresholds were set, and until when that is believed."""

    traffic: str
    """Name of the ordinary texts."""
    traffic_fingerprint: str
    """Identifies them."""
    certificates: dict[str, Certificate]
    """By level."""
    made: date
    """Day on which it was done."""
    expires: date
    """Last day on which it is taken."""
    probability: tuple[tuple[float, float], ...] = ()
    """Points (score, chance that a text has the concept) of a rising map; straight between them. At the prevalence of
    the texts that it was fitted on, which is not that of traffic."""
    probability_note: str = ""
    """On which texts the map was fitted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MonitorSpec:
    """A monitor."""

    name: str
    """Its name in the lab."""
    about: str
    """What it is meant to find, in one sentence."""
    scorers: tuple[Scorer, ...]
    """What scores a token."""
    combine: Literal["sum", "max"] = "sum"
    """How the scores of several scorers become one."""
    pooling: Pooling = Pooling()
    """How the scores of the tokens so far become one."""
    reads: Reads = "all"
    """Whose tokens count: all, the prompt's, or the new ones."""
    skip: int = 1
    """Tokens at the very start that never count: activations of the first are unlike all others."""
    warm_up: int = 0
    """Counted tokens before which nothing is above quiet: a mean over two tokens is not yet one."""
    watch: float | None = None
    """A score above it is worth a look; None before it is calibrated."""
    act: float | None = None
    """A score above it starts the action."""
    action: Action = Action()
    """What is done."""
    on_error: Literal["open", "closed"] = "open"
    """Where the scorer fails at a token: open lets it pass, closed takes it for one above act."""
    valid_for: Digests = Digests()
    """Weights, tokenizer, template and precision that it was made for."""
    calibration: Calibration | None = None
    """How the thresholds were set; None where they were set by hand, or not at all."""

    def __post_init__(self) -> None:
        if not self.scorers:
            raise BadConfig(f"The monitor '{self.name}' has nothing that scores.", "", "Give one scorer or more.")
        if self.skip < 0 or self.warm_up < 0:
            raise BadConfig(
                f"The monitor '{self.name}' cannot leave out a negative number of tokens.",
                f"skip {self.skip}, warm_up {self.warm_up}.",
                "Give 0 or more.",
            )
        if self.pooling.how == "attention" and [bool(one.probe) for one in self.scorers] != [True]:
            raise BadConfig(
                f"The monitor '{self.name}' cannot pool by attention.",
                "Only one probe alone has the second score.",
                "Give one probe, or pool otherwise.",
            )
        levels = [one for one in (self.watch, self.act) if one is not None]
        if not all(map(math.isfinite, levels)) or levels != sorted(levels):
            raise BadConfig(
                f"The thresholds of '{self.name}' are impossible.",
                f"watch {self.watch}, act {self.act}.",
                "Give finite numbers, watch no higher than act.",
            )

    @property
    def dictionaries(self) -> tuple[str, ...]:
        """Names of the dictionaries of its features."""
        names = (parse_feature(one.features[0]).dictionary or "" for one in self.scorers if one.features)
        return tuple(dict.fromkeys(names))

    def is_expired(self, today: date | None = None) -> bool:
        """Whether its calibration is too old to be believed."""
        return self.calibration is not None and (today or datetime.now(UTC).date()) > self.calibration.expires

    def uncalibrated(self) -> "MonitorSpec":
        """The same without thresholds."""
        return replace(self, watch=None, act=None, calibration=None)


def not_calibrated(name: str) -> BadRequest:
    """What is said where a monitor would need thresholds, and has none."""
    return BadRequest(f"'{name}' has no thresholds.", "", "Calibrate it with `hooke monitor calibrate`.")


def save_spec(lab: Lab, spec: MonitorSpec) -> Path:
    """Keep a monitor in the lab under its name; what was measured of an earlier one stays beside it.

    Raises:
        BadRequest: its name is no plain name.
    """
    target = lab.path(_ROOM, spec.name)
    if not target.is_dir():
        with staged(target) as aside:
            aside.mkdir()
            _write(aside, spec)
    else:
        _write(target, spec)
    return target


def _write(folder: Path, spec: MonitorSpec) -> None:
    write_json(folder / "config.json", to_dict(spec))
    write_json(folder / "provenance.json", provenance())


def load_spec(lab: Lab, name: str) -> MonitorSpec:
    """A monitor of the lab.

    Raises:
        UnknownName: there is none of this name.
        BadArtefact, BadConfig: its file is damaged.
    """
    return read_spec(lab.find(_ROOM, name) / "config.json")


def read_spec(path: Path) -> MonitorSpec:
    """The monitor in a JSON file.

    Raises:
        BadArtefact, BadConfig: it cannot be read, or is no monitor.
    """
    data = read_json(path)
    return from_dict(MonitorSpec, data if isinstance(data, dict) else {})


def monitor_names(lab: Lab) -> list[str]:
    """Names of the lab's monitors."""
    return [name for name in lab.names(_ROOM) if (lab.path(_ROOM, name) / "config.json").is_file()]
