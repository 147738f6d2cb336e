"""Steering by name: recipes of the lab that the operator has registered, each with bounds. Nothing else is applied."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from hooke.dictionaries import Dictionary, load_dictionary
from hooke.directions.recipe import Recipe, bind, find_recipe
from hooke.directions.relative_dose import relative_change
from hooke.errors import BadConfig, UnknownName
from hooke.features.query import Index
from hooke.lab import Lab
from hooke.models.apply import compile_edits
from hooke.models.edits import Edit, everywhere
from hooke.models.model import Model
from hooke.server.gateway.batch import require_sites
from hooke.sites import FeatureName

LOW, HIGH = 0.0, 1.0
"""Bounds where the operator gives none: from nothing to what the recipe says."""
_WORDS = re.compile(r"(?P<name>[^=]+)(=(?P<low>[^:]+):(?P<high>[^:]+))?")
_MEASURED_ON = "The old bridge over the river was built of iron, and every spring the whole town came to see it."


@dataclass(frozen=True, kw_only=True, slots=True)
class Registered:
    """A recipe that requests may name."""

    recipe: Recipe
    """What it does."""
    dictionaries: Mapping[str, Dictionary]
    """Of its features."""
    units: Mapping[FeatureName, float]
    """What strength 1 is of each."""
    low: float
    """The smallest strength."""
    high: float
    """The largest."""
    dose: float
    """How long what it adds at strength 1 is, as a share of the stream's own length, measured on one text."""

    def edits(self, strength: float) -> tuple[Edit, ...]:
        """Its edits at a strength.

        Raises:
            BadConfig: the strength is out of bounds.
        """
        if not self.low <= strength <= self.high:
            raise BadConfig(
                f"'{self.recipe.name}' cannot be applied at strength {strength:g}.",
                f"It is registered from {self.low:g} to {self.high:g}.",
                "Give a strength within these.",
            )
        return bind(self.recipe, self.dictionaries, self.units, factor=strength)


def register(words: str, model: Model, lab: Lab) -> Registered:
    """A recipe of the lab by the operator's words: NAME, or NAME=LOW:HIGH.

    Raises:
        BadConfig: the bounds are none.
        UnknownName: no such recipe, or a dictionary or an index of it is missing.
        UnknownSite, UnsupportedModel, ShapeMismatch: it does not fit the model.
    """
    name, low, high = _bounds(words)
    recipe = find_recipe(lab, name)
    dictionaries = {one: load_dictionary(one, lab=lab, device=str(model.device)) for one in recipe.dictionaries}
    units = {feature: _unit(feature, lab) for feature in recipe.features}
    edits = bind(recipe, dictionaries, units)
    sites = tuple(compile_edits(model, edits, dictionaries.values()))
    require_sites(model, sites, f"The recipe '{name}'")
    return Registered(
        recipe=recipe,
        dictionaries=dictionaries,
        units=units,
        low=low,
        high=high,
        dose=_dose(model, edits, dictionaries),
    )


def _bounds(words: str) -> tuple[str, float, float]:
    match = _WORDS.fullmatch(words)
    try:
        low, high = (float(match["low"]), float(match["high"])) if match and match["low"] else (LOW, HIGH)
    except ValueError:
        low, high = 1.0, 0.0
    if match is None or not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise BadConfig(f"'{words:.80}' registers no recipe.", "", "Write NAME, or NAME=LOW:HIGH such as calm=0:1.5")
    return match["name"], low, high


def _unit(feature: FeatureName, lab: Lab) -> float:
    maxima = Index.open(feature.dictionary or "", lab=lab).maxima
    if feature.index >= len(maxima):
        raise UnknownName(f"No feature '{feature}'.", f"There are {len(maxima)}.", f"Give 0 to {len(maxima) - 1}.")
    return float(maxima[feature.index])


def _dose(model: Model, edits: tuple[Edit, ...], dictionaries: Mapping[str, Dictionary]) -> float:
    """At each edited site the typical change of a row beside the row's typical length; the largest of these.

    Measured as if the edits were in force at every token, whatever they wait for.
    """
    edits = tuple(replace(one, given=None) for one in everywhere(edits))
    tokens = model.tokenize(_MEASURED_ON)
    # The first token's row is unlike all others, and most recipes leave it as it is.
    counted = torch.arange(tokens.ids.shape[1])[None] > 0
    return relative_change(model, tokens, counted, edits, dictionaries)
