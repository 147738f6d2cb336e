"""Pairs of prompts as a model reads them, and the metric by which a run on them is judged.

    logit          mean logit of the answers minus that of the wrong ones
    probability    probability of the answers together minus that of the wrong ones (Hanna et al. 2023, greater-than)

Both are read at the last token of each prompt. An effect is told in shares of what separates the two runs:
(m - m_corrupted) / (m_clean - m_corrupted), 0 where a run is as the corrupted one and 1 where it is as the clean one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from hooke.errors import BadRequest, HookeError
from hooke.models.model import Model, Tokens
from hooke.text.pairs import PromptPair

METRICS = ("logit", "probability")
_FLAT = 1e-3
"""Of the metric's size: two runs that differ by less have nothing to share out."""


class NoEffect(HookeError):
    """The model answers both prompts alike."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """A set of pairs on one model; clean and corrupted prompt of a pair have as many tokens."""

    pairs: tuple[PromptPair, ...]
    clean: Tokens
    corrupted: Tokens
    answers: tuple[tuple[int, ...], ...]
    """Token ids, by pair."""
    wrong: tuple[tuple[int, ...], ...]
    metric: str = "logit"

    def __len__(self) -> int:
        return len(self.pairs)

    def some(self, rows: slice | Sequence[int]) -> "Pairs":
        """These pairs only, padded no further than they need."""
        chosen = list(range(len(self)))[rows] if isinstance(rows, slice) else list(rows)
        longest = int(self.clean.lengths[chosen].max())
        clean, corrupted = (
            Tokens(one.ids[chosen, :longest], one.mask[chosen, :longest]) for one in (self.clean, self.corrupted)
        )
        answers, wrong = (tuple(one[at] for at in chosen) for one in (self.answers, self.wrong))
        return Pairs(tuple(self.pairs[at] for at in chosen), clean, corrupted, answers, wrong, self.metric)

    def judge(self, logits: Float[Tensor, "pair vocab"]) -> Float[Tensor, " pair"]:
        """The metric of each pair, from logits at the last token; differentiable."""
        values = logits.float() if self.metric == "logit" else logits.float().softmax(-1)
        found = []
        for row, answers, wrong in zip(values, self.answers, self.wrong, strict=True):
            right, other = row[list(answers)], row[list(wrong)]
            found.append(right.mean() - other.mean() if self.metric == "logit" else right.sum() - other.sum())
        return torch.stack(found)

    def last(self, logits: Float[Tensor, "pair pos vocab"]) -> Float[Tensor, "pair vocab"]:
        """The logits at the last token of each prompt."""
        return logits[torch.arange(len(self), device=logits.device), self.clean.lengths - 1]


def open_pairs(model: Model, pairs: Sequence[PromptPair], *, metric: str = "logit") -> Pairs:
    """The pairs as token ids of the model.

    Raises:
        BadRequest: there are none; the two prompts of a pair have different numbers of tokens; an answer is not one
            token, or is right and wrong at once; no token differs; there is no such metric.
        PromptTooLong: a prompt does not fit into the model's context.
    """
    if metric not in METRICS:
        raise BadRequest(f"There is no metric '{metric}'.", "", f"Metrics: {', '.join(METRICS)}.")
    if not pairs:
        raise BadRequest("There are no pairs of prompts.", "The set is empty.", "Give at least one pair.")
    clean, corrupted = (model.tokenize([getattr(pair, side) for pair in pairs]) for side in ("clean", "corrupted"))
    for at, pair in enumerate(pairs):
        lengths = int(clean.lengths[at]), int(corrupted.lengths[at])
        if lengths[0] != lengths[1]:
            raise BadRequest(
                f"The prompts of pair {_name(pair, at)} have {lengths[0]} and {lengths[1]} tokens.",
                f"'{pair.clean[-60:]}' and '{pair.corrupted[-60:]}'.",
                "Patching goes token by token: choose words of as many tokens.",
            )
        if torch.equal(clean.ids[at, : lengths[0]], corrupted.ids[at, : lengths[0]]):
            raise BadRequest(
                f"The prompts of pair {_name(pair, at)} are the same.", "", "Change what decides the answer."
            )
    sides = [
        tuple(tuple(_token(model, text, pair, at) for text in getattr(pair, side)) for at, pair in enumerate(pairs))
        for side in ("answers", "wrong")
    ]
    for at, (pair, answers, wrong) in enumerate(zip(pairs, *sides, strict=True)):
        if set(answers) & set(wrong):
            raise BadRequest(f"An answer of pair {_name(pair, at)} is right and wrong.", "", "Give each once.")
    return Pairs(tuple(pairs), clean, corrupted, sides[0], sides[1], metric)


def readable_pairs(model: Model, pairs: Sequence[PromptPair], *, metric: str = "logit") -> tuple[Pairs, list[str]]:
    """The pairs that fit the model's tokenizer, and why each of the others does not.

    Raises:
        BadRequest: none fits, or there is no such metric.
    """
    fitting, refused = [], []
    for pair in pairs:
        try:
            open_pairs(model, [pair], metric=metric)
        except BadRequest as error:
            refused.append(error)
        else:
            fitting.append(pair)
    if not fitting and refused:
        raise refused[0]
    return open_pairs(model, fitting, metric=metric), [str(one) for one in refused]


def _token(model: Model, text: str, pair: PromptPair, at: int) -> int:
    ids = model.tokenizer(text, add_special_tokens=False)["input_ids"]
    if len(ids) != 1 or ids[0] == model.tokenizer.unk_token_id:
        parts = model.tokenizer.convert_ids_to_tokens(ids)
        raise BadRequest(
            f"{text!r}, an answer of pair {_name(pair, at)}, is not one token of {model.name}.",
            f"It is read as {', '.join(repr(part) for part in parts) or 'nothing'}.",
            "Give its first token, with the blank before it where there is one.",
        )
    return int(ids[0])


def _name(pair: PromptPair, at: int) -> str:
    return f"'{pair.name}'" if pair.name else str(at + 1)


def require_effect(clean: Float[ndarray, " pair"], corrupted: Float[ndarray, " pair"]) -> None:
    """Raises:
    NoEffect: the metric is the same on both runs, so that there is nothing to share out.
    """
    if abs(float((clean - corrupted).mean())) < _FLAT * float(np.abs(clean).mean() + np.abs(corrupted).mean()):
        raise NoEffect(
            "There is no effect to share out.",
            f"The metric is {clean.mean():.3g} on both runs of these {len(clean)} pairs.",
            "Choose pairs on which the model answers differently.",
        )
