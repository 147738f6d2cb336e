"""Changes made at sites during a run: plain, serialisable data. The same JSON works wherever edits are accepted.

An edit says what to change (`Add`, `Project`, `Clamp`, `Scale`, `Ablate`, `Patch`, `Splice`), where in the text
(`positions`, counted from the start of each prompt) and in which phase (`when`). Edits at one site apply in the order
given.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hooke.errors import BadConfig, did_you_mean
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
        object.__setattr__(self, "feature", _feature(str(self.feature)))


@dataclass(frozen=True, eq=False)
class Add(_SiteEdit):
    """x + scale · vector."""

    vector: Tensor | str
    """A vector as wide as the site, or a feature's name, which stands for its decoder row."""
    scale: float | int = 1.0
    """Factor on the vector."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "vector", _vector(self.vector))
        _require_finite("scale", self.scale)


@dataclass(frozen=True, eq=False)
class Project(_SiteEdit):
    """x minus its component along the direction: x - (x·d̂) d̂."""

    direction: Tensor | str
    """A vector as wide as the site, or a feature's name, which stands for its decoder row."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "direction", _vector(self.direction))


@dataclass(frozen=True, eq=False)
class Clamp(_FeatureEdit):
    """x + (value - a) · decoder row, where a is the feature's activation on x."""

    value: float | int
    """The activation to force, in the dictionary's own units."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_finite("value", self.value)


@dataclass(frozen=True, eq=False)
class Scale(_FeatureEdit):
    """x + (factor - 1) · a · decoder row, where a is the feature's activation on x."""

    factor: float | int
    """Factor on the activation; 0 ablates."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_finite("factor", self.factor)


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
        object.__setattr__(self, "value", _tensor(self.value))


@dataclass(frozen=True, eq=False)
class Splice(Edit):
    """decode(encode(x)) in place of x: the model runs on the dictionary's reconstruction."""

    dictionary: str
    """Name of the dictionary."""


KINDS: dict[str, type[Edit]] = {kind.__name__: kind for kind in (Add, Project, Clamp, Scale, Ablate, Patch, Splice)}


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
    data: dict[str, Any] = {"edit": type(edit).__name__}
    for item in fields(edit):
        value = getattr(edit, item.name)
        if value == item.default and not isinstance(value, Tensor):
            continue
        data[item.name] = _tensor_to_data(value) if isinstance(value, Tensor) else value
    return data


def _from_data(data: Any) -> Edit:
    if not isinstance(data, dict) or data.get("edit") not in KINDS:
        name = str(data.get("edit")) if isinstance(data, dict) else repr(data)[:40]
        raise BadConfig(f"No kind of edit '{name}'.", did_you_mean(name, KINDS), f"Kinds: {', '.join(KINDS)}.")
    kind = KINDS[data["edit"]]
    given = {key: value for key, value in data.items() if key != "edit"}
    known = [item.name for item in fields(kind)]
    for key in given:
        if key not in known:
            raise BadConfig(
                f"{kind.__name__} has no setting '{key}'.", did_you_mean(key, known), f"It has: {', '.join(known)}."
            )
    try:
        return kind(**{key: _from_json(key, value) for key, value in given.items()})
    except (TypeError, ValueError) as error:
        raise BadConfig(
            f"This {kind.__name__} was not accepted.", f"{error}.", f"It has: {', '.join(known)}."
        ) from error


def _from_json(setting: str, value: Any) -> Any:
    if setting == "positions" and isinstance(value, list):
        return tuple(value)
    is_tensor = isinstance(value, dict | list)
    return _tensor_from_data(value) if is_tensor and setting in ("vector", "direction", "value") else value


def _tensor_to_data(value: Tensor) -> dict[str, Any]:
    array = value.detach().cpu().float().numpy()
    return {"shape": list(array.shape), "float32": base64.b64encode(array.astype("<f4").tobytes()).decode()}


def _tensor_from_data(data: dict[str, Any] | list[Any]) -> Tensor:
    if isinstance(data, list):
        return torch.tensor(data, dtype=torch.float32)
    if set(data) != {"shape", "float32"}:
        raise BadConfig(
            "A tensor in an edit was not accepted.", f"Found keys {sorted(data)}.", "Give shape and float32."
        )
    raw = np.frombuffer(base64.b64decode(data["float32"]), dtype="<f4")
    return torch.from_numpy(raw.reshape(data["shape"]).copy())


def _tensor(value: Tensor) -> Float[Tensor, "..."]:
    tensor = value.detach().to(torch.float32)
    if not bool(torch.isfinite(tensor).all()):
        raise BadConfig("A tensor in an edit holds values that are not finite.", "", "Check what made it.")
    return tensor


def _feature(text: str) -> str:
    name = parse_feature(text)
    if name.dictionary is None:
        raise BadConfig(f"'{text}' names no dictionary.", "", f"Write '{name}@NAME'.")
    return str(name)


def _vector(value: Tensor | str) -> Tensor | str:
    if isinstance(value, str):
        return _feature(value)
    if value.ndim != 1:
        raise BadConfig("An edit's vector has one axis.", f"Found shape {list(value.shape)}.", "Give one row.")
    return _tensor(value)


def _require_finite(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise BadConfig(f"An edit's {name} must be a finite number.", f"Found {value!r}.", "Give a number.")


def dictionaries_of(edits: Iterable[Edit]) -> set[str]:
    """Names of the dictionaries that these edits act through."""
    names = set()
    for edit in edits:
        for item in fields(edit):
            value = getattr(edit, item.name)
            if item.name == "dictionary":
                names.add(value)
            elif isinstance(value, str) and item.name in ("feature", "vector", "direction"):
                names.add(parse_feature(value).dictionary)
    return {name for name in names if name}
