"""Does a label mean something like the passages in which its feature fires: no judge, only word vectors."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from hooke.errors import BadRequest
from hooke.features.drafts import Draft
from hooke.features.encoders import Encoder, Static, has_static
from hooke.features.evidence import Evidence
from hooke.features.labels import Score
from hooke.features.meaning import said, word_weights
from hooke.features.scorers import Measured, score_of
from hooke.features.speakers import Writer
from hooke.features.trials import Trial
from hooke.features.vocabulary import Vocabulary
from hooke.findings import area_under_curve


def installed_encoder() -> Encoder:
    """The encoder that scores labels.

    Raises:
        BadRequest: it is not installed.
    """
    if not has_static():
        raise BadRequest(
            "The scorer 'embedding' needs word vectors.",
            "The package wordllama is not installed.",
            "Install it with pip install 'hooke[meaning]', or leave the scorer out.",
        )
    return Static()


class EmbeddingScorer:
    """The chance that a passage with a firing is nearer to the label than a hard one without; 0.5 by luck."""

    name = "embedding"

    def __init__(self, encoder: Encoder, evidence: Evidence, vocabulary: Vocabulary) -> None:
        self._encoder, self._writer = encoder, Writer(evidence.text, vocabulary)
        windows = range(0, evidence.text.n_tokens, evidence.context)
        texts = ["".join(self._writer.tokens(start, start + evidence.context)) for start in windows]
        self._weights = word_weights(texts)
        self._vector = lru_cache(128)(self._vector_of)

    def score(self, label: Draft, trial: Trial, others: Sequence[Draft]) -> Score | None:
        """The score of a label, beside those of other features' labels; None where the encoder knows none of it."""
        if not trial.is_enough:
            return None
        texts = self._writer.passages(trial.firing.joined(trial.hard))
        rows = self._encoder.encode(texts, self._weights)
        measured = self._measured(label, rows, len(trial.firing))
        if measured is None:
            return None
        nulls = [self._measured(other, rows, len(trial.firing)) for other in others]
        return score_of(self.name, self._encoder.name, measured, [null[0] for null in nulls if null is not None])

    def _vector_of(self, text: str) -> Float[ndarray, " width"]:
        return self._encoder.encode([text], self._weights)[0]

    def _measured(self, label: Draft, rows: Float[ndarray, "passage width"], n_firing: int) -> Measured | None:
        vector = self._vector(said(label.text, label.source, ""))
        if not np.any(vector):
            return None
        near = rows @ vector
        area, interval = area_under_curve(near[:n_firing], near[n_firing:])
        return area, interval, len(near), {}
