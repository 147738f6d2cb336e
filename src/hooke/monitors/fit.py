"""A probe from labelled texts by the plainest means, and the monitor that reads with it.

Groups of texts are parted once: on some the probe is fitted, on others its site is chosen, and the rest stay untouched
for the evaluation. Which is which follows from the groups' names and a seed alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray

from hooke.directions.direction import Made
from hooke.directions.evidence import load_evidence
from hooke.directions.makers import logistic_weights, mean_difference
from hooke.directions.pooling import Pooling
from hooke.directions.probe import Probe, load_probe
from hooke.directions.splits import split_by_group
from hooke.errors import BadRequest
from hooke.findings import area_under_curve
from hooke.lab import Lab
from hooke.models.model import Model
from hooke.monitors.scorers import open_scorer, scorer_digest
from hooke.monitors.spec import Scorer
from hooke.monitors.transcripts import (
    LONGEST,
    Form,
    Text,
    concept_texts,
    read_rows,
    read_transcripts,
    texts_fingerprint,
)
from hooke.sites import Site, parse_feature
from hooke.text.concepts import CONCEPTS

Method = Literal["means", "logistic"]
POOLING = Pooling(how="ema", window=16)
"""How a monitor pools unless told: as in production, an average that forgets (2601.04603)."""
WARM_UP = 4
"""Tokens that a new monitor waits before it judges."""
_SHARES = {"fit": 0.5, "choose": 0.2}


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """Labelled texts, parted by whole groups."""

    fit: tuple[Text, ...]
    """What the probe is fitted on."""
    choose: tuple[Text, ...]
    """What its site is chosen on, and scores are turned into chances."""
    test: tuple[Text, ...]
    """What it is evaluated on."""


def part(texts: Sequence[Text], *, seed: int = 0) -> Parts:
    """Labelled texts in three parts.

    Raises:
        BadRequest: a part would not have texts of both labels.
    """
    groups = sorted({one.group for one in texts})
    drawn = [groups[at] for at in np.random.default_rng(seed).permutation(len(groups))]
    first = round(_SHARES["fit"] * len(drawn))
    second = first + max(1, round(_SHARES["choose"] * len(drawn)))
    names = {"fit": set(drawn[:first]), "choose": set(drawn[first:second]), "test": set(drawn[second:])}
    parts = {part: tuple(one for one in texts if one.group in own) for part, own in names.items()}
    poor = [part for part, own in parts.items() if {one.label for one in own} != {True, False}]
    if poor:
        raise BadRequest(
            "These texts cannot be parted.",
            f"{len(texts)} texts in {len(groups)} groups; not both labels in: {', '.join(poor)}.",
            "Give texts with and without the concept, in more groups.",
        )
    return Parts(**parts)


def fit_probe(
    model: Model,
    parts: Parts,
    sites: Sequence[Site],
    *,
    name: str,
    concept: str,
    method: Method = "means",
    pooling: Pooling = POOLING,
    seed: int = 0,
    longest: int = LONGEST,
) -> Probe:
    """A probe at the one of some sites that tells the texts apart best that it was not fitted on.

    Raises:
        BadRequest, UnknownSite, UnsupportedModel: see `tokens_of`, `Model.run`.
    """
    both = [*parts.fit, *parts.choose]
    means = mean_rows(model, both, sites, longest=longest)
    labels = np.array([bool(one.label) for one in both])
    n_fit = len(parts.fit)
    areas, found = {}, {}
    for site in sites:
        vector, bias = fitted(means[site][:n_fit], labels[:n_fit], method=method)
        scores = means[site][n_fit:] @ vector + bias
        areas[site] = area_under_curve(scores[labels[n_fit:]], scores[~labels[n_fit:]])[0]
        found[site] = vector, bias
    best = max(sites, key=lambda site: areas[site])
    vector, bias = found[best]
    made = Made(
        method={"means": "difference of means", "logistic": "logistic regression"}[method],
        concept=concept,
        model=model.name,
        model_fingerprint=model.fingerprint,
        n=n_fit,
        n_groups=len({one.group for one in parts.fit}),
        seed=seed,
        settings={"areas_when_chosen": {str(site): float(area) for site, area in areas.items()}},
    )
    weights = torch.from_numpy(vector).float()
    return Probe(name=name, sites=(str(best),), vectors=(weights,), bias=float(bias), pooling=pooling, made=made)


def mean_rows(
    model: Model, texts: Sequence[Text], sites: Sequence[Site], *, longest: int = LONGEST
) -> dict[Site, Float[ndarray, "text width"]]:
    """Mean activation of each text over its tokens but the first."""
    found: dict[Site, list] = {site: [None] * len(texts) for site in sites}
    for at, rows, _ in read_rows(model, texts, sites, longest=longest, name="read labelled texts"):
        for site in sites:
            counted = rows[site][1:] if len(rows[site]) > 1 else rows[site]
            found[site][at] = counted.mean(0).cpu().double().numpy()
    return {site: np.stack(own) for site, own in found.items()}


def fitted(
    rows: Float[ndarray, "text width"], labels: Bool[ndarray, " text"], *, method: Method
) -> tuple[Float[ndarray, " width"], float]:
    """A direction and a bias; scores are in standard deviations of the texts without the concept, 0 between the two."""
    vector = (mean_difference if method == "means" else logistic_weights)(rows, labels)
    scores = rows @ vector
    spread = scores[~labels].std() or 1.0
    middle = (scores[labels].mean() + scores[~labels].mean()) / 2
    return vector / spread, float(-middle / spread)


def given_scorers(
    model: Model, lab: Lab, probes: Sequence[str], features: Sequence[str]
) -> tuple[tuple[Scorer, ...], Pooling]:
    """Probes of the lab and features as scorers, pinned to what they are now; and how they are pooled.

    One probe alone keeps its own pooling.

    Raises:
        UnknownName: one of them is not there.
        BadArtefact, ShapeMismatch, UnknownSite, UnsupportedModel: one does not fit the model.
    """
    by_dictionary: dict[str | None, list[str]] = {}
    for one in features:
        by_dictionary.setdefault(parse_feature(one).dictionary, []).append(one)
    found = [Scorer(probe=one) for one in probes] + [Scorer(features=tuple(own)) for own in by_dictionary.values()]
    for one in found:
        open_scorer(one, model, lab)
    pinned = tuple(replace(one, digest=scorer_digest(one, lab)) for one in found)
    return pinned, load_probe(lab, probes[0]).pooling if len(found) == len(probes) == 1 else POOLING


@dataclass(frozen=True, kw_only=True, slots=True)
class FitRecord:
    """On which labelled texts a monitor's probe was fitted, so that it is evaluated on others."""

    texts: str
    """Name of a concept set, or a file."""
    fingerprint: str
    """Identifies the texts."""
    form: Form
    """How they were read."""
    seed: int
    """By which they were parted."""
    longest: int
    """Tokens of a text that were read."""
    was_fitted: bool
    """Whether the probe was fitted here; one that was given may have seen any of them."""
    confirmation: str = ""
    """Of a given probe that `hooke probe fit` made on these texts, the part that it was confirmed on."""

    @staticmethod
    def of(ref: str, texts: Sequence[Text], *, form: Form, seed: int, longest: int) -> "FitRecord":
        """The record of a probe that was fitted on these texts, which a reference names."""
        return FitRecord(
            texts=ref,
            fingerprint=texts_fingerprint(texts),
            form=form,
            seed=seed,
            longest=longest,
            was_fitted=True,
        )

    def of_given(self, lab: Lab, texts: Sequence[Text], probes: Sequence[str], features: Sequence[str]) -> "FitRecord":
        """The record of probes and features that were given, which may know some of the texts.

        One probe alone with evidence on these very texts brings its parts with it.

        Raises:
            UnknownName, BadArtefact, BadConfig: see `load_evidence`.
        """
        given = replace(self, was_fitted=False)
        evidence = load_evidence(lab, probes[0]) if len(probes) == 1 and not features else None
        if evidence is None:
            return given
        try:
            split = split_by_group(texts, seed=evidence.seed)
        except BadRequest:
            return given
        if split.fingerprint != evidence.split:
            return given
        return replace(given, seed=evidence.seed, confirmation=split.fingerprint)


def labelled_texts(ref: str, form: Form) -> list[Text]:
    """The labelled texts that a reference names: a concept set, or a file of JSON lines.

    Raises:
        UnknownName: it is neither.
        BadRequest: the file cannot be read, or a text has no label.
    """
    if ref in CONCEPTS or not Path(ref).is_file():
        return concept_texts(ref, form)
    found = [replace(one, group=one.group or str(at)) for at, one in enumerate(read_transcripts(Path(ref)))]
    if any(one.label is None for one in found):
        raise BadRequest(f"A text of '{ref}' has no label.", "", 'Give every line a "label", true or false.')
    return found
