"""Changes made at sites during a run: plain, serialisable data. The same JSON works wherever edits are accepted.

An edit says what to change (`Add`, `Project`, `Clamp`, `Cap`, `Scale`, `Ablate`, `Patch`, `Splice`), where in the text
(`positions`, counted from the start of each prompt), in which phase (`when`), on which condition (`given`) and by which
plan over new tokens (`schedule`). Edits at one site apply in the order given.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from torch import Tensor

from hooke.errors import BadConfig, did_you_mean
from hooke.models.plain_tensors import (
    finite_tensor,
    require_finite,
    row_or_feature,
    tensor_from_data,
    tensor_to_data,
    whole_feature,
)
from hooke.models.scope import Given, Schedule
from hooke.sites import parse_feature, parse_site

When = Literal["all", "prompt", "generated"]
Positions = tuple[int, ...] | str | None
"""Token positions: None for all, a tuple (negative counts from the prompt's end), or a slice such as "1:" or "2:5"."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Edit:
    """What all edits share. Two edits are equal when their JSON is."""

    positions: Positions = None
    """Token positions to act on, counted from the start of each prompt; None for all."""
    when: When = "all"
    """"prompt" for the prompt's own tokens, "generated" for the tokens after it, "all" for both."""
    given: Given | None = None
    """A condition that a token must meet, besides."""
    schedule: Schedule | None = None
    """How much of the change is made, new token by new token; all of it at all of them without."""

    def __post_init__(self) -> None:
        if self.when not in ("all", "prompt", "generated"):
            raise BadConfig(f"No phase '{self.when}' for an edit.", "", "Use 'all', 'prompt' or 'generated'.")
        if isinstance(self.positions, str):
            parse_slice(self.positions)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Edit) and edits_to_json([self]) == edits_to_json([other])

    def __hash__(self) -> int:
        return hash(edits_to_json([self]))


@dataclass(frozen=True, eq=False)
class _SiteEdit(Edit):
    site: str
    """The site to change."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "site", str(parse_site(str(self.site))))


@dataclass(frozen=True, eq=False)
class _FeatureEdit(Edit):
    feature: str
    """The feature to change, `site/index@dictionary`; what the dictionary does not explain is left as it is."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "feature", whole_feature(str(self.feature)))


@dataclass(frozen=True, eq=False)
class Add(_SiteEdit):
    """x + scale · vector."""

    vector: Tensor | str
    """A vector as wide as the site, or a feature's name, which stands for its decoder row."""
    scale: float | int = 1.0
    """Factor on the vector."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "vector", row_or_feature(self.vector))
        require_finite("scale", self.scale)


@dataclass(frozen=True, eq=False)
class Project(_SiteEdit):
    """x minus its component along the direction: x - (x·d̂) d̂."""

    direction: Tensor | str
    """A vector as wide as the site, or a feature's name, which stands for its decoder row."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "direction", row_or_feature(self.direction))


@dataclass(frozen=True, eq=False)
class Clamp(_FeatureEdit):
    """x + (value - a) · decoder row, where a is the feature's activation on x."""

    value: float | int
    """The activation to force, in the dictionary's own units."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_finite("value", self.value)


@dataclass(frozen=True, eq=False)
class Cap(Edit):
    """x + share · (clip(r, low, high) - r) · row: r is kept within [low, high], and inside it x stays as it is.

    Of a direction, r is the component x · d̂ and the row d̂; of a feature, r is its activation and the row its decoder
    row.
    """

    feature: str | None = None
    """The feature, `site/index@dictionary`; either this or a direction with its site."""
    site: str | None = None
    """Where the component is capped."""
    direction: Tensor | str | None = None
    """A vector as wide as the site, or a feature's name, which stands for its decoder row."""
    low: float | int | None = None
    """The least that is left; None for no lower end."""
    high: float | int | None = None
    """The most that is left; None for no upper end."""
    share: float | int = 1.0
    """How much of the way back is gone, from 0 to 1."""
    along: Tensor | None = None
    """Write the change along this direction instead, at the same length: a control that acts as often and as much."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.feature is None) == (self.direction is None) or (self.direction is None) != (self.site is None):
            raise BadConfig(
                "A Cap is of a feature, or of a direction at its site.",
                f"Found feature {self.feature}, site {self.site}, {'no' if self.direction is None else 'a'} direction.",
                "Give one of the two.",
            )
        if self.feature is not None:
            object.__setattr__(self, "feature", whole_feature(str(self.feature)))
        if self.direction is not None:
            object.__setattr__(self, "direction", row_or_feature(self.direction))
            object.__setattr__(self, "site", str(parse_site(str(self.site))))
        if self.along is not None:
            object.__setattr__(self, "along", row_or_feature(self.along))
        for name in ("low", "high", "share"):
            if getattr(self, name) is not None:
                require_finite(name, getattr(self, name))
        if self.low is None and self.high is None:
            raise BadConfig("A Cap needs an interval.", "Neither end was given.", "Give low, high or both.")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise BadConfig("A Cap's interval is empty.", f"Found {self.low} to {self.high}.", "Turn them round.")
        if not 0 <= self.share <= 1:
            raise BadConfig(f"A Cap's share cannot be {self.share}.", "", "Give 0 to 1.")


@dataclass(frozen=True, eq=False)
class Scale(_FeatureEdit):
    """x + (factor - 1) · a · decoder row, where a is the feature's activation on x."""

    factor: float | int
    """Factor on the activation; 0 ablates."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_finite("factor", self.factor)


@dataclass(frozen=True, eq=False)
class Ablate(_FeatureEdit):
    """x - a · decoder row, where a is the feature's activation on x."""


@dataclass(frozen=True, eq=False)
class Patch(_SiteEdit):
    """The given value in place of x, at `positions` (or at all of them, when the value covers all)."""

    value: Tensor
    """[position, ...] for every prompt alike, or [batch, position, ...]; one row per patched position."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.positions, str):
            raise BadConfig("A Patch needs its positions as numbers.", f"Found '{self.positions}'.", "List them.")
        object.__setattr__(self, "value", finite_tensor(self.value))


@dataclass(frozen=True, eq=False)
class Splice(Edit):
    """decode(encode(x)) in place of x: the model runs on the dictionary's reconstruction."""

    dictionary: str
    """Name of the dictionary."""


KINDS: dict[str, type[Edit]] = {
    kind.__name__: kind for kind in (Add, Project, Clamp, Cap, Scale, Ablate, Patch, Splice)
}


def edits_to_json(edits: Sequence[Edit]) -> str:
    """The edits as a JSON list of objects, each with its `edit` kind and its settings."""
    return json.dumps([_to_data(edit) for edit in edits])


def edits_from_json(text: str | list[Any]) -> list[Edit]:
    """The edits that a JSON list stands for. Vectors may be plain lists of numbers.

    Raises:
        BadConfig: it is not JSON, or an edit has an unknown kind, a setting that is unknown, missing or impossible.
    """
    try:
        data = json.loads(text) if isinstance(text, str) else text
    except ValueError as error:
        raise BadConfig("The edits are not JSON.", f"{error}.", "Give a list of objects.") from error
    if not isinstance(data, list):
        raise BadConfig("The edits are not a list.", f"Found {type(data).__name__}.", "Give a list of objects.")
    return [_from_data(item) for item in data]


def parse_slice(text: str) -> slice:
    """The slice that "1:", ":-1" or "2:5" stands for.

    Raises:
        BadConfig: the text is not of that form.
    """
    try:
        start, stop = (int(part) if part.strip() else None for part in text.split(":"))
    except ValueError as error:
        raise BadConfig(f"'{text}' is not a range of positions.", "", "Write it like '1:' or '2:5'.") from error
    return slice(start, stop)


def _to_data(edit: Edit) -> dict[str, Any]:
    return {"edit": type(edit).__name__} | _settings(edit)


def _settings(item: Edit | Given | Schedule) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for one in fields(item):
        value = getattr(item, one.name)
        if isinstance(value, Tensor):
            data[one.name] = tensor_to_data(value)
        elif isinstance(value, Given | Schedule):
            data[one.name] = _settings(value)
        elif value != one.default:
            data[one.name] = value
    return data


def _from_data(data: Any) -> Edit:
    if not isinstance(data, dict) or data.get("edit") not in KINDS:
        name = str(data.get("edit")) if isinstance(data, dict) else repr(data)[:40]
        raise BadConfig(f"No kind of edit '{name}'.", did_you_mean(name, KINDS), f"Kinds: {', '.join(KINDS)}.")
    return _made(KINDS[data["edit"]], {key: value for key, value in data.items() if key != "edit"})


def _made(kind: type[Any], settings: Any) -> Any:
    """An edit, or a part of one, from its settings."""
    known = [item.name for item in fields(kind)]
    if not isinstance(settings, dict):
        raise BadConfig(
            f"A {kind.__name__} is an object.", f"Found {settings!r:.40}.", f"Give some of: {', '.join(known)}."
        )
    for key in settings:
        if key not in known:
            raise BadConfig(
                f"{kind.__name__} has no setting '{key}'.", did_you_mean(key, known), f"It has: {', '.join(known)}."
            )
    try:
        return kind(**{key: _from_json(key, value) for key, value in settings.items()})
    except (TypeError, ValueError) as error:
        raise BadConfig(
            f"This {kind.__name__} was not accepted.", f"{error}.", f"It has: {', '.join(known)}."
        ) from error


def _from_json(setting: str, value: Any) -> Any:
    if setting == "positions" and isinstance(value, list):
        return tuple(value)
    if setting in ("given", "schedule") and value is not None:
        return _made(Given if setting == "given" else Schedule, value)
    is_tensor = isinstance(value, dict | list)
    return tensor_from_data(value) if is_tensor and setting in ("vector", "direction", "value", "along") else value


def counted_from(edits: Iterable[Edit], n_said: int) -> tuple[Edit, ...]:
    """The same edits for a text that already has so many new tokens: their schedules begin there."""
    return tuple(
        replace(edit, schedule=edit.schedule.later(n_said)) if edit.schedule is not None else edit for edit in edits
    )


def dictionaries_of(edits: Iterable[Edit]) -> set[str]:
    """Names of the dictionaries that these edits act through."""
    names = set()
    for edit in edits:
        for item in fields(edit):
            value = getattr(edit, item.name)
            if item.name == "dictionary":
                names.add(value)
            elif isinstance(value, Given):
                names |= {parse_feature(value.feature).dictionary} if value.feature else set()
            elif isinstance(value, str) and item.name in ("feature", "vector", "direction"):
                names.add(parse_feature(value).dictionary)
    return {name for name in names if name}


def everywhere(edits: Sequence[Edit]) -> tuple[Edit, ...]:
    """The edits without phase and plan, as if every token were one of theirs: a text that is read has no new tokens."""
    return tuple(replace(edit, when="all", schedule=None) for edit in edits)
