"""A small score-board of steering, in AxBench's form (2501.17148): concept, instruction, fluency, each from 0 to 2.

A method's factor is chosen on half of the instructions, and its score, the harmonic mean of the three, is that of the
other half. Prompting and a random direction stand beside the directions. One judge marks all rows.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hooke.dictionaries import Dictionary
from hooke.directions.board_marks import Judge, Mark, count_words, n_of
from hooke.directions.controls import random_like
from hooke.directions.learnt import LearnConfig, learn_direction
from hooke.directions.makers import logistic, means, pca
from hooke.directions.pooling import Pooling
from hooke.directions.splits import split_by_group
from hooke.directions.surface import word_scores
from hooke.directions.telling_feature import telling_feature
from hooke.directions.token_rows import TokenRows, read_rows
from hooke.errors import BadRequest, UnknownName, did_you_mean
from hooke.findings import Estimate, Interval, area_under_curve, estimate
from hooke.models.edits import Add, Edit
from hooke.models.generate import Sampling, conversation_tokens, generate_tokens, said_rows
from hooke.models.model import Model, Tokens
from hooke.progress import track
from hooke.sites import Site
from hooke.text.steered_concepts import CONCEPTS, INSTRUCTIONS, SteeredConcept, sentences

FACTORS = (0.1, 0.2, 0.4, 0.8)
"""Doses that are tried, as shares of the median length of the site's rows on the sentences."""
_MEAN = Pooling(how="mean")
_LEARNING = LearnConfig(steps=12, n_texts=16, n_controls=1)
_MAKERS = {"difference of means": means, "logistic regression": logistic, "principal component": pca}


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One method on one concept."""

    method: str
    """Which."""
    factor: float | None
    """Its dose, chosen on the first half of the instructions; None where there is none to choose."""
    overall: Estimate
    """Mean of the answers' harmonic means on the second half, with its interval over instructions."""
    concept: float
    """Mean marks of the three kinds there."""
    instruction: float
    fluency: float
    unseen: float
    """Share of answers with a word of the concept that no sentence had."""
    area: float | None
    """How well it tells sentences of other frames apart; None where it tells nothing."""
    area_interval: Interval | None
    """The 95 % interval of that."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Board:
    """The score-board of a concept."""

    concept: str
    """Which."""
    site: str
    """Where directions are added."""
    n: int
    """Instructions that scores are of."""
    rows: tuple[Row, ...]
    """Best first."""


def board(
    model: Model,
    name: str,
    site: Site,
    *,
    given: Mapping[str, Float[Tensor, " width"]] | None = None,
    dictionary: Dictionary | None = None,
    factors: Sequence[float] = FACTORS,
    max_tokens: int = 32,
    seed: int = 0,
    judge: Judge | None = None,
) -> Board:
    """The methods on a concept.

    Args:
        given: other directions at the site, by name, such as decoder rows of features.
        dictionary: one at the site, whose feature that tells the sentences apart best is tried, too.

    Raises:
        UnknownName: there is no such concept.
        ShapeMismatch: the dictionary is of another site.
        BadRequest: the model cannot chat, or nothing can be learnt at the site.
        UnknownSite, UnsupportedModel: see `Model.run`.
    """
    if name not in CONCEPTS:
        raise UnknownName(f"No concept '{name}'.", did_you_mean(name, CONCEPTS), f"There are: {', '.join(CONCEPTS)}.")
    if not factors or max_tokens < 2 or min(factors) <= 0:
        raise BadRequest("Nothing would be scored.", f"Factors {tuple(factors)}, {max_tokens} tokens.", "Give more.")
    items = list(sentences(name))
    rows = read_rows(model, items, [site])
    parts = split_by_group(items, seed=seed)
    fit, held = rows.chosen([*parts.fit, *parts.validation]), rows.chosen(parts.confirmation)
    vectors = {way: make(fit, [site], _MEAN, seed).vectors[0] for way, make in _MAKERS.items()}
    learnt = learn_direction(model, items, site, name=name, concept=name, config=replace(_LEARNING, seed=seed))
    vectors |= {"learnt, rank 1": learnt.vector, **(given or {})}
    if dictionary is not None:
        best = telling_feature(dictionary, fit, site)
        vectors[f"feature {best}, by AUROC"] = dictionary.decoder_rows(torch.tensor([best]))[0].detach().float().cpu()
    vectors["random direction"] = random_like(vectors["difference of means"], generator=np.random.default_rng(seed))
    unit = float(rows.rows[site].norm(dim=-1).median())
    speaking = _Speaking(model, CONCEPTS[name], site, unit, max_tokens, judge or count_words)
    found = [_prompted(speaking, seed), _words(rows.chosen(parts.fit), rows.chosen(parts.validation), held)]
    for way, vector in track(list(vectors.items()), f"score-board, {name}", unit="methods"):
        found.append(_steered(speaking, way, vector, factors, held, seed))
    second = len(INSTRUCTIONS) - len(INSTRUCTIONS) // 2
    return Board(concept=name, site=str(site), n=second, rows=tuple(sorted(found, key=lambda one: -one.overall.value)))


@dataclass(frozen=True)
class _Speaking:
    """The model as it answers the instructions."""

    model: Model
    concept: SteeredConcept
    site: Site
    unit: float
    max_tokens: int
    judge: Judge

    def marks(self, asked: Sequence[int], edits: Sequence[Edit] = (), more: str = "") -> list[tuple[Mark, str]]:
        """Answers to some instructions, marked."""
        prompts = [
            conversation_tokens(self.model, [{"role": "user", "content": INSTRUCTIONS[at][0] + more}]).ids[0]
            for at in asked
        ]
        tokens = Tokens.of(prompts, self.model.device)
        steps = generate_tokens(self.model, tokens, edits, self.max_tokens, Sampling(), None)
        said = said_rows(steps, len(prompts))
        texts = [str(self.model.tokenizer.decode(row, skip_special_tokens=True)) for row in said]
        surprise = self._surprise([INSTRUCTIONS[at][0] for at in asked], said)
        return [
            (self.judge(self.concept, at, text, one), text)
            for at, text, one in zip(asked, texts, surprise, strict=True)
        ]

    def _surprise(self, asked: Sequence[str], said: Sequence[Sequence[int]]) -> list[float]:
        """Mean cross-entropy of each answer behind its plain instruction, without edits."""
        prompts = [conversation_tokens(self.model, [{"role": "user", "content": one}]).ids[0] for one in asked]
        new = [torch.tensor(row, dtype=torch.int64, device=self.model.device) for row in said]
        whole = Tokens.of([torch.cat(one) for one in zip(prompts, new, strict=True)], self.model.device)
        logits = self.model.run(whole).logits
        assert logits is not None
        found = []
        for row, (prompt, own) in enumerate(zip(prompts, new, strict=True)):
            predicted = logits[row, len(prompt) - 1 : len(prompt) - 1 + len(own)].float()
            found.append(float(torch.nn.functional.cross_entropy(predicted, own)) if len(own) else float("inf"))
        return found


def _halves() -> tuple[list[int], list[int]]:
    places = list(range(len(INSTRUCTIONS)))
    return places[::2], places[1::2]


def _prompted(speaking: _Speaking, seed: int) -> Row:
    marks = speaking.marks(_halves()[1], more=f" Speak of {speaking.concept.about} in your answer.")
    return _row("prompting", None, speaking, marks, None, seed)


def _words(fit: TokenRows, validation: TokenRows, held: TokenRows) -> Row:
    """A bag of words steers nothing, and tells sentences apart."""
    scores = word_scores(fit, validation, [one.text for one in held.items])
    area, interval = area_under_curve(scores[held.labels], scores[~held.labels])
    nothing = Estimate(value=0.0, interval=(0.0, 0.0))
    return Row(
        method="bag of words (tells only)", factor=None, overall=nothing, concept=0.0, instruction=0.0, fluency=0.0,
        unseen=0.0, area=area, area_interval=interval,
    )  # fmt: skip


def _steered(
    speaking: _Speaking, way: str, vector: Tensor, factors: Sequence[float], held: TokenRows, seed: int
) -> Row:
    first, second = _halves()
    step = vector / vector.norm() * speaking.unit

    def marked(factor: float, asked: Sequence[int]) -> list[tuple[Mark, str]]:
        return speaking.marks(asked, [Add(site=str(speaking.site), vector=factor * step, positions="1:")])

    best = max(factors, key=lambda factor: float(np.mean([one.overall for one, _ in marked(factor, first)])))
    scores = (held.rows[speaking.site] @ vector).split(held.lengths.tolist())
    means_ = np.array([float(one.mean()) for one in scores])
    return _row(
        way, best, speaking, marked(best, second), area_under_curve(means_[held.labels], means_[~held.labels]), seed
    )


def _row(
    way: str,
    factor: float | None,
    speaking: _Speaking,
    marks: Sequence[tuple[Mark, str]],
    area: tuple[float, Interval] | None,
    seed: int,
) -> Row:
    words = [set(re.findall(r"[a-z]+", text.lower())) for _, text in marks]
    return Row(
        method=way,
        factor=factor,
        overall=estimate([one.overall for one, _ in marks], generator=np.random.default_rng(seed)),
        concept=float(np.mean([one.concept for one, _ in marks])),
        instruction=float(np.mean([one.instruction for one, _ in marks])),
        fluency=float(np.mean([one.fluency for one, _ in marks])),
        unseen=float(np.mean([n_of(speaking.concept.unseen, one) > 0 for one in words])),
        area=None if area is None else area[0],
        area_interval=None if area is None else area[1],
    )
