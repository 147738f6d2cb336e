"""Baselines on rows where it is known what is there."""

import numpy as np
import torch

from hooke.directions.baselines import N_RANDOM, Bench, random_baseline, random_scores, shuffled_baseline
from hooke.directions.choosing import Candidate
from hooke.directions.group_draws import GroupDraws
from hooke.directions.makers import Fitted
from hooke.directions.pooling import Pooling
from tests.directions.planted_rows import SITES, planted_rows
from tests.features.planted import planted_model


def bench(*, n: int = 240, strength: float = 3.0) -> Bench:
    fit, validation, held = (planted_rows(n=n, strength=strength, seed=seed)[0] for seed in range(3))
    return Bench(
        model=planted_model(),
        choice=Candidate(method="means", sites=(str(SITES[0]),), pooling=Pooling()),
        fit=fit,
        validation=validation,
        both=fit,
        held=held,
        draws=GroupDraws.of(held.labels, held.groups, seed=0, n=300),
        seed=0,
    )


def test_a_planted_direction_beats_shuffled_labels_and_random_directions() -> None:
    found = bench(strength=1.0)
    fitted = found.choice.make(found.both, seed=0)
    own = found.choice.score(fitted, found.held)
    dealt = shuffled_baseline(found, own)
    assert dealt.area is not None
    assert (dealt.is_beaten, abs(dealt.area.value - 0.5) < 0.2) == (True, True)
    drawn = random_scores(found, fitted)
    areas = np.array([area for area, _ in drawn])
    # Each is turned the better way round on the texts that are fitted on, and so does better than chance.
    assert (len(drawn), areas.mean() > 0.55) == (N_RANDOM, True)
    top = random_baseline(found, own, drawn)
    assert top.area is not None
    assert (areas >= top.area.value - 1e-9).sum() in (5, 6)
    assert top.is_beaten


def test_a_random_direction_does_not_beat_random_directions() -> None:
    found = bench()
    fitted = Fitted(vectors=(torch.randn(24, generator=torch.Generator().manual_seed(3)),))
    own = found.choice.score(fitted, found.held)
    assert random_baseline(found, own, random_scores(found, fitted)).is_beaten is False


def test_with_enough_negatives_recall_decides() -> None:
    found = bench(n=700)
    own = found.choice.score(found.choice.make(found.both, seed=0), found.held)
    same = found.compare("the same", own, [own, own], "")
    assert same.recall is not None
    assert same.ahead is not None
    assert same.ahead.value == 0
    assert same.is_beaten is False
    worse = found.compare("noise", own, [np.random.default_rng(0).normal(size=len(own))], "")
    assert worse.recall is not None
    assert worse.ahead is not None
    assert worse.ahead.value > 0.5
