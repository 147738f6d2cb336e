"""`hooke steer`: a feature turned up while the model speaks, beside no edit and a random direction."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup
from rich.console import RenderableType

from hooke.cli.answer import Answer
from hooke.cli.options import Everywhere, IndexOptions, ModelOptions
from hooke.cli.terminal import note, table, title
from hooke.errors import BadRequest
from hooke.pages.numerals import number
from hooke.sites import parse_feature

if TYPE_CHECKING:
    import torch

    import hooke.directions.arms
    import hooke.directions.response
    import hooke.features.query
    import hooke.models.model

PROMPT = "Yesterday I went to"


def steer(
    feature: str = "",
    prompt: str = PROMPT,
    /,
    *,
    strengths: tuple[float, ...] = (),
    dose_response: bool = False,
    edits: Path | None = None,
    recipe: Path | None = None,
    direction: str | None = None,
    max_tokens: int = 40,
    seed: int = 0,
    where: IndexOptions = IndexOptions(),
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Turn a feature up and down, and show what the model says.

    The feature's decoder row is added to the stream at every token but the first, in units of the feature's largest
    activation. Each text stands beside the one without edits and the one with a random direction of the same norm.
    With --recipe the first word is the prompt: the recipe says which features, and how much of them. With --direction
    it is, too: strengths are then shares of the median length of the stream, so that directions can be compared.

    Parameters
    ----------
    feature
        The feature, `site/number` or `site/number@dictionary`.
    prompt
        What the model goes on with.
    strengths
        In units of the feature's largest activation, 0.5, 1 and 2 unless given; negative ones turn it down. Of a
        direction, shares of the stream's median length, 0.1, 0.2 and 0.4 unless given. Of a recipe, factors on its
        own, in the dose-response.
    dose_response
        Measure dose by dose what it does and what it costs, beside random directions, and between which doses it can be
        used.
    edits
        A JSON file of further edits that are in force in every arm but the baseline.
    recipe
        A JSON file with a recipe, as the microscope saves it, in place of a feature and strengths.
    direction
        A direction of the lab, in place of a feature; see `hooke direction make`.
    max_tokens
        Tokens of each text.
    seed
        Seed of the random directions.
    """
    from hooke.cli.steer_response import respond, show_response
    from hooke.dictionaries.carried import carried_words

    if direction is not None:
        return _steer_by_direction(
            direction, feature, prompt, recipe is not None, edits, strengths, dose_response, max_tokens, seed, where,
            loading, everywhere,
        )  # fmt: skip
    if recipe is not None:
        return _steer_by_recipe(
            recipe, feature, prompt, edits, strengths, dose_response, max_tokens, seed, where, loading, everywhere
        )
    if not feature:
        raise BadRequest("Nothing to steer with.", "", "Give a feature, site/number, or --recipe FILE.")
    address = parse_feature(feature)
    index = where.open(everywhere.lab, dictionary=address.dictionary)
    card = index.card(address.index)
    more = _edits_of(edits)
    strengths = chosen_strengths(strengths, (0.5, 1.0, 2.0))
    model = where.load_model(index, loading, everywhere.lab)
    said = _say_all(model, index, address.index, prompt, strengths, more, max_tokens, seed)
    measured = respond(model, index, address.index, seed=seed) if dose_response else None
    label = card.label.text if card.label else "no label"
    shown = [title(index.address(address.index), label), said_table(said)]
    shown.append(note("surprise: nats per token of the text under the model without edits"))
    shown.append(note(f"{index.manifest.dictionary}: {carried_words(index.manifest.dictionary, everywhere.lab)}"))
    if measured is not None:
        shown += ["", *show_response(measured)]
    data = {"feature": index.address(address.index), "label": label, "prompt": prompt, "said": said}
    where.write(
        index, f"Steering {data['feature']}", lambda: _page(prompt, said, [measured] if measured else [], label)
    )
    return Answer(data=data | {"dose_response": measured}, shown=tuple(shown))


def _steer_by_direction(
    direction: str,
    words: str,
    prompt: str,
    has_recipe: bool,
    edits: Path | None,
    strengths: tuple[float, ...],
    dose_response: bool,
    max_tokens: int,
    seed: int,
    where: IndexOptions,
    loading: ModelOptions,
    everywhere: Everywhere,
) -> Answer:
    from hooke.cli.steer_direction import steer_direction

    if has_recipe or (words and prompt != PROMPT) or where.html or where.index:
        raise BadRequest(
            "A direction is steered by itself.",
            "Found it with a feature, --recipe, --html or --index.",
            "Write: hooke steer PROMPT --direction NAME",
        )
    said, more = words or prompt, _edits_of(edits)
    return steer_direction(
        direction, said, strengths, dose_response, more, max_tokens, seed, where.model, loading, everywhere
    )


def _steer_by_recipe(
    recipe: Path,
    words: str,
    prompt: str,
    edits: Path | None,
    strengths: tuple[float, ...],
    dose_response: bool,
    max_tokens: int,
    seed: int,
    where: IndexOptions,
    loading: ModelOptions,
    everywhere: Everywhere,
) -> Answer:
    from hooke.cli.steer_recipe import steer_recipe

    if edits is not None or (words and prompt != PROMPT):
        raise BadRequest(
            "A recipe is steered by itself.",
            "Found it with a feature or --edits.",
            "Write: hooke steer PROMPT --recipe FILE",
        )
    return steer_recipe(recipe, words or prompt, strengths, dose_response, max_tokens, seed, where, loading, everywhere)


def _page(
    prompt: str,
    said: Sequence["hooke.directions.arms.Said"],
    measured: Sequence["hooke.directions.response.DoseResponse"],
    label: str,
) -> dict[str, Markup]:
    from hooke.pages.views import arms_view, response_view

    parts = {label: arms_view(prompt, said, control="a random direction of the same norm, at the same strength")}
    return parts | {f"Dose-response of {one.name}": response_view(one, label=label) for one in measured}


def _edits_of(path: Path | None) -> list:
    from hooke.models.edits import edits_from_json

    if path is None:
        return []
    try:
        return edits_from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"'{path}' could not be read.", f"{error}.", "Give a JSON file of edits.") from error


def _say_all(
    model: "hooke.models.model.Model",
    index: "hooke.features.query.Index",
    feature: int,
    prompt: str,
    strengths: Sequence[float],
    more: list,
    max_tokens: int,
    seed: int,
) -> list["hooke.directions.arms.Said"]:
    import torch

    from hooke.dictionaries.crosscoders import rows_at
    from hooke.sites import parse_site

    unit, site = float(index.card(feature).max), index.manifest.site
    row = rows_at(index.dictionary, torch.tensor([feature]), parse_site(site), index.manifest.model)[0]
    return say_along(model, site, row * unit, prompt, strengths, more, max_tokens, seed)


def chosen_strengths(given: tuple[float, ...], usual: tuple[float, ...]) -> tuple[float, ...]:
    """The strengths that were asked for, or the usual ones.

    Raises:
        BadRequest: one of them is 0.
    """
    if 0 in given:
        raise BadRequest(f"Strengths cannot be {given}.", "", "Give one or more numbers other than 0.")
    return given or usual


def say_along(
    model: "hooke.models.model.Model",
    site: str,
    step: "torch.Tensor",
    prompt: str,
    strengths: Sequence[float],
    more: list,
    max_tokens: int,
    seed: int,
) -> list["hooke.directions.arms.Said"]:
    """What the model says without edits, with strength · step added, and with a random direction of the same norm."""
    from hooke.directions.arms import Asked, say
    from hooke.directions.controls import random_like
    from hooke.models.edits import Add

    drawn = random_like(step, generator=np.random.default_rng(seed))
    arms = [Asked(name="baseline")]
    for name, one in (("treated", step), ("random", drawn)):
        for strength in strengths:
            edit = Add(site=site, vector=one, scale=strength, positions="1:")
            arms.append(Asked(name=name, strength=strength, edits=(edit, *more)))
    return say(model, prompt, arms, max_tokens=max_tokens)


def said_table(said: Sequence["hooke.directions.arms.Said"]) -> RenderableType:
    """Arm by arm, what the model says."""
    rows = [(one.name, number(one.strength), number(one.surprise), one.text) for one in said]
    return table(("", "strength>", "surprise>", "the model goes on"), rows)
