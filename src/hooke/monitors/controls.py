"""What a monitor is compared with: random directions at its sites, and the words of the texts without any model."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from hooke.directions.controls import random_like
from hooke.directions.probe import Probe
from hooke.findings import area_under_curve
from hooke.monitors.evaluation import Area, area_of
from hooke.monitors.scorers import opened_probe
from hooke.monitors.spec import MonitorSpec, Scorer
from hooke.monitors.stream import OpenMonitor
from hooke.monitors.transcripts import Scored, Text


def random_monitors(spec: MonitorSpec, probe: Probe, n: int, *, seed: int = 0) -> list[OpenMonitor]:
    """The same monitor with random directions of the same norm in the place of its probe's."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        vectors = tuple(random_like(one, generator=generator) for one in probe.vectors)
        attention = tuple(random_like(one, generator=generator) for one in probe.attention)
        drawn = replace(probe, vectors=vectors, attention=attention)
        found.append(OpenMonitor(replace(spec, scorers=(Scorer(probe=probe.name),)), (opened_probe(drawn),)))
    return found


def random_area(labelled: Sequence[Scored], places: Sequence[int]) -> Area:
    """The median of random directions' areas, each turned so that it is above a half, and their 95 % range."""
    # A random direction is as likely to point the other way; for a control it may choose with the labels in hand.
    areas = [max(area, 1 - area) for area in (area_of(labelled, at)[0] for at in places)]
    low, middle, high = np.quantile(areas, [0.025, 0.5, 0.975])
    name = f"{len(places)} random directions, each turned the better way"
    return Area(name=name, value=float(middle), interval=(float(low), float(high)))


def words_area(fit: Sequence[Text], test: Sequence[Text]) -> Area:
    """Words and pairs of words alone, fitted on the same texts as the probe."""
    counter = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]", sublinear_tf=True)
    rows = counter.fit_transform([one.text for one in fit])
    model = LogisticRegression(C=10, class_weight="balanced", max_iter=1000).fit(rows, [bool(one.label) for one in fit])
    scores = model.decision_function(counter.transform([one.text for one in test]))
    labels = np.array([bool(one.label) for one in test])
    value, interval = area_under_curve(scores[labels], scores[~labels])
    return Area(name="words alone, no model", value=value, interval=interval)
