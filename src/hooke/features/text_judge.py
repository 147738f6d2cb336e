"""The judge that asks a language model about labels in words."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from hooke.chat import Nonsense
from hooke.features.drafts import Draft
from hooke.features.judges import Marks
from hooke.features.speakers import Speaker, Writer, numbered, numbers_in
from hooke.features.trials import Passages

AT_ONCE = 10
"""Passages in one question."""

_CONTAINS = """Does each of these passages contain what the description says?
Answer with a JSON list of {n} numbers, 1 for yes and 0 for no, in the passages' order, and nothing else."""
_FITS = """In each of these passages some tokens stand between ⟦ and ⟧. Are those tokens what the description says?
Answer with a JSON list of {n} numbers, 1 for yes and 0 for no, in the passages' order, and nothing else."""
_ODD = """All of these passages but one contain what the description says. Which is the one that does not?
Answer with a JSON list of its one number, like [3], and nothing else."""
_STRENGTHS = """A feature of a language model responds to what the description says. Below are the {n} tokens of a
passage. For each, say how strongly the feature should respond on it, from 0 (silent, as on most tokens) to 9.
Answer with a JSON list of {n} numbers in the tokens' order, and nothing else."""


class TextJudge:
    """Asks a language model."""

    def __init__(self, speaker: Speaker, writer: Writer, *, n_passages: int = 20) -> None:
        """A judge that is asked about `n_passages` passages of each kind."""
        self.name, self.n_passages = speaker.name, n_passages
        self._speaker, self._writer = speaker, writer

    def contains(self, label: Draft, passages: Passages) -> Float[ndarray, " passage"]:
        """Whether each passage contains what the label says; NaN where the answer was nonsense."""
        return self._each(_CONTAINS, label, self._writer.passages(passages))

    def fits(self, label: Draft, passages: Passages, marks: Marks) -> Float[ndarray, " passage"]:
        """Whether what is marked in each passage is what the label says; NaN where the answer was nonsense."""
        return self._each(_FITS, label, self._writer.passages(passages, marks))

    def odd(self, label: Draft, passages: Passages, of: int) -> Float[ndarray, " passage"]:
        """1 for the passage of each group that it picks; NaN where the answer was nonsense."""
        picked = np.full((len(passages) // of, of), np.nan)
        for place, row in enumerate(picked):
            texts = self._writer.passages(passages[slice(place * of, (place + 1) * of)])
            found = self._ask(_ODD, label, numbered(texts), 1, of)
            if found is not None and found[0] > 0:
                row[:] = np.arange(1, of + 1) == found[0]
        return picked.reshape(-1)

    def strengths(self, label: Draft, passages: Passages) -> Float[ndarray, " token"] | None:
        """Strengths from 0 to 9 of each token; None where an answer was nonsense."""
        told: list[int] = []
        for start, stop in zip(passages.starts.tolist(), passages.stops.tolist(), strict=True):
            tokens = self._writer.tokens(start, stop)
            found = self._ask(_STRENGTHS, label, numbered(tokens), len(tokens), 9)
            if found is None:
                return None
            told += found
        return np.array(told, np.float64)

    def _each(self, task: str, label: Draft, texts: Sequence[str]) -> Float[ndarray, " passage"]:
        answers = np.full(len(texts), np.nan)
        for start in range(0, len(texts), AT_ONCE):
            some = texts[start : start + AT_ONCE]
            found = self._ask(task, label, numbered(some), len(some), 1)
            if found is not None:
                answers[start : start + AT_ONCE] = found
        return answers

    def _ask(self, task: str, label: Draft, shown: str, n: int, largest: int) -> list[int] | None:
        read = partial(numbers_in, n=n, largest=largest)
        content = f"{task.format(n=n)}\n\nDescription: {label.text}\n\n{shown}"
        try:
            return read(self._speaker.ask([{"role": "user", "content": content}], max_tokens=16 + 4 * n, check=read))
        except Nonsense:
            return None
