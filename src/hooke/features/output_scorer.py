"""Does a label foretell what its feature makes the model say: measured by steering, not by the unembedding.

The feature's decoder row, as strong as the feature ever fires, is added at every position of a few beginnings of
sentences about nothing in particular. Score: the chance that a token of the label's words gains more log-probability
there than a token of ordinary text. Most labels say what fires a feature and not what it does, so expect low scores.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from hooke.dictionaries.dictionary import Dictionary, check_fits
from hooke.errors import BadRequest
from hooke.features.drafts import Draft
from hooke.features.encoders import words_of
from hooke.features.evidence import Evidence
from hooke.features.labels import Score
from hooke.features.meaning import said
from hooke.features.scorers import Measured, score_of
from hooke.features.trials import Trial
from hooke.features.vocabulary import Vocabulary
from hooke.findings import area_under_curve
from hooke.models.edits import Add
from hooke.models.model import Model

BEGINNINGS = (
    "Yesterday somebody told me about",
    "The first thing that came to mind was",
    "If you open the box you will find",
    "They could not agree on the",
    "What we need now is a",
    "For a long time nobody spoke of",
    "On the last page there was a picture of",
    "It is not easy to explain the",
)
N_ORDINARY = 2000
"""Tokens of ordinary text that a label's are compared with."""


class OutputScorer:
    """The chance that a token of the label gains more by steering than one of ordinary text; 0.5 by luck."""

    name = "output"

    def __init__(
        self,
        model: Model,
        dictionary: Dictionary,
        evidence: Evidence,
        vocabulary: Vocabulary,
        maxima: Float[ndarray, " feature"],
    ) -> None:
        """A scorer that steers with a dictionary's rows, each as strong as the feature's largest activation.

        Raises:
            BadRequest: the dictionary does not write to the residual stream.
            ShapeMismatch: it does not fit the model.
        """
        check_fits(dictionary, model)
        self._site = dictionary.writes[0]
        if dictionary.output_rows.shape[-1] != model.d_model or not self._site.kind.startswith("resid"):
            raise BadRequest(
                "The scorer 'output' steers along what features write to the residual stream.",
                f"'{dictionary.name}' writes to {self._site}.",
                "Leave the scorer out.",
            )
        self._model, self._dictionary, self._maxima = model, dictionary, maxima
        self._tokens = model.tokenize(list(BEGINNINGS))
        drawn = np.random.default_rng(0).choice(evidence.counted, min(4 * N_ORDINARY, len(evidence.counted)))
        self._ordinary = np.unique(evidence.text.take("tokens", drawn).astype(np.int64))[:N_ORDINARY]
        self._by_name: dict[str, list[int]] = {}
        for token, form in enumerate(vocabulary.forms.of_token.tolist()):
            if form >= 0:
                self._by_name.setdefault(vocabulary.forms.names[form], []).append(token)
        self._plain = self._after(())
        self._of_label = lru_cache(128)(self._tokens_of)

    def score(self, label: Draft, trial: Trial, others: Sequence[Draft]) -> Score | None:
        """The score of a label, beside those of other features' labels; None where no token says one of its words."""
        if not len(self._of_label(said(label.text, label.source, ""))):
            return None
        row = self._dictionary.output_rows[trial.feature].detach()
        edit = Add(site=str(self._site), vector=row, scale=float(self._maxima[trial.feature]))
        gains = self._after((edit,)) - self._plain
        measured = self._measured(label, gains)
        nulls = [self._measured(other, gains) for other in others]
        assert measured is not None
        return score_of(self.name, self._model.name, measured, [null[0] for null in nulls if null is not None])

    def _after(self, edits: Sequence[Add]) -> Float[ndarray, " vocab"]:
        """Mean log-probabilities behind the beginnings."""
        run = self._model.run(self._tokens, edits=edits)
        assert run.logits is not None
        rows = torch.arange(len(BEGINNINGS), device=run.logits.device)
        return run.logits[rows, run.tokens.lengths - 1].float().log_softmax(-1).mean(0).cpu().numpy()

    def _tokens_of(self, text: str) -> Int[ndarray, " token"]:
        """The tokens that say the words of a text, as they are written."""
        found = [token for word in words_of(text) for token in self._by_name.get(word, [])]
        return np.unique(np.array(found, np.int64))

    def _measured(self, label: Draft, gains: Float[ndarray, " vocab"]) -> Measured | None:
        tokens = self._of_label(said(label.text, label.source, ""))
        if not len(tokens):
            return None
        ordinary = np.setdiff1d(self._ordinary, tokens, assume_unique=True)
        area, interval = area_under_curve(gains[tokens], gains[ordinary])
        return area, interval, len(tokens), {}
