"""Feature absorption: a feature for "begins with S" that is silent where a more special one took its part.

On words that are one token, at that token (Chanin et al. 2409.14507; SAEBench 2503.09532):

    probe       logistic regression on what the dictionary reads, one letter against all others, on half of the words
    main        the k-sparse probe's features: another is added while F1 rises by more than .03
    absorbed    the probe is right and every main feature is silent, while the feature that projects most on the probe
                has a cosine of at least .025 with it and carries at least .4 of the projection of all features
    rate        absorbed words / words that the probe gets right                        by letter

Letters that the probe cannot tell (F1 below .6) are left out: nothing can be said of them.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from hooke.errors import BadRequest
from hooke.evaluate.quality import Subject, UnitScores
from hooke.models.model import Model
from hooke.sites import Site

FEWEST_WORDS = 40
"""Of a letter, to be looked at."""
MOST_WORDS = 250
_JUMP, _MOST_FEATURES = 0.03, 10
_LEAST_F1, _LEAST_COSINE, _LEAST_SHARE = 0.6, 0.025, 0.4
_BATCH = 64
_C = 0.1


@dataclass(frozen=True, slots=True)
class Words:
    """Words of one token, in two halves."""

    texts: tuple[str, ...]
    letters: ndarray
    """First letter of each."""
    is_first: Bool[ndarray, " word"]
    """Whether a word is in the half that probes are fitted on."""


def words_of(model: Model, *, seed: int = 0) -> Words:
    """Lower-case words that are one token with a space before them, by letter as many as there are up to a bound.

    Raises:
        BadRequest: no letter has enough.
    """
    generator = np.random.default_rng(seed)
    ids = range(model.d_vocab)
    found = [model.tokenizer.decode([one]) for one in ids]
    kept = {text for text in found if text[:1] == " " and len(text) > 4 and text[1:].isascii() and text[1:].islower()
            and text[1:].isalpha()}  # fmt: skip
    by_letter: dict[str, list[str]] = {}
    for text in sorted(kept):
        by_letter.setdefault(text[1], []).append(text)
    chosen = [
        one
        for some in by_letter.values()
        if len(some) >= FEWEST_WORDS
        for one in generator.permutation(some)[:MOST_WORDS].tolist()
    ]
    if len({one[1] for one in chosen}) < 2:
        raise BadRequest(
            f"The tokenizer of {model.name} has too few words of one token.",
            f"{len(kept)} in all; a letter needs {FEWEST_WORDS}.",
            "Absorption cannot be measured on this model.",
        )
    first = generator.permutation(len(chosen)) % 2 == 0
    return Words(tuple(chosen), np.array([one[1] for one in chosen]), first)


@dataclass(frozen=True, slots=True)
class Probe:
    """What tells a letter in what is read, on the words that it was not fitted on."""

    right: Bool[ndarray, " word"]
    """Words of the letter that it gets right."""
    direction: Float[ndarray, " d_in"]
    """Where it points, of length 1."""
    f1: float


@dataclass(frozen=True, slots=True)
class ReadWords:
    """What one site holds at each word, and a probe for each letter."""

    read: Float[Tensor, "word d_in"]
    probes: dict[str, Probe]


def read_words(model: Model, site: Site, words: Words) -> ReadWords:
    """What a site holds at each word, behind a text that says nothing of it, with a probe for each letter."""
    found = []
    for start in range(0, len(words.texts), _BATCH):
        texts = [f"The word is{text}" for text in words.texts[start : start + _BATCH]]
        run = model.run(texts, capture=[site], logits=False)
        last = run.tokens.lengths - 1
        found.append(run[site].flatten(2)[torch.arange(len(last)), last].float().cpu())
    read = torch.cat(found)
    letters = sorted(set(words.letters.tolist()))
    return ReadWords(read, {letter: probe_of(letter, words, read.numpy()) for letter in letters})


def probe_of(letter: str, words: Words, read: Float[ndarray, "word d_in"]) -> Probe:
    """A logistic regression of one letter against all others, fitted on the first half of the words."""
    labels, first = words.letters == letter, words.is_first
    scaler = StandardScaler().fit(read[first])
    probe = LogisticRegression(C=_C, class_weight="balanced", max_iter=500)
    probe.fit(scaler.transform(read[first]), labels[first])
    said = probe.predict(scaler.transform(read[~first]))
    direction = probe.coef_[0] / scaler.scale_
    return Probe(
        right=said & labels[~first],
        direction=direction / np.linalg.norm(direction),
        f1=float(f1_score(labels[~first], said)),
    )


def absorption(subject: Subject, words: Words, read: ReadWords) -> dict[str, UnitScores]:
    """Rate of absorption and number of main features, by letter; letters that no probe can tell count for nothing."""
    dictionary = subject.dictionary
    with torch.no_grad():
        acts = dictionary.encode(read.read.to(dictionary.device)).dense().cpu().numpy()
        decoder = dictionary.decoder_rows(torch.arange(dictionary.n_features, device=dictionary.device)).cpu().numpy()
    counts = np.array([one_letter(words, one, letter, acts, decoder) for letter, one in read.probes.items()])
    absorbed, right, n_main = counts.T
    return {
        "absorbed words": UnitScores(parts=absorbed, wholes=right),
        "features that share a letter": UnitScores(parts=n_main, wholes=(n_main > 0).astype(np.float64)),
    }


def one_letter(
    words: Words,
    probe: Probe,
    letter: str,
    acts: Float[ndarray, "word feature"],
    decoder: Float[ndarray, "feature d_in"],
) -> tuple[float, float, float]:
    """Words absorbed, words that the probe gets right, main features; all 0 where the probe cannot tell the letter."""
    if probe.f1 < _LEAST_F1:
        return 0.0, 0.0, 0.0
    labels, first = words.letters == letter, words.is_first
    main = _main_features(acts[first], labels[first])
    tried = acts[~first][probe.right]
    silent = ~(tried[:, main] > 0).any(1)
    along = decoder @ probe.direction
    cosine = along / (np.linalg.norm(decoder, axis=1) + 1e-12)
    projected = tried * along
    strongest = projected.argmax(1)
    most = projected[np.arange(len(tried)), strongest]
    carries = most >= _LEAST_SHARE * projected.sum(1)
    absorbed = silent & carries & (most > 0) & (cosine[strongest] >= _LEAST_COSINE)
    return float(absorbed.sum()), float(probe.right.sum()), float(len(main))


def _main_features(acts: Float[ndarray, "word feature"], labels: Bool[ndarray, " word"]) -> list[int]:
    """Features of the k-sparse probe, the one that tells most by itself first."""
    away = (acts[labels].mean(0) - acts[~labels].mean(0)) / (acts.std(0) + 1e-6)
    order = np.argsort(-away, kind="stable")[:_MOST_FEATURES].tolist()
    chosen, best = order[:1], _f1(acts[:, order[:1]], labels)
    for n in range(2, len(order) + 1):
        found = _f1(acts[:, order[:n]], labels)
        if found <= best + _JUMP:
            break
        chosen, best = order[:n], found
    return chosen


def _f1(values: Float[ndarray, "word feature"], labels: Bool[ndarray, " word"]) -> float:
    probe = LogisticRegression(class_weight="balanced", max_iter=500).fit(values, labels)
    return float(f1_score(labels, probe.predict(values)))
