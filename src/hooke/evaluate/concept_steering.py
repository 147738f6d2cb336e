"""Whether adding a feature makes texts with its concept likelier than their twins without it, beside random directions.

    score of a pair  =  mean log-probability of the tokens behind what both begin with, the text with the concept
                        less its twin, of the same group and style
    change           =  score with the direction added at every token but the first - score without

Pairs are of groups that the feature was not chosen on. Random directions have the same norm; what each of them does is
reported, and the feature moves the concept at a dose only if its change lies above all of theirs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from os.path import commonprefix

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor
from torch.nn import functional

from hooke.dictionaries import Dictionary
from hooke.directions.controls import random_like
from hooke.directions.dose_bench import window_losses
from hooke.errors import BadConfig, BadRequest
from hooke.evaluate.concept_features import Candidate
from hooke.evaluate.concept_groups import split_groups
from hooke.findings import Estimate, Finding, estimate, estimate_ratio
from hooke.models.model import Model
from hooke.models.split import SplitRun, split_run, steered
from hooke.progress import track
from hooke.text.concepts import Labelled
from hooke.text.windows import Windows


@dataclass(frozen=True, kw_only=True, slots=True)
class ConceptSteerConfig:
    """How candidates are steered."""

    strengths: tuple[float, ...] = (0.5, 1.0)
    """Doses, in units of the feature's largest activation on the texts."""
    n_controls: int = 8
    """Random directions of the same norm."""
    most_pairs: int = 16
    """Pairs of texts; groups take turns."""
    perplexity_limit: float = 1.0
    """Rise in perplexity, as a share, up to which a dose counts as affordable."""
    seed: int = 0
    """Seed of the random directions and the intervals."""

    def __post_init__(self) -> None:
        if not self.strengths or not all(np.isfinite(self.strengths)) or 0 in self.strengths:
            raise BadConfig(f"Strengths cannot be {self.strengths}.", "", "Give one or more numbers other than 0.")
        if self.n_controls < 1 or self.most_pairs < 1:
            raise BadConfig(
                "A steering check needs random directions and pairs.",
                f"{self.n_controls} directions, {self.most_pairs} pairs.",
                "Give 1 or more of each.",
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class ConceptDose:
    """A feature at one strength, and random directions at the same."""

    strength: float
    """In units of the feature's largest activation on the texts."""
    change: Estimate
    """Change of the score, nats per token, mean over pairs."""
    wrong_way: Estimate
    """Share of pairs whose score falls."""
    random: Estimate
    """The largest change of a random direction."""
    random_mean: float
    """Mean change of the random directions."""
    perplexity: Estimate
    """Perplexity of held-out text, relative to no edit."""
    random_perplexity: float
    """The same of random directions, in the mean."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ConceptSteering:
    """What adding a candidate does to its concept."""

    concept: str
    """Name of the set of texts."""
    address: str
    """The feature."""
    unit: float
    """Strength 1 in activation."""
    n_pairs: int
    """Pairs of texts."""
    n_groups: int
    """Groups that they are of."""
    n_windows: int
    """Windows of held-out text."""
    n_controls: int
    """Random directions."""
    doses: tuple[ConceptDose, ...]
    """By strength."""
    limit: float
    """Rise in perplexity that is affordable."""
    seed: int
    """Seed of the random directions and the intervals."""

    @property
    def moving(self) -> tuple[ConceptDose, ...]:
        """Doses that are affordable and whose change lies above 0 and above that of every random direction."""
        return tuple(
            one
            for one in self.doses
            if one.change.interval[0] > max(0.0, one.random.interval[1]) and one.perplexity.interval[1] < 1 + self.limit
        )

    @property
    def verdict(self) -> str:
        """Whether the feature moves its concept."""
        if not self.moving:
            return "does not move it more than random directions do, at an affordable dose"
        best = max(self.moving, key=lambda one: one.change.value)
        return f"moves it at strength {best.strength:g}"

    def findings(self) -> tuple[Finding, ...]:
        """For each dose its change beside the strongest random direction, pairs moved the wrong way, and its price."""
        return tuple(one for dose in self.doses for one in self._findings_at(dose))

    def _findings_at(self, dose: ConceptDose) -> list[Finding]:
        where = f"{self.concept}: {self.address} at strength {dose.strength:g}"
        method = f"{self.n_pairs} pairs of {self.n_groups} groups that it was not chosen on; bootstrap over groups"
        controls = f"{self.n_controls} random directions of the same norm"
        return [
            Finding(
                claim=f"{where} makes texts with the concept likelier than their twins",
                value=dose.change.value,
                interval=dose.change.interval,
                unit=" nats",
                n=self.n_groups,
                control=dose.random.value,
                control_interval=dose.random.interval,
                control_name=f"the largest of {controls}",
                method=method,
                seed=self.seed,
            ),
            Finding(
                claim=f"{where} moves pairs the wrong way",
                value=dose.wrong_way.value,
                interval=dose.wrong_way.interval,
                n=self.n_groups,
                control=0.5,
                control_name="what moves pairs by chance",
                method=method,
                seed=self.seed,
            ),
            Finding(
                claim=f"{where}: perplexity relative to no edit",
                value=dose.perplexity.value,
                interval=dose.perplexity.interval,
                n=self.n_windows,
                control=dose.random_perplexity,
                control_name=f"the mean of {controls}",
                method="adding the direction to held-out text; bootstrap over windows",
                seed=self.seed,
            ),
        ]


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two texts of one group and style, with the concept and without it."""

    group: str
    own: str
    other: str


def steer_concept(
    concept: str,
    items: Sequence[Labelled],
    candidate: Candidate,
    dictionary: Dictionary,
    model: Model,
    text: Windows,
    *,
    config: ConceptSteerConfig | None = None,
) -> ConceptSteering:
    """What adding a candidate does to pairs of texts of groups that it was not chosen on.

    Args:
        text: held-out windows that perplexity is measured on.

    Raises:
        BadRequest: no two texts of these groups can be paired, the dictionary writes several sites, or the feature is
            silent on all texts.
        UnsupportedModel: the model cannot be unembedded.
    """
    config = config or ConceptSteerConfig()
    if len(dictionary.writes) != 1 or candidate.largest <= 0:
        raise BadRequest(
            f"{candidate.address} cannot be steered here.",
            f"It writes {len(dictionary.writes)} sites; its largest activation is {candidate.largest:g}.",
            "Give a dictionary that writes one site, and texts on which the feature fires.",
        )
    pairs = _pairs(items, split_groups(items, seed=config.seed).second)[: config.most_pairs]
    bench = _Bench.open(model, dictionary, pairs, text)
    row = dictionary.decoder_rows(torch.tensor([candidate.feature], device=dictionary.device))[0]
    step = candidate.largest * row.detach().to(model.device, torch.float32)
    generator = np.random.default_rng([config.seed, candidate.feature])
    steps = [step, *(random_like(step, generator=generator) for _ in range(config.n_controls))]
    doses = []
    for strength in config.strengths:
        arms = [bench.arm(strength * one) for one in track(steps, f"steer {candidate.address}", unit="directions")]
        doses.append(bench.dose(strength, arms, config.seed))
    return ConceptSteering(
        concept=concept,
        address=candidate.address,
        unit=candidate.largest,
        n_pairs=len(bench.pairs),
        n_groups=len({one.group for one in bench.pairs}),
        n_windows=len(text.tokens),
        n_controls=config.n_controls,
        doses=tuple(doses),
        limit=config.perplexity_limit,
        seed=config.seed,
    )


def _pairs(items: Sequence[Labelled], groups: Sequence[str]) -> list[_Pair]:
    """Twins of the same group, style and language, the groups taking turns; those alike the longest come first."""
    by_group: list[list[_Pair]] = []
    for group in groups:
        own, other = ([one for one in items if one.group == group and one.label == label] for label in (True, False))
        by_group.append(_twins(own, other))
    turns = [pair for turn in zip_longest(*by_group) for pair in turn if pair is not None]
    if not turns:
        raise BadRequest(
            "No texts with and without the concept can be compared.",
            "No group has two of them in the same style and language.",
            "Give twins: texts of one group and style that differ in the concept.",
        )
    return turns


def _twins(own: Sequence[Labelled], other: Sequence[Labelled]) -> list[_Pair]:
    both = [(one, two) for one in own for two in other if (one.style, one.language) == (two.style, two.language)]
    both.sort(key=lambda pair: -len(commonprefix([pair[0].text, pair[1].text])))
    found: dict[str, _Pair] = {}
    taken: set[str] = set()
    for one, two in both:
        if one.text not in found and two.text not in taken:
            taken.add(two.text)
            found[one.text] = _Pair(one.group, one.text, two.text)
    return list(found.values())


@dataclass(frozen=True)
class _Arm:
    """What one direction does."""

    changes: Float[ndarray, " pair"]
    losses: Float[ndarray, " window"]


@dataclass(frozen=True)
class _Bench:
    """The unedited runs that every dose is compared with."""

    pairs: list[_Pair]
    run: SplitRun
    begins: list[int]
    """For each text the place of the first token that its twin does not share, of those that are predicted."""
    windows: SplitRun
    text: Windows
    base: Float[ndarray, " pair"]
    base_losses: Float[ndarray, " window"]

    @staticmethod
    def open(model: Model, dictionary: Dictionary, pairs: list[_Pair], text: Windows) -> "_Bench":
        """Pairs of which one text only goes on where the other ends are left out."""
        (site,) = dictionary.writes
        tokens = model.tokenize([one for pair in pairs for one in (pair.own, pair.other)])
        lengths = tokens.lengths.tolist()
        shared = [_shared(tokens.ids[at, : lengths[at]], tokens.ids[at + 1, : lengths[at + 1]])
                  for at in range(0, len(lengths), 2)]  # fmt: skip
        kept = [at for at, n in enumerate(shared) if max(1, n) < min(lengths[2 * at], lengths[2 * at + 1])]
        if not kept:
            raise BadRequest("No two texts of a pair part ways.", "", "Give other texts.")
        pairs = [pairs[at] for at in kept]
        run = split_run(model, [one for pair in pairs for one in (pair.own, pair.other)], site)
        begins = [max(1, shared[at]) for at in kept for _ in range(2)]
        windows = split_run(model, text.tokens, site)
        base, losses = _scores(run, run.final, begins), window_losses(windows, windows.final, text)
        return _Bench(pairs, run, begins, windows, text, base, losses.numpy())

    def arm(self, step: Float[Tensor, " width"]) -> _Arm:
        """One direction."""
        changes = _scores(self.run, steered(self.run, step), self.begins) - self.base
        return _Arm(changes, window_losses(self.windows, steered(self.windows, step), self.text).numpy())

    def dose(self, strength: float, arms: list[_Arm], seed: int) -> ConceptDose:
        """The first arm beside the others."""
        own, *others = arms
        best = max(others, key=lambda one: one.changes.mean())
        rises = own.losses - self.base_losses
        return ConceptDose(
            strength=strength,
            change=self._over_groups(own.changes, seed),
            wrong_way=self._over_groups((own.changes < 0).astype(np.float64), seed),
            random=self._over_groups(best.changes, seed),
            random_mean=float(np.mean([one.changes.mean() for one in others])),
            perplexity=estimate(
                rises, generator=np.random.default_rng(seed), statistic=lambda drawn: np.exp(drawn.mean(axis=-1))
            ),
            random_perplexity=float(np.mean([np.exp((one.losses - self.base_losses).mean()) for one in others])),
        )

    def _over_groups(self, values: Float[ndarray, " pair"], seed: int) -> Estimate:
        groups, at = np.unique([one.group for one in self.pairs], return_inverse=True)
        parts, wholes = (np.bincount(at, some, len(groups)) for some in (values, np.ones(len(at))))
        return estimate_ratio(parts, wholes, generator=np.random.default_rng(seed))


def _shared(one: Int[Tensor, " first"], other: Int[Tensor, " second"]) -> int:
    """How many tokens two texts begin with."""
    n = min(len(one), len(other))
    return int((one[:n] == other[:n]).int().cumprod(0).sum())


def _scores(run: SplitRun, final: Float[Tensor, "text pos d_model"], begins: list[int]) -> Float[ndarray, " pair"]:
    """Mean log-probability behind the shared tokens, of each pair's first text less that of its second."""
    found = []
    for row, (begin, length) in enumerate(zip(begins, run.tokens.lengths.tolist(), strict=True)):
        with torch.no_grad():
            logits = run.model.unembed(final[row, begin - 1 : length - 1]).float()
        found.append(-float(functional.cross_entropy(logits, run.tokens.ids[row, begin:length])))
    return np.array(found[::2]) - np.array(found[1::2])
