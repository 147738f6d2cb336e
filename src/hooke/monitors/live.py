"""A model that speaks under the eyes of monitors: the prompt is read before the first word, then each new token."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import DynamicCache

from hooke.errors import PromptTooLong
from hooke.models.generate import end_tokens
from hooke.models.hooks import Pass
from hooke.models.model import Model
from hooke.monitors.stream import OpenMonitor, Reading
from hooke.sites import Site


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """One token, and what each monitor made of it."""

    token: int
    """The token."""
    is_prompt: bool
    """Whether it was given, and not said."""
    readings: tuple[Reading, ...]
    """By monitor."""


def speak_watched(
    model: Model, ids: Sequence[int], monitors: Sequence[OpenMonitor], *, max_tokens: int
) -> Iterator[Told]:
    """The prompt's tokens and the likeliest ones after them; ends where a monitor's action is to stop.

    A token is scored once it was read, so the one that set off a stop has been chosen, and is the last that is told.

    Raises:
        PromptTooLong: prompt and answer exceed the context.
    """
    if len(ids) + max_tokens > model.context:
        raise PromptTooLong(
            f"The prompt has {len(ids)} tokens and {max_tokens} more were asked for.",
            f"{model.name} reads at most {model.context}.",
            "Ask for fewer.",
        )
    sites = frozenset(site for one in monitors for site in one.sites)
    watches, cache, ends = [one.watch() for one in monitors], DynamicCache(config=model.config), end_tokens(model)
    fresh = list(ids)
    for step in range(max_tokens + 1):
        logits, rows = read_on(model, fresh, sites, cache)
        scores = [one.scores({site: rows[site] for site in one.sites}).tolist() for one in monitors]
        for at, token in enumerate(fresh):
            seen = tuple(watch.see(own[at], is_prompt=step == 0) for watch, own in zip(watches, scores, strict=True))
            yield Told(token=token, is_prompt=step == 0, readings=seen)
            both = zip(monitors, seen, strict=True)
            if any(one.level == "act" and monitor.spec.action.do == "stop" for monitor, one in both):
                return
        fresh = [int(logits.argmax())]
        if fresh[0] in ends:
            return


def read_on(
    model: Model, ids: Sequence[int], sites: frozenset[Site], cache: DynamicCache
) -> tuple[Float[Tensor, " vocab"], dict[Site, Float[Tensor, "token width"]]]:
    """Some more tokens after what the cache holds: logits of the next one, and what sites hold at these."""
    running = Pass(model.anatomy, sites, {}, lambda _, value: value.detach()[0].flatten(1).float().clone())
    with model.open(running), torch.no_grad():
        tokens = torch.tensor([list(ids)], device=model.device)
        logits = model.hf(input_ids=tokens, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
    return logits[0, -1], running.read
