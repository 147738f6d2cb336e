"""Many directions screened for steering, on the selection prompts only, so that others are left to measure on."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.directions.prompts import SELECTION
from hooke.errors import BadRequest
from hooke.models.model import Model
from hooke.models.split import next_log_probabilities, split_run, steered
from hooke.progress import track
from hooke.sites import Site


@dataclass(frozen=True, kw_only=True, slots=True)
class Screened:
    """What adding one direction does to the next token of the selection prompts."""

    place: int
    """Its place among the directions that were given."""
    gain: float
    """Rise in probability of its promoted tokens, mean over the prompts; chosen and measured on the same prompts."""
    promoted: tuple[int, ...]
    """The tokens whose mean log-probability rises most."""


def screen(
    model: Model,
    site: Site,
    steps: Float[Tensor, "direction width"],
    *,
    n_promoted: int = 10,
    prompts: Sequence[str] = SELECTION,
    at_once: int = 8,
) -> list[Screened]:
    """What adding each step at a site does, in the order given.

    The largest of many gains owes part of its size to luck, and each was measured on the prompts that its tokens were
    chosen on. A screen says where to look; what was found there is measured by `dose_response`, on other prompts.

    Raises:
        BadRequest: nothing was given.
    """
    if not len(steps):
        raise BadRequest("There is nothing to screen.", "", "Give at least one direction.")
    run = split_run(model, [prompt for prompt in prompts for _ in range(at_once)], site)
    base = next_log_probabilities(run, run.final).unflatten(0, (len(prompts), at_once))
    found: list[Screened] = []
    for first in track(
        range(0, len(steps), at_once), "screen", total=len(steps), unit="directions", size=lambda _: at_once
    ):
        chunk = steps[first : first + at_once]
        padded = torch.cat([chunk, chunk.new_zeros(at_once - len(chunk), chunk.shape[1])])
        added = padded.repeat(len(prompts), 1)
        logs = next_log_probabilities(run, steered(run, added)).unflatten(0, (len(prompts), at_once))
        tokens = (logs - base).mean(0).topk(n_promoted).indices
        gains = (logs.exp() - base.exp()).mean(0).gather(1, tokens).sum(-1)
        found += [
            Screened(place=first + place, gain=float(gains[place]), promoted=tuple(tokens[place].tolist()))
            for place in range(len(chunk))
        ]
    return found
