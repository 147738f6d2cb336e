"""What a dictionary's features are held against on labelled texts: numbers of other units, and of no units at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from hooke.dictionaries import Dictionary
from hooke.dictionaries.neurons import Neurons
from hooke.evaluate.quality import Subject
from hooke.evaluate.sparse_probing import read_texts
from hooke.models.model import Model
from hooke.models.neurons import neurons_of

_C = 0.1
_AT_ONCE = 1024
NEURONS, RANDOM, WORDS = "the best neuron of the layer", "the best random direction", "a probe of words alone"


@dataclass(frozen=True, slots=True)
class Measured:
    """Texts as numbers: for each unit its largest activation over the tokens, and behind these columns its mean."""

    own: Float[ndarray, "text column"]
    """Of the dictionary."""
    controls: dict[str, ndarray]
    """The same of its controls, by name; their columns are of their own units."""
    reads: list[Tensor]
    """What the dictionary reads of each text, [token, d_in]."""


def measured(dictionary: Dictionary, model: Model, texts: Sequence[str], *, seed: int = 0) -> Measured:
    """Texts as a dictionary that reads one site has them, and as its controls do.

    There is a random direction for each feature, which fires on as many tokens. Of the layer's neurons as many are
    active per token; they are no control of neurons.
    """
    (site,) = dictionary.reads
    reads = read_texts([Subject(dictionary.name, dictionary, model)], texts)[model.name, site]
    counts = torch.zeros(dictionary.n_features, dtype=torch.int64)
    n_active = []
    for one in reads:
        fires = dictionary.encode(one.to(dictionary.device)).dense().cpu() > 0
        counts += fires.sum(0)
        n_active.append(fires.sum(1).float())
    controls = {RANDOM: random_units(reads, counts, generator=torch.Generator().manual_seed(seed))}
    if site.layer is not None and not isinstance(dictionary, Neurons):
        k = max(1, round(float(torch.cat(n_active).mean())))
        neurons = neurons_of(model, site.layer, k=k)
        read = read_texts([Subject(neurons.name, neurons, model)], texts)
        controls[NEURONS] = pooled(neurons, read[model.name, neurons.reads[0]])
    return Measured(pooled(dictionary, reads), controls, reads)


def pooled(dictionary: Dictionary, reads: Sequence[Tensor]) -> Float[ndarray, "text column"]:
    """The largest activation of every feature over each text's tokens, and behind these columns the mean ones."""
    found = []
    with torch.no_grad():
        for one in reads:
            acts = dictionary.encode(one.to(dictionary.device)).dense()
            found.append(torch.cat([acts.amax(0), acts.mean(0)]).cpu())
    return torch.stack(found).numpy()


def random_units(
    reads: Sequence[Tensor], counts: Int[Tensor, " feature"], *, generator: torch.Generator
) -> Float[ndarray, "text column"]:
    """The same for random directions, each with the bar above which it fires on so many of all tokens."""
    stream = torch.cat(list(reads))
    stream = stream - stream.mean(0)
    lengths = [len(one) for one in reads]
    live = (counts > 0).nonzero()[:, 0]
    largest, means = (torch.zeros(len(reads), len(counts)) for _ in range(2))
    for some in live.split(_AT_ONCE):
        along = stream @ torch.randn(stream.shape[1], len(some), generator=generator)
        places = counts[some].clamp(max=len(stream) - 1)
        bars = along.sort(0, descending=True).values[places, torch.arange(len(some))]
        parts = (along - bars).clamp(min=0).split(lengths)
        largest[:, some] = torch.stack([one.amax(0) for one in parts])
        means[:, some] = torch.stack([one.mean(0) for one in parts])
    return torch.cat([largest, means], 1).numpy()


def word_scores(
    texts: Sequence[str], labels: Bool[ndarray, " text"], fitted: Bool[ndarray, " text"]
) -> Float[ndarray, "text one"]:
    """What a logistic regression on counts of words, fitted on some of the texts, says of each."""
    counter = CountVectorizer(token_pattern=r"\w+|[^\w\s]").fit(np.array(texts)[fitted])
    counts: Any = counter.transform(texts)
    return _scores(counts.toarray().astype(np.float64), labels, fitted)


def stream_scores(
    reads: Sequence[Tensor], labels: Bool[ndarray, " text"], fitted: Bool[ndarray, " text"]
) -> Float[ndarray, "text one"]:
    """The same for the mean of everything that a dictionary reads: what there is to be found."""
    return _scores(torch.stack([one.mean(0) for one in reads]).double().numpy(), labels, fitted)


def _scores(
    values: Float[ndarray, "text column"], labels: Bool[ndarray, " text"], fitted: Bool[ndarray, " text"]
) -> Float[ndarray, "text one"]:
    scaler = StandardScaler().fit(values[fitted])
    probe = LogisticRegression(C=_C, class_weight="balanced", max_iter=1000)
    probe.fit(scaler.transform(values[fitted]), labels[fitted])
    return probe.decision_function(scaler.transform(values))[:, None]


def alike(rates: Float[ndarray, " column"], at: int, others: Int[ndarray, " other"], n: int) -> Int[ndarray, " found"]:
    """Of these columns those that fire on most nearly as many texts as the one at hand."""
    rest = others[others != at]
    return rest[np.argsort(np.abs(rates[rest] - rates[at]), kind="stable")[:n]]
