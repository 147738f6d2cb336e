"""Metrics of dictionaries beside their null rows: the same metric of what has learnt nothing, or was given for free.

A metric maps a subject to scores by unit (groups of texts, letters, windows): its value is Σ parts / Σ wholes. The same
units of every subject are drawn in each resample, so that how far a dictionary lies above a null has an interval of
its own, narrower than two intervals side by side (random and frozen dictionaries come close to trained ones on popular
scores: 2501.17727, 2602.14111).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from hooke.dictionaries import Dictionary, DictionaryConfig
from hooke.evaluate.random_dictionary import random_dictionary
from hooke.findings import Estimate, Finding, estimate
from hooke.models.model import Model
from hooke.models.neurons import neurons_of
from hooke.seeds import generator_for


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured: a dictionary, on the model whose activations it reads."""

    name: str
    dictionary: Dictionary
    model: Model


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitScores:
    """One metric of one subject, unit by unit."""

    parts: Float[ndarray, " unit"]
    wholes: Float[ndarray, " unit"]
    """The metric is Σ parts / Σ wholes."""


Metric = Callable[[Subject], dict[str, UnitScores]]
"""Scores of a subject by the words that say what they are; the same units for every subject."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One subject's value."""

    subject: str
    value: Estimate
    above: Estimate | None
    """What the dictionary measured has more than this one; None in its own row."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Quality:
    """One metric of a dictionary, the dictionary's own row first."""

    claim: str
    """What the numbers are of."""
    rows: tuple[Row, ...]
    n: int
    """Units."""
    unit: str
    """What they are, e.g. groups of texts."""
    method: str
    seed: int

    def findings(self) -> tuple[Finding, ...]:
        """How far the dictionary lies above each null: a finding a null."""
        own = self.rows[0]
        return tuple(
            Finding(
                claim=f"{self.claim}: {own.subject} above {row.subject}",
                value=row.above.value,
                interval=row.above.interval,
                n=self.n,
                control=row.value.value,
                control_interval=row.value.interval,
                control_name=row.subject,
                method=f"{self.method}; {own.subject} {own.value.value:.3f}; bootstrap over {self.unit}",
                seed=self.seed,
            )
            for row in self.rows[1:]
            if row.above is not None
        )


def measure(
    metric: Metric, own: Subject, nulls: Sequence[Subject], *, unit: str, method: str, seed: int = 0
) -> tuple[Quality, ...]:
    """A metric of a dictionary and of its nulls: one result for each thing that the metric says."""
    subjects = (own, *nulls)
    found = [metric(subject) for subject in subjects]
    return tuple(
        Quality(
            claim=claim,
            rows=_rows([subject.name for subject in subjects], [one[claim] for one in found], seed),
            n=len(found[0][claim].parts),
            unit=unit,
            method=method,
            seed=seed,
        )
        for claim in found[0]
    )


def estimate_units(scores: UnitScores, *, seed: int = 0) -> Estimate:
    """A metric with its interval over units."""
    return _estimate(lambda rows: _ratio(scores, rows), len(scores.parts), seed)


def _rows(names: Sequence[str], scores: Sequence[UnitScores], seed: int) -> tuple[Row, ...]:
    own = scores[0]
    # The same seed for each, and so the same units in each resample.
    return tuple(
        Row(
            subject=name,
            value=estimate_units(one, seed=seed),
            above=None
            if one is own
            else _estimate(lambda rows, one=one: _ratio(own, rows) - _ratio(one, rows), len(own.parts), seed),
        )
        for name, one in zip(names, scores, strict=True)
    )


def _ratio(one: UnitScores, rows: ndarray) -> ndarray:
    wholes = one.wholes[rows].sum(-1)
    return np.divide(one.parts[rows].sum(-1), wholes, out=np.full(wholes.shape, np.nan), where=wholes > 0)


def _estimate(statistic: Callable[[ndarray], ndarray], n: int, seed: int) -> Estimate:
    def of_units(units: ndarray) -> ndarray:
        return statistic(units.astype(np.int64))

    return estimate(np.arange(n, dtype=np.float64), generator=np.random.default_rng(seed), statistic=of_units)


def null_subjects(
    own: Subject, x: Float[Tensor, "token d_in"], y: Float[Tensor, "token d_out"], *, seed: int = 0
) -> tuple[Subject, ...]:
    """What needs no training: a random dictionary, principal components, and the neurons of the same layer.

    All have as many active features per token as the dictionary has on this sample of what it reads and writes.

    Raises:
        UnsupportedModel: the layer's neurons were not found.
    """
    dictionary, model = own.dictionary, own.model
    generator = generator_for(seed, "random dictionary")
    k = max(1, round(float(dictionary.encode(x).l0().float().mean())))
    drawn = Subject("random dictionary", random_dictionary(dictionary, x, y, generator=generator), model)
    components = Subject("principal components", principal_components(dictionary.config, k, x), model)
    layer = dictionary.reads[0].layer
    if layer is None:
        return drawn, components
    return drawn, components, Subject("neurons", neurons_of(model, layer, k=k), model)


def principal_components(config: DictionaryConfig, k: int, x: Float[Tensor, "token d_in"]) -> Dictionary:
    """The principal components of a sample as a dictionary: a feature for each end of each, k of them active."""
    centre = x.float().mean(0)
    components = torch.linalg.svd(x.float() - centre, full_matrices=False).Vh
    rows = torch.cat([components, -components])
    site = config.reads
    found = DictionaryConfig(
        name=f"components-{config.name}",
        model=config.model,
        kind="topk",
        reads=site,
        writes=site,
        n_features=len(rows),
        d_in=config.d_in,
        d_out=config.d_in,
        k=min(k, len(rows)),
    )
    return Dictionary(found, W_enc=rows.T.contiguous(), b_enc=-rows @ centre, W_dec=rows, b_dec=centre)
