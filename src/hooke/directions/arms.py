"""One prompt continued without edits, with them, and with their control: text side by side."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import functional

from hooke.dictionaries import Dictionary
from hooke.models.edits import Edit
from hooke.models.model import Model, Tokens
from hooke.models.rows import greedy_rows


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """An arm that is to be heard."""

    name: str
    """'baseline', 'treated' or 'random'."""
    strength: float | None = None
    """Strength of the edits, where they have one."""
    edits: tuple[Edit, ...] = ()
    """What is in force."""


def say(
    model: Model, prompt: str, arms: Sequence[Asked], *, max_tokens: int = 40, dictionaries: Iterable[Dictionary] = ()
) -> list[Said]:
    """The model's greedy continuation of a prompt in each arm; all are made together.

    Raises:
        PromptTooLong, BadRequest, UnknownSite, UnknownName, ShapeMismatch: see `Model.generate`.
    """
    tokens = model.tokenize(prompt)
    shared = Tokens(tokens.ids.expand(len(arms), -1), tokens.mask.expand(len(arms), -1))
    found = []
    for arm, ids in zip(
        arms, greedy_rows(model, shared, [arm.edits for arm in arms], max_tokens, dictionaries), strict=True
    ):
        said = torch.tensor(ids, dtype=torch.int64, device=model.device)
        text = str(model.tokenizer.decode(ids, skip_special_tokens=True))
        surprise = _surprise(model, tokens.ids[0], said)
        found.append(Said(name=arm.name, strength=arm.strength, text=text, surprise=surprise))
    return found


def _surprise(model: Model, prompt: Int[Tensor, " pos"], said: Int[Tensor, " new"]) -> float:
    if not len(said):
        return float("nan")
    logits = model.run(torch.cat([prompt, said])).logits
    assert logits is not None
    return float(functional.cross_entropy(logits[0, len(prompt) - 1 : -1].float(), said))
