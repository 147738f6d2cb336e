"""What a verb gives back: data for programs and something to show for people, from the same values."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from hooke.sites import FeatureName, Site


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The result of a verb. `--json` prints `data` as one object; otherwise `shown` is printed, part by part."""

    data: Any
    """Dataclasses, mappings, lists, numbers and strings; an object at the top."""
    shown: tuple[RenderableType, ...]
    """Tables, heat maps and lines of text."""
    exit_code: int = 0
    """1 where the job was done and its result is bad news, such as a contract that does not hold."""


def plain_data(value: Any) -> Any:
    """The value as JSON knows it: dataclasses as objects, names as strings, null for what is not a number."""
    if isinstance(value, Site | FeatureName | Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain_data(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain_data(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain_data(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    # numpy's and torch's scalars, without importing either
    item = getattr(value, "item", None)
    return value if item is None else plain_data(item())
