"""Recipes: edits with a name, in units of each feature's largest activation. One JSON for the server and the CLI.

{"name": "bridges", "edits": [{"feature": "resid_post.15/12@smollm2-res", "strength": 1.5}]}
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from hooke.configs import from_dict, to_dict
from hooke.dictionaries import Dictionary
from hooke.errors import BadConfig, UnknownName
from hooke.lab import Lab, staged, write_json
from hooke.models.edits import Ablate, Add, Cap, Clamp, Edit, Positions, When
from hooke.models.scope import Given, Schedule
from hooke.sites import FeatureName, parse_feature

How = Literal["add", "clamp", "cap", "ablate"]
_ROOM = "recipes"


@dataclass(frozen=True, kw_only=True, slots=True)
class RecipeEdit:
    """One edit: of a feature, or a vector added at a site."""

    feature: str | None = None
    """The feature's address with its dictionary; either this or a vector."""
    site: str | None = None
    """Where the vector is added."""
    vector: tuple[float | int, ...] | None = None
    """A vector as wide as its site."""
    how: How = "add"
    """add: the feature's decoder row times strength; clamp: its activation is forced to strength; cap: it is brought
    down to strength where it is above; ablate: to 0."""
    strength: float | int = 1.0
    """In units of the feature's largest activation; of a vector, a plain factor."""
    when: When = "all"
    """Which tokens: the prompt's, the new ones, or both."""
    positions: Positions = "1:"
    """Positions, by default all but the first, which holds the attention sink; None for all."""
    given: str | None = None
    """A feature with its dictionary: only tokens at which it is above `above` are edited."""
    above: float | int = 0.0
    """Of the given feature, in units of its largest activation."""
    schedule: Schedule | None = None
    """How much of the edit is made, new token by new token; all of it without."""

    def __post_init__(self) -> None:
        if (self.feature is None) == (self.vector is None) or (self.vector is None) != (self.site is None):
            raise BadConfig(
                "An edit of a recipe is of a feature, or a vector with its site.",
                f"Found feature {self.feature}, site {self.site}, {'a' if self.vector else 'no'} vector.",
                "Give one of the two.",
            )
        if self.vector is not None and self.how != "add":
            raise BadConfig(f"A vector cannot be used to {self.how}.", "It is no feature.", "Use 'add'.")
        for name in ("strength", "above"):
            if not math.isfinite(getattr(self, name)):
                raise BadConfig(f"{name.capitalize()} cannot be {getattr(self, name)}.", "", "Give a finite number.")
        for one in (self.feature, self.given):
            if one is not None and parse_feature(one).dictionary is None:
                raise BadConfig(f"'{one}' names no dictionary.", "", f"Write '{one}@NAME'.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Edits with a name."""

    name: str
    """Its name."""
    edits: tuple[RecipeEdit, ...]
    """In the order in which they are made."""

    def __post_init__(self) -> None:
        if not self.edits:
            raise BadConfig(f"The recipe '{self.name}' has no edits.", "", "Give at least one.")

    @property
    def features(self) -> tuple[FeatureName, ...]:
        """The features that it edits, then those that it waits for."""
        named = [one.feature for one in self.edits] + [one.given for one in self.edits]
        return tuple(dict.fromkeys(parse_feature(one) for one in named if one))

    @property
    def dictionaries(self) -> tuple[str, ...]:
        """Names of their dictionaries."""
        return tuple(dict.fromkeys(one.dictionary or "" for one in self.features))


def read_recipe(path: Path) -> Recipe:
    """The recipe in a JSON file.

    Raises:
        BadConfig: it cannot be read, is not JSON, or is no recipe.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadConfig(f"The recipe '{path}' could not be read.", f"{error}.", "Give a JSON file.") from error
    return from_dict(Recipe, data if isinstance(data, dict) else {})


def save_recipe(lab: Lab, recipe: Recipe) -> None:
    """Keep a recipe in the lab under its name; one of that name is replaced.

    Raises:
        BadRequest: its name is no plain name.
    """
    with staged(_path(lab, recipe.name)) as aside:
        write_json(aside, to_dict(recipe))


def find_recipe(lab: Lab, name: str) -> Recipe:
    """A recipe of the lab.

    Raises:
        UnknownName: there is none of this name.
        BadConfig: it is damaged.
    """
    return read_recipe(_found(lab, name))


def recipe_names(lab: Lab) -> list[str]:
    """Names of the lab's recipes."""
    return sorted(name.removesuffix(".json") for name in lab.names(_ROOM) if name.endswith(".json"))


def throw_away_recipe(lab: Lab, name: str) -> None:
    """Remove a recipe.

    Raises:
        UnknownName: there is none of this name.
    """
    _found(lab, name).unlink(missing_ok=True)


def bind(
    recipe: Recipe, dictionaries: Mapping[str, Dictionary], units: Mapping[FeatureName, float], *, factor: float = 1.0
) -> tuple[Edit, ...]:
    """The recipe's edits with `factor` on every strength; an ablation has no strength and stays as it is.

    Of a cap the interval stays as it is, and the factor, from 0 to 1, is the share of the way back to it.

    Args:
        units: largest activation of each feature in its index.

    Raises:
        UnknownName: a feature is not there.
    """
    return tuple(_bound(one, dictionaries, units, factor) for one in recipe.edits)


def warnings_of(recipe: Recipe, units: Mapping[FeatureName, float], *, factor: float = 1.0) -> list[tuple[int, str]]:
    """What to beware of: (place of the edit, what it says)."""
    found = []
    for place, one in enumerate(recipe.edits):
        strength = one.strength * factor
        if one.feature is None or one.how in ("ablate", "cap"):
            continue
        unit = units[parse_feature(one.feature)]
        if unit <= 0:
            found.append(
                (place, "The feature never fired in the corpus: its strength has no unit, and nothing is added.")
            )
        elif abs(strength) > 1:
            found.append(
                (
                    place,
                    f"Strength {strength:g} is beyond what the corpus holds: its largest activation, {unit:.3g}, is 1.",
                )
            )
        elif one.how == "clamp" and strength < 0:
            found.append((place, "The corpus holds no activation below 0."))
    return found


def _bound(
    one: RecipeEdit, dictionaries: Mapping[str, Dictionary], units: Mapping[FeatureName, float], factor: float
) -> Edit:
    scope: dict[str, Any] = {
        "positions": one.positions,
        "when": one.when,
        "given": _given(one, dictionaries, units),
        "schedule": one.schedule,
    }
    if one.feature is None:
        assert one.site is not None
        vector = torch.tensor(one.vector, dtype=torch.float32)
        return Add(site=one.site, vector=vector, scale=one.strength * factor, **scope)
    name = _there(one.feature, dictionaries)
    amount = one.strength * units[name]
    match one.how:
        case "ablate":
            return Ablate(feature=str(name), **scope)
        case "clamp":
            return Clamp(feature=str(name), value=amount * factor, **scope)
        case "cap":
            return Cap(feature=str(name), high=amount, share=min(max(factor, 0.0), 1.0), **scope)
    site = str(dictionaries[name.dictionary or ""].writes[0])
    return Add(site=site, vector=str(name), scale=amount * factor, **scope)


def _given(one: RecipeEdit, dictionaries: Mapping[str, Dictionary], units: Mapping[FeatureName, float]) -> Given | None:
    if one.given is None:
        return None
    name = _there(one.given, dictionaries)
    return Given(feature=str(name), above=one.above * units[name])


def _there(feature: str, dictionaries: Mapping[str, Dictionary]) -> FeatureName:
    name = parse_feature(feature)
    dictionary = dictionaries[name.dictionary or ""]
    if name.index >= dictionary.n_features:
        raise UnknownName(
            f"No feature '{name}'.", f"'{dictionary.name}' has features 0-{dictionary.n_features - 1}.", "Choose one."
        )
    return name


def _path(lab: Lab, name: str) -> Path:
    return lab.path(_ROOM, f"{name}.json")


def _found(lab: Lab, name: str) -> Path:
    path = _path(lab, name)
    if not path.is_file():
        names = recipe_names(lab)
        raise UnknownName(
            f"No recipe '{name}' in the lab.",
            f"There are: {', '.join(names[:8])}." if names else "There are none yet.",
            "Save one first.",
        )
    return path
