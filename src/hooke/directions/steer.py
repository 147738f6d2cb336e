"""Dose-response of a direction or a recipe: how much of it does what to the next token, and at which price.

Every treatment, the steered one and each random one, goes through the same: its promoted tokens are those whose mean
log-probability rises most on the selection prompts, and what they gain is measured on other prompts. So a random
direction is judged by its own best tokens, and none on prompts that its tokens were picked on. (Picked by the rise of
the plain probability instead, the tokens are nearly the same for every direction: ' the', ' it', ' you'.)
"""

import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float
from torch import Tensor

from hooke.directions.controls import random_edits, random_like
from hooke.directions.dose_bench import DoseBench, Treatment, targets_of
from hooke.directions.response import Arm, Dose, DoseResponse, judge
from hooke.directions.steer_config import SteerConfig
from hooke.directions.sweep import Prepared
from hooke.directions.usable import usable_interval
from hooke.errors import BadConfig, BadRequest, ShapeMismatch
from hooke.models.apply import compile_edits
from hooke.models.edits import Add, Edit
from hooke.models.model import Model
from hooke.progress import track
from hooke.sites import Site
from hooke.text.windows import Windows

# The first token of a prompt holds the attention sink: its stream is a hundred times as long and means something else.
POSITIONS = "1:"


def dose_response(
    model: Model,
    site: Site,
    direction: Float[Tensor, " width"],
    text: Windows,
    *,
    name: str,
    unit: float,
    text_name: str = "",
    config: SteerConfig | None = None,
) -> DoseResponse:
    """The response to strength · unit · direction added at a site, beside random directions of the same norm.

    Args:
        direction: a feature's decoder row, or any other direction at the site.
        text: held-out windows that perplexity and divergence are measured on.
        unit: the feature's largest activation.

    Raises:
        ShapeMismatch: the direction is not as wide as the site.
        UnknownSite, UnsupportedModel: the site is not on this model, or the model cannot be unembedded.
    """
    config = config or SteerConfig()
    if direction.shape[0] != model.row_width(site):
        raise ShapeMismatch(
            f"The direction does not fit '{site}'.",
            f"It has {direction.shape[0]} entries, the site {model.row_width(site)}.",
            "It belongs to another site or model.",
        )
    # Each direction has its own random ones, so that several responses are not all beside the same three.
    generator = np.random.default_rng([config.seed, zlib.crc32(name.encode())])
    step = unit * direction.detach().to(model.device).float()
    steps = {name: step} | {arm: random_like(step, generator=generator) for arm in _control_names(config)}
    bench = DoseBench.open(model, site, text, config)
    treatments = [Treatment(name=arm, edits=_adding(site, one), step=one) for arm, one in steps.items()]
    return _drained(
        _respond(bench, treatments, generator, site=str(site), unit=float(unit), norm=float(step.norm()), of=text_name),
        treatments,
        config,
    )


def recipe_response(
    model: Model, prepared: Prepared, text: Windows, *, text_name: str = "", config: SteerConfig | None = None
) -> DoseResponse:
    """The response to a recipe with a factor on its strengths, beside itself with random directions.

    What a text that is read cannot show, the recipe's phase and plan over new tokens, is left out on texts, and is in
    force in continuations.

    Raises:
        BadConfig: it acts behind the last residual stream.
        BadRequest: it has no random twin.
        UnknownSite, UnsupportedModel, UnknownName, ShapeMismatch: it does not fit the model.
    """
    config = config or SteerConfig()
    steps = recipe_steps(model, prepared, text, text_name=text_name, config=config)
    return _drained(steps, [prepared.recipe.name, *_control_names(config)], config)


def recipe_steps(
    model: Model, prepared: Prepared, text: Windows, *, text_name: str = "", config: SteerConfig
) -> Iterator[DoseResponse | None]:
    """The same as `recipe_response`, dose by dose: None after each, then the response. Raises the same."""
    name, dictionaries = prepared.recipe.name, prepared.dictionaries
    seed = [config.seed, zlib.crc32(name.encode())]
    last = Site("resid_post", model.n_layers - 1)
    sites = sorted(compile_edits(model, prepared.edits(), dictionaries.values()), key=lambda one: one.depth)
    if sites[-1].depth > last.depth:
        raise BadConfig(
            f"'{name}' cannot be measured in doses.", f"It acts at '{sites[-1]}'.", f"Act at '{last}' or before it."
        )

    def random(number: int, strength: float) -> tuple[Edit, ...]:
        # The same draws at each strength, so that an arm is one set of directions.
        drawn = random_edits(prepared.edits(strength), dictionaries, generator=np.random.default_rng([*seed, number]))
        if drawn is None:
            raise BadRequest("These edits have no random twin.", "", "Measure others.")
        return tuple(drawn)

    treatments = [Treatment(name=name, edits=prepared.edits)]
    for number, arm in enumerate(_control_names(config)):
        treatments.append(Treatment(name=arm, edits=lambda strength, number=number: random(number, strength)))
    bench = DoseBench.open(model, last, text, config, dictionaries)
    where = ", ".join(map(str, sites))
    yield from _respond(bench, treatments, np.random.default_rng(seed), site=where, unit=None, norm=None, of=text_name)


def _control_names(config: SteerConfig) -> list[str]:
    return [f"random {number}" for number in range(1, config.n_controls + 1)]


def _adding(site: Site, step: Tensor):  # noqa: ANN202
    return lambda strength: (Add(site=str(site), vector=step, scale=strength, positions=POSITIONS),)


def _drained(steps: Iterator[DoseResponse | None], arms: Sequence[object], config: SteerConfig) -> DoseResponse:
    """The response at the end of its steps, with their progress shown."""
    total = len(arms) * len(config.strengths) + 1
    *_, response = track(steps, "steer", total=total, unit="doses")
    assert response is not None
    return response


def _respond(
    bench: DoseBench,
    treatments: Sequence[Treatment],
    generator: np.random.Generator,
    *,
    site: str,
    unit: float | None,
    norm: float | None,
    of: str,
) -> Iterator[DoseResponse | None]:
    config, name = bench.config, treatments[0].name
    promoted = {one.name: bench.promoted(one) for one in treatments}
    tokens = {arm: [one.token for one in chosen] for arm, chosen in promoted.items()}
    doses: dict[str, list[Dose]] = {one.name: [] for one in treatments}
    said: dict[float, list[list[list[int]]]] = {}
    for place, one in enumerate(treatments):
        for strength in config.strengths:
            if strength not in said:
                said[strength] = bench.continued([other.edits(strength) for other in treatments])
            own = said[strength][place]
            doses[one.name].append(bench.measure(one, strength, tokens[one.name], tokens[name], own, generator))
            yield None
    treated, *controls = [Arm(name=arm, promoted=promoted[arm], doses=tuple(doses[arm])) for arm in doses]
    limits = config.limits
    yield DoseResponse(
        name=name,
        model=bench.model.name,
        site=site,
        unit=unit,
        norm=norm,
        selection_strength=config.selection_strength,
        baseline_mass=bench.base_mass(tokens[name], generator),
        baseline_perplexity=bench.base_perplexity(generator),
        baseline_distinct=bench.base_distinct(generator),
        prompt=config.prompt,
        baseline_continuation=bench.text_of(bench.base_said),
        treated=treated,
        controls=tuple(controls),
        n_prompts=len(config.measurement),
        n_continued=bench.n_continued,
        n_windows=len(bench.text.tokens),
        n_tokens=int(targets_of(bench.text).sum()),
        text=of,
        verdict=judge(treated, controls, smallest_gain=limits.gain, limit=limits.perplexity),
        limits=limits,
        usable=usable_interval(treated, controls, limits),
        seed=config.seed,
    )
