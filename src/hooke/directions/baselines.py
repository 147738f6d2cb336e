"""What a probe is born beside: the same texts and split, judged by what should not be able to tell."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from hooke.directions.asking import asked_scores
from hooke.directions.choosing import Candidate
from hooke.directions.controls import random_like
from hooke.directions.evidence import (
    ASKED,
    EMBEDDING,
    FORMAT,
    MAIN_RATE,
    RANDOM,
    REDRAWN,
    SHUFFLED,
    WORDS,
    Baseline,
)
from hooke.directions.group_draws import GroupDraws, estimated
from hooke.directions.makers import Fitted, scores_of, shuffled
from hooke.directions.surface import shape_scores, word_scores
from hooke.directions.token_rows import TokenRows, read_rows
from hooke.errors import HookeError
from hooke.findings import area_under_curve
from hooke.models.model import Model
from hooke.models.redrawn import redrawn
from hooke.progress import track
from hooke.sites import Site

N_RANDOM = 100
N_SHUFFLED = 5
_TOP = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """What all baselines share."""

    model: Model
    """The model."""
    choice: Candidate
    """What was chosen for the probe; baselines that are probes are made the same way."""
    fit: TokenRows
    """The part that is fitted on."""
    validation: TokenRows
    """The part that was chosen on; what is chosen is fitted on both."""
    both: TokenRows
    """Both, at the chosen sites and the embedding."""
    held: TokenRows
    """The confirmation part, at the same sites."""
    draws: GroupDraws
    """Draws of its groups."""
    seed: int
    """Seed of everything random."""

    def compare(
        self, name: str, own: Float[ndarray, " text"], others: Sequence[Float[ndarray, " text"]], about: str
    ) -> Baseline:
        """A baseline from its scores of the confirmation part; of several the mean of what they reach."""
        mine, areas = self.draws.areas(own), np.mean([self.draws.areas(one) for one in others], axis=0)
        recall, ahead = None, mine - areas
        reached = self.draws.recalls(own, MAIN_RATE)
        if reached is not None:
            found = [self.draws.recalls(one, MAIN_RATE) for one in others]
            theirs = np.mean([one for one in found if one is not None], axis=0)
            recall, ahead = estimated(theirs, n=self.draws.n_groups), reached - theirs
        return Baseline(
            name=name,
            area=estimated(areas, n=self.draws.n_groups),
            recall=recall,
            ahead=estimated(ahead),
            about=about,
        )


def measured_baselines(
    bench: Bench, own: Float[ndarray, " text"], fitted: Fitted, about: str
) -> tuple[list[Baseline], float]:
    """All of them, those that could not be measured too, and the share of random directions that the probe is above.

    Args:
        own: the probe's scores.
        about: what is asked about each text; nothing where there is no such sentence.
    """
    drawn = random_scores(bench, fitted)
    percentile = float(np.mean([_area(own, bench.held.labels) > area for area, _ in drawn]))
    texts = [one.text for one in bench.held.items]
    words, shape = (scores(bench.fit, bench.validation, texts) for scores in (word_scores, shape_scores))
    found = [
        bench.compare(WORDS, own, [words], "logistic regression on words and pairs of words"),
        bench.compare(FORMAT, own, [shape], "logistic regression on length, punctuation, digits and capitals"),
        _on_embedding(bench, own),
        shuffled_baseline(bench, own),
        random_baseline(bench, own, drawn),
        _redrawn(bench, own),
    ]
    if not about:
        return [*found, _unmeasured(ASKED, "no question was given")], percentile
    try:
        asked = asked_scores(bench.model, texts, about)
    except HookeError as error:
        return [*found, _unmeasured(ASKED, str(error))], percentile
    return [*found, bench.compare(ASKED, own, [asked], f"log-odds of Yes when asked: {about}")], percentile


def random_scores(bench: Bench, fitted: Fitted) -> list[tuple[float, Float[ndarray, " text"]]]:
    """AUROC and scores of random directions as long as the probe's; which way round says the part that is fitted on."""
    sites, pooling, labels = bench.choice.places, bench.choice.pooling, bench.held.labels
    generator = np.random.default_rng([bench.seed, 1])
    found = []
    for _ in track(range(N_RANDOM), "random directions", unit="directions"):
        drawn = Fitted(
            vectors=tuple(random_like(one, generator=generator) for one in fitted.vectors),
            attention=tuple(random_like(one, generator=generator) for one in fitted.attention),
        )
        turned = Fitted(vectors=tuple(-one for one in drawn.vectors), attention=drawn.attention)
        best = max(
            (drawn, turned), key=lambda one: _area(scores_of(one, bench.both, sites, pooling), bench.both.labels)
        )
        scores = scores_of(best, bench.held, sites, pooling)
        found.append((_area(scores, labels), scores))
    return found


def _area(scores: Float[ndarray, " text"], labels: ndarray) -> float:
    return area_under_curve(scores[labels], scores[~labels])[0]


def random_baseline(bench: Bench, own: Float[ndarray, " text"], drawn: Sequence[tuple[float, ndarray]]) -> Baseline:
    """The one near the top of random directions, as `random_scores` gives them."""
    found = sorted(drawn, key=lambda one: one[0])
    _, scores = found[int(_TOP * (len(found) - 1))]
    return bench.compare(RANDOM, own, [scores], f"the one at the {_TOP:.0%} point of {N_RANDOM}")


def _on_embedding(bench: Bench, own: Float[ndarray, " text"]) -> Baseline:
    site = Site("embed")
    same = Candidate(method=bench.choice.method, sites=(str(site),), pooling=bench.choice.pooling)
    scores = same.score(same.make(bench.both, seed=bench.seed), bench.held)
    return bench.compare(EMBEDDING, own, [scores], "the same probe on the token embeddings")


def shuffled_baseline(bench: Bench, own: Float[ndarray, " text"]) -> Baseline:
    """The same probe of labels that say nothing."""
    scores = []
    for at in range(N_SHUFFLED):
        dealt = shuffled(bench.both.labels, bench.both.groups, seed=bench.seed + at)
        scores.append(bench.choice.score(bench.choice.make(bench.both.relabelled(dealt), seed=bench.seed), bench.held))
    return bench.compare(
        SHUFFLED, own, scores, f"the same probe, labels dealt out anew within groups, {N_SHUFFLED} times"
    )


def _redrawn(bench: Bench, own: Float[ndarray, " text"]) -> Baseline:
    other = redrawn(bench.model, seed=bench.seed)
    both, held = (read_rows(other, data.items, bench.choice.places) for data in (bench.both, bench.held))
    scores = bench.choice.score(bench.choice.make(both, seed=bench.seed), held)
    return bench.compare(REDRAWN, own, [scores], "the same probe on a model whose weights are drawn at random")


def _unmeasured(name: str, why: str) -> Baseline:
    return Baseline(name=name, area=None, recall=None, ahead=None, about=f"not measured: {why}")
