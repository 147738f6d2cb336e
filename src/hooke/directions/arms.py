"""One prompt continued without edits, with them, and with their control: text side by side."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import functional

from hooke.dictionaries import Dictionary
from hooke.models.edits import Edit
from hooke.models.generate import Sampling, generate_tokens
from hooke.models.model import Model


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """How the model goes on in one arm."""

    name: str
    """'baseline', 'treated' or 'random'."""
    strength: float | None
    """Strength of the edits, where they have one."""
    text: str
    """The continuation, each time the likeliest token."""
    surprise: float
    """Mean nats per token of the continuation under the model without edits; NaN for an empty one."""


def say(
    model: Model,
    prompt: str,
    edits: Sequence[Edit],
    *,
    name: str,
    strength: float | None = None,
    max_tokens: int = 40,
    dictionaries: Iterable[Dictionary] = (),
) -> Said:
    """The model's greedy continuation of a prompt with edits in force.

    Raises:
        PromptTooLong, BadRequest, UnknownSite, UnknownName, ShapeMismatch: see `Model.generate`.
    """
    tokens = model.tokenize(prompt)
    steps = generate_tokens(model, tokens, edits, max_tokens, Sampling(), None, dictionaries)
    ids = [int(new[0]) for new, is_open in steps if bool(is_open[0])]
    said = torch.tensor(ids, dtype=torch.int64, device=model.device)
    text = str(model.tokenizer.decode(ids, skip_special_tokens=True))
    return Said(name=name, strength=strength, text=text, surprise=_surprise(model, tokens.ids[0], said))


def _surprise(model: Model, prompt: Int[Tensor, " pos"], said: Int[Tensor, " new"]) -> float:
    if not len(said):
        return float("nan")
    logits = model.run(torch.cat([prompt, said])).logits
    assert logits is not None
    return float(functional.cross_entropy(logits[0, len(prompt) - 1 : -1].float(), said))
