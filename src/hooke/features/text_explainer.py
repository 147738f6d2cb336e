"""Labels that a language model writes: an endpoint's, or the local one."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from hooke.chat import Nonsense
from hooke.features.drafts import Case, Draft
from hooke.features.speakers import Speaker, Writer, numbered
from hooke.features.trials import Passages, Trial
from hooke.features.vocabulary import Vocabulary

LONGEST = 300
"""Characters of a label; what is longer explains nothing."""
N_SHOWN, N_SILENT = 16, 8
"""Passages that are shown with a firing, and without."""
MAX_TOKENS = 120

_TASK = """You name what a single feature of a language model responds to.
Below are passages on which it is active, the strongest first; the tokens on which it is active stand between ⟦ and ⟧.
After them come passages that look alike and on which it stays silent, and tokens that it makes more likely.
Say in one short phrase what the marked tokens have in common that the silent passages lack: be as specific as the
passages allow, and mention the words themselves where the feature is about words.
Answer with JSON alone, like {"label": "dates in legal documents"}."""


class TextExplainer:
    """Asks a language model for labels."""

    name: str

    def __init__(
        self,
        speaker: Speaker,
        writer: Writer,
        vocabulary: Vocabulary,
        promoted: Int[ndarray, "feature token"],
        *,
        source: str,
        at_once: int = 1,
    ) -> None:
        """An explainer that asks about up to `at_once` features at the same time."""
        self.name = source
        self._speaker, self._writer, self._vocabulary = speaker, writer, vocabulary
        self._promoted, self._at_once = promoted, at_once

    def drafts(self, cases: Sequence[Case]) -> Iterator[Draft | None]:
        """A label for each of some features; None where one fires too rarely, or the answer was nonsense."""
        with ThreadPoolExecutor(self._at_once) as pool:
            yield from pool.map(self._draft, cases)

    def question(self, trial: Trial) -> list[dict[str, str]]:
        """What is asked about a feature."""
        shown = trial.firing[_spread(len(trial.firing), N_SHOWN)]
        silent = trial.near[slice(0, N_SILENT // 2)].joined(trial.alike[slice(0, N_SILENT // 2)])
        tokens = [self._vocabulary.text(token) for token in self._promoted[trial.feature][:10].tolist()]
        parts = (
            _TASK,
            "Active:\n" + numbered(self._writer.passages(shown, _marks(trial, shown))),
            "Silent:\n" + numbered(self._writer.passages(silent)),
            "Makes more likely: " + json.dumps(tokens, ensure_ascii=False),
        )
        return [{"role": "user", "content": "\n\n".join(parts)}]

    def _draft(self, case: Case) -> Draft | None:
        if not case.trial.is_enough:
            return None
        try:
            answer = self._speaker.ask(self.question(case.trial), max_tokens=MAX_TOKENS, check=label_in)
        except Nonsense:
            return None
        return Draft(feature=case.feature, text=label_in(answer), source=self.name, kind="text")


def label_in(answer: str) -> str:
    """The label in an answer.

    Raises:
        ValueError: there is none.
    """
    start, end = answer.find("{"), answer.rfind("}")
    data = json.loads(answer[start : end + 1]) if 0 <= start < end else None
    label = data.get("label") if isinstance(data, dict) else None
    if not isinstance(label, str) or not label.strip():
        raise ValueError("it has no label")
    if len(label) > LONGEST:
        raise ValueError(f"its label has {len(label)} characters")
    return " ".join(label.split())


def _marks(trial: Trial, passages: Passages) -> list[ndarray]:
    return [
        trial.fires[slice(*np.searchsorted(trial.fires, [start, stop]))]
        for start, stop in zip(passages.starts, passages.stops, strict=True)
    ]


def _spread(n_there: int, n: int) -> ndarray:
    return np.unique(np.linspace(0, n_there - 1, min(n, n_there)).round().astype(np.int64))
