"""Whether what features fire on can be said in a rule, without a language model as explainer or judge.

    rules made from one text (`features/rule_explainer.py`)  ->  detection on another (`features/scorers.py`)

Detection is the balanced accuracy with which a rule tells passages in which the feature fires from hard ones in which
it is silent. Rules of other features of the same dictionary are tried on the same passages: what a rule has beyond them
is what it says of this feature. Features are drawn at random among those that fire often enough in both texts; units of
different dictionaries are so not the same ones. A score by rules says less than one by sentences, and cannot be set
beside scores that a language model gave.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from hooke.errors import BadRequest
from hooke.evaluate.quality import Subject, UnitScores
from hooke.features.drafts import Case, Draft
from hooke.features.evidence import read_evidence
from hooke.features.examples import by_strength
from hooke.features.judges import RuleJudge
from hooke.features.logit_effects import logit_effects, prepare
from hooke.features.rule_explainer import RuleExplainer
from hooke.features.scorers import Judged, detection
from hooke.features.trials import Trial, TrialMaker
from hooke.features.vocabulary import read_vocabulary
from hooke.lab import Lab
from hooke.progress import track
from hooke.text.documents import Corpus
from hooke.text.windows import WindowConfig

N_FEATURES, N_OTHERS = 64, 16
"""Features that are scored, and other features' rules that each is scored beside."""
N_TOKENS = 8_192
"""Tokens of each text."""
_LOOKED_AT = 16
"""Features that are looked at for each that is wanted: most fire too seldom in so little text."""


def interpretability(
    subject: Subject,
    made: Corpus,
    held: Corpus,
    *,
    windows: WindowConfig,
    n_features: int = N_FEATURES,
    n_tokens: int = N_TOKENS,
    seed: int = 0,
) -> dict[str, UnitScores]:
    """Detection of rules by feature, and what it has beyond other features' rules; a feature that is missing has none.

    Raises:
        BadRequest: both texts are the same, or a text does not fill a window, or the dictionary reads several sites.
    """
    if made.fingerprint == held.fingerprint:
        raise BadRequest(f"Rules would be made from and tried on '{made.name}'.", "", "Give two different texts.")
    with TemporaryDirectory() as folder:
        lab = Lab(Path(folder))
        readings = [
            read_evidence(subject.model, subject.dictionary, corpus, n_tokens=n_tokens, windows=windows, lab=lab)
            for corpus in (made, held)
        ]
        vocabulary = read_vocabulary(subject.model.tokenizer, subject.model.d_vocab)
        makers = [TrialMaker(one, vocabulary, seed=seed + place) for place, one in enumerate(readings)]
        order = np.random.default_rng(seed).permutation(subject.dictionary.n_features)[: n_features * _LOOKED_AT]
        explainer = RuleExplainer(makers[0], vocabulary, _promoted(subject, order))
        drafts = list(_drafts(makers, explainer, order.tolist(), n_features))
        judge = Judged("detection", detection, RuleJudge(makers[1]))
        scores = np.full((n_features, 2), np.nan)
        told = track(enumerate(drafts), f"rules of {subject.name}", total=len(drafts), unit="features")
        for place, (draft, trial) in told:
            others = [drafts[(place + step) % len(drafts)][0] for step in range(1, min(N_OTHERS + 1, len(drafts)))]
            score = judge.score(draft, trial, others)
            if score is not None and score.null is not None:
                scores[place] = score.value, score.value - score.null
    return {name: _units(scores[:, column]) for column, name in enumerate(CLAIMS)}


CLAIMS = ("detection by a rule, balanced accuracy", "the same beyond other features' rules")


def _units(values: Float[ndarray, " feature"]) -> UnitScores:
    there = np.isfinite(values)
    return UnitScores(parts=np.where(there, values, 0), wholes=there.astype(np.float64))


def _drafts(
    makers: list[TrialMaker], explainer: RuleExplainer, order: list[int], wanted: int
) -> Iterator[tuple[Draft, Trial]]:
    """Rules of the first features that have enough passages in both texts, each with its trial in the second."""
    found = 0
    for feature in order:
        trials = []
        for maker in makers:
            postings = maker.evidence.shards.postings(feature, feature + 1)
            strongest = by_strength(postings)
            trials.append((postings, strongest, maker.trial(postings, strongest, 0)))
        (postings, strongest, trial), (*_, held) = trials
        if not (trial.is_enough and held.is_enough):
            continue
        (draft,) = explainer.drafts([Case(postings, strongest, 0, trial)])
        if draft is None:
            continue
        yield draft, held
        found += 1
        if found == wanted:
            return


def _promoted(subject: Subject, features: ndarray) -> ndarray:
    """The tokens that these features promote, in a row for each feature of the dictionary."""
    vocabulary = read_vocabulary(subject.model.tokenizer, subject.model.d_vocab)
    rows = subject.dictionary.output_rows.detach().cpu()
    unembedding = prepare(subject.model.unembed_directions().cpu(), rows, vocabulary)
    generator = torch.Generator().manual_seed(0)
    told = np.asarray(logit_effects(unembedding, rows[torch.from_numpy(features)], generator=generator).promoted)
    found = np.zeros((len(rows), told.shape[1]), dtype=np.int64)
    found[features] = told
    return found
