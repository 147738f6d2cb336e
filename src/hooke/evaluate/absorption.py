"""Feature absorption: a feature for "begins with S" that is silent where a more special one took its part.

On words that are one token, at that token (Chanin et al. 2409.14507; SAEBench 2503.09532):

    probe       logistic regression on what the dictionary reads, one letter against all others, on half of the words
    main        the k-sparse probe's features: another is added while F1 rises by more than .03
    absorbed    the probe is right and every main feature is silent, while the feature that projects most on the probe
                has a cosine of at least .025 with it and carries at least .4 of the projection of all features
    rate        absorbed words / words that the probe gets right                        by letter

Letters that the probe cannot tell (F1 below .6) are left out: nothing can be said of them.

SAEBench has two numbers of its own, counted here beside it (`by_letter`): it measures along the probe in cosines, and
against what is read instead of what features write, also where a part of a letter only is taken:

    fully absorbed      as above, with at least .4 of the projection of what is read
    absorbed share      up to three other features of a cosine of at least .1 together carry at least .4 of it: their
                        part of what they and the main features carry, all where the main ones are silent
"""

from collections.abc import Sequence
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
_LEAST_ABSORBER, _MOST_ABSORBERS = 0.1, 3
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Letter:
    """What became of the words of one letter."""

    letter: str
    n_right: int
    """Words that the probe gets right."""
    n_main: int
    """Main features."""
    n_absorbed: int
    """Words absorbed."""
    n_full: int
    """Words fully absorbed, by SAEBench's rule."""
    share: float
    """Sum of the absorbed shares of words, by SAEBench's rule."""


def absorption(subject: Subject, words: Words, read: ReadWords) -> dict[str, UnitScores]:
    """Rate of absorption and number of main features, by letter; letters that no probe can tell count for nothing."""
    found = by_letter(subject, words, read)
    none = Letter(letter="", n_right=0, n_main=0, n_absorbed=0, n_full=0, share=0)
    letters = [found.get(letter, none) for letter in read.probes]
    absorbed, right, n_main = (
        np.array([getattr(one, name) for one in letters], dtype=np.float64)
        for name in ("n_absorbed", "n_right", "n_main")
    )
    return {
        "absorbed words": UnitScores(parts=absorbed, wholes=right),
        "features that share a letter": UnitScores(parts=n_main, wholes=(n_main > 0).astype(np.float64)),
    }


def by_letter(subject: Subject, words: Words, read: ReadWords) -> dict[str, Letter]:
    """What became of the words of each letter that a probe can tell."""
    acts, decoder = acts_and_decoder(subject, read)
    found = {
        letter: one_letter(words, one, letter, acts, decoder, read.read.numpy()) for letter, one in read.probes.items()
    }
    return {letter: one for letter, one in found.items() if one is not None}


def acts_and_decoder(
    subject: Subject, read: ReadWords
) -> tuple[Float[ndarray, "word feature"], Float[ndarray, "feature d_in"]]:
    """What every feature does at every word, and what it writes."""
    dictionary = subject.dictionary
    with torch.no_grad():
        acts = dictionary.encode(read.read.to(dictionary.device)).dense().cpu().numpy()
        decoder = dictionary.decoder_rows(torch.arange(dictionary.n_features, device=dictionary.device)).cpu().numpy()
    return acts, decoder


def one_letter(
    words: Words,
    probe: Probe,
    letter: str,
    acts: Float[ndarray, "word feature"],
    decoder: Float[ndarray, "feature d_in"],
    read: Float[ndarray, "word d_in"],
) -> Letter | None:
    """What became of the words of a letter that the probe gets right; None where it cannot tell the letter."""
    if probe.f1 < _LEAST_F1:
        return None
    labels, first = words.letters == letter, words.is_first
    main = main_features(acts[first], labels[first])
    tried = acts[~first][probe.right]
    silent = ~(tried[:, main] > 0).any(1)
    along = decoder @ probe.direction
    cosine = along / (np.linalg.norm(decoder, axis=1) + 1e-12)
    projected = tried * along
    strongest = projected.argmax(1)
    most = projected[np.arange(len(tried)), strongest]
    carries = most >= _LEAST_SHARE * projected.sum(1)
    absorbed = silent & carries & (most > 0) & (cosine[strongest] >= _LEAST_COSINE)
    along_read = read[~first][probe.right] @ probe.direction
    full, share = against_read(tried, cosine, along_read, main)
    return Letter(
        letter=letter,
        n_right=int(probe.right.sum()),
        n_main=len(main),
        n_absorbed=int(absorbed.sum()),
        n_full=int(full.sum()),
        share=float(share.sum()),
    )


def against_read(
    acts: Float[ndarray, "word feature"],
    cosine: Float[ndarray, " feature"],
    along_read: Float[ndarray, " word"],
    main: Sequence[int],
) -> tuple[Bool[ndarray, " word"], Float[ndarray, " word"]]:
    """Which words are fully absorbed, and the absorbed share of each, against the projection of what is read."""
    projected = acts * cosine
    strongest = projected.argmax(1)
    most = projected[np.arange(len(acts)), strongest]
    full = ~(acts[:, main] > 0).any(1) & (cosine[strongest] >= _LEAST_COSINE) & (along_read > 0)
    full &= most >= _LEAST_SHARE * along_read
    own = projected[:, main].sum(1)
    others = np.where((cosine >= _LEAST_ABSORBER) & (projected > 0), projected, 0)
    others[:, main] = 0
    taken = np.sort(others, axis=1)[:, -_MOST_ABSORBERS:].sum(1)
    has_part = (own < along_read) & (taken / along_read >= _LEAST_SHARE)
    took = np.minimum(taken, along_read - own)
    part = np.divide(took, took + own, out=np.zeros(len(acts)), where=took + own > 0)
    return full, np.where(has_part, np.where(own <= 0, 1.0, part.clip(0, 1)), 0.0)


def main_features(acts: Float[ndarray, "word feature"], labels: Bool[ndarray, " word"]) -> list[int]:
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
