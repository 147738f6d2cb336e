"""Whether a few features tell a concept: the k best of a dictionary, chosen and fitted on some groups of texts.

    text -> mean activation of every feature over its tokens (the first left out)
    k features of the largest difference of means, in standard deviations -> logistic regression -> the other groups

Every text is judged once, by a probe that has seen nothing of its group (Gurnee et al. 2023; SAEBench 2503.09532). Two
rows need no dictionary: all numbers of the stream, and the words of the text.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from hooke.dictionaries import Dictionary
from hooke.errors import BadRequest
from hooke.evaluate.quality import Quality, Row, Subject, UnitScores, estimate_units
from hooke.progress import track
from hooke.sites import Site
from hooke.text.concepts import Labelled

KS = (1, 2, 5, 16)
_FOLDS = 5
_BATCH = 32


@dataclass(frozen=True, slots=True)
class Recipe:
    """How features are chosen and a probe is fitted to them."""

    c: float
    """C of the logistic regression."""
    scales: bool
    """Whether features are measured in standard deviations, in the choice and in the fit."""
    balances: bool
    """Whether both labels weigh the same in the fit."""


OURS = Recipe(c=0.1, scales=True, balances=True)
"""Strong regularisation, since texts are few."""
PLAIN = Recipe(c=1.0, scales=False, balances=False)
"""That of SAEBench: features as they are."""

Reads = dict[tuple[str, Site], list[Tensor]]
"""What is read of each text, [token, width], the first token left out, by the model's name and the site."""


def read_texts(subjects: Sequence[Subject], texts: Sequence[str]) -> Reads:
    """All that these subjects read of some texts, each model run once.

    Raises:
        BadRequest: two different models have the same name.
    """
    models = {one.model.name: one.model for one in subjects}
    if any(models[one.model.name] is not one.model for one in subjects):
        raise BadRequest("Two models of the same name cannot be told apart.", f"{list(models)}", "Rename one of them.")
    found: Reads = {}
    for name, model in models.items():
        sites = {one.dictionary.reads[0] for one in subjects if one.model is model}
        for start in track(range(0, len(texts), _BATCH), f"read, {name}", unit="batches"):
            run = model.run(list(texts[start : start + _BATCH]), capture=sites, logits=False)
            for site in sites:
                rows = zip(run[site].flatten(2).float().cpu(), run.tokens.mask.cpu(), strict=True)
                found.setdefault((name, site), []).extend(row[_counted(mask)] for row, mask in rows)
    return found


def _counted(mask: Bool[Tensor, " pos"]) -> Bool[Tensor, " pos"]:
    """A text's tokens but the first, or the first where there is no other."""
    counted = mask.clone()
    counted[int(mask.int().argmax())] = int(mask.sum()) == 1
    return counted


def sparse_probing(
    subject: Subject, reads: Reads, items: Sequence[Labelled], *, ks: Sequence[int] = KS, seed: int = 0
) -> dict[str, UnitScores]:
    """Balanced accuracy of the best k features, by group of texts; `reads` are of the items, in their order.

    Raises:
        BadRequest: there are fewer groups than folds, or all texts have one label.
    """
    pooled = mean_features(subject.dictionary, _reads_of(subject, reads))
    return {f"{k} feature{'s' * (k > 1)}": judged(pooled, items, best=k, seed=seed) for k in ks}


def stream_probing(subject: Subject, reads: Reads, items: Sequence[Labelled], *, seed: int = 0) -> UnitScores:
    """The same with every number that the dictionary reads: what there is to be found."""
    pooled = torch.stack([one.mean(0) for one in _reads_of(subject, reads)]).numpy()
    return judged(pooled, items, best=None, seed=seed)


def _reads_of(subject: Subject, reads: Reads) -> list[Tensor]:
    return reads[subject.model.name, subject.dictionary.reads[0]]


def mean_features(dictionary: Dictionary, reads: Sequence[Tensor]) -> Float[ndarray, "text feature"]:
    """Mean activation of every feature over each text's tokens, given [token, d_in] for each."""
    with torch.no_grad():
        pooled = [dictionary.encode(one.to(dictionary.device)).dense().mean(0).cpu() for one in reads]
    return torch.stack(pooled).numpy()


def word_probing(items: Sequence[Labelled], *, seed: int = 0) -> UnitScores:
    """The same with counts of words: what needs no model."""
    counter = CountVectorizer(token_pattern=r"\w+|[^\w\s]").fit([one.text for one in items])
    counts: Any = counter.transform([one.text for one in items])
    return judged(counts.toarray().astype(np.float32), items, best=None, seed=seed)


def with_references(
    measured: Sequence[Quality], own: Subject, reads: Reads, items: Sequence[Labelled], name: str, *, seed: int = 0
) -> list[Quality]:
    """The same beside two rows of no dictionary: all that is read, and words alone; the concept's name in the claim."""
    rows = {
        "all that it reads": stream_probing(own, reads, items, seed=seed),
        "words alone": word_probing(items, seed=seed),
    }
    more = tuple(
        Row(subject=subject, value=estimate_units(scores, seed=seed), above=None) for subject, scores in rows.items()
    )
    return [replace(one, claim=f"{name}, {one.claim}", rows=(*one.rows, *more)) for one in measured]


def judged(
    values: Float[ndarray, "text feature"],
    items: Sequence[Labelled],
    *,
    best: int | None,
    seed: int = 0,
    recipe: Recipe = OURS,
) -> UnitScores:
    """Balanced accuracy by group: parts are weights of texts judged rightly, wholes of all.

    Raises:
        BadRequest: there are fewer groups than folds, or all texts have one label.
    """
    labels, names = np.array([one.label for one in items]), np.array([one.group for one in items])
    groups = sorted(set(names.tolist()))
    if len(groups) < _FOLDS or len(set(labels.tolist())) < 2:
        raise BadRequest(
            "These texts cannot be parted for a probe.",
            f"{len(items)} texts in {len(groups)} groups, {int(labels.sum())} of them with the concept.",
            f"Give texts with and without it, in at least {_FOLDS} groups.",
        )
    right = np.zeros(len(items), dtype=bool)
    for train, test in GroupKFold(_FOLDS, shuffle=True, random_state=seed).split(values, labels, names):
        right[test] = told(values[train], labels[train], values[test], best, recipe) == labels[test]
    weights = np.where(labels, 1 / labels.sum(), 1 / (~labels).sum())
    at = np.searchsorted(groups, names)
    return UnitScores(parts=np.bincount(at, weights * right), wholes=np.bincount(at, weights))


def told(
    values: Float[ndarray, "text feature"],
    labels: Bool[ndarray, " text"],
    new: Float[ndarray, "other feature"],
    best: int | None,
    recipe: Recipe = OURS,
) -> Bool[ndarray, " other"]:
    """What a probe of the best features of some texts says of others."""
    chosen = _apart(values, labels, best, recipe)
    scaler = StandardScaler(with_mean=recipe.scales, with_std=recipe.scales).fit(values[:, chosen])
    probe = LogisticRegression(C=recipe.c, class_weight="balanced" if recipe.balances else None, max_iter=1000)
    probe.fit(scaler.transform(values[:, chosen]), labels)
    return np.asarray(probe.predict(scaler.transform(new[:, chosen])))


def _apart(
    values: Float[ndarray, "text feature"], labels: Bool[ndarray, " text"], best: int | None, recipe: Recipe
) -> ndarray | slice:
    """The features whose means differ most."""
    if best is None:
        return slice(None)
    away = np.abs(values[labels].mean(0) - values[~labels].mean(0))
    return np.argsort(-(away / (values.std(0) + 1e-6) if recipe.scales else away), kind="stable")[:best]
