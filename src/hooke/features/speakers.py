"""Language models that write labels and judge them: an endpoint, or the local model itself."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from hooke.chat import Message, Nonsense, n_tokens
from hooke.errors import PromptTooLong
from hooke.features.tokens import TokenReader
from hooke.features.trials import Passages
from hooke.features.vocabulary import Vocabulary
from hooke.models.generate import conversation, generate
from hooke.models.model import Model

MARKS = "⟦", "⟧"
"""What stands around marked tokens; brackets that no text has by itself, as French has « and »."""


_LONGEST_LIST = 64


@runtime_checkable
class Speaker(Protocol):
    """Answers conversations."""

    @property
    def name(self) -> str:
        """Which model it is."""
        ...

    def ask(self, messages: Sequence[Message], *, max_tokens: int, check: Callable[[str], Any] | None = None) -> str:
        """The answer; `check` raises ValueError where it is nonsense.

        Raises:
            Nonsense: no answer passes the check.
        """
        ...


class LocalSpeaker:
    """The model that is looked at, asked in its own chat template."""

    def __init__(self, model: Model) -> None:
        self.name, self._model = model.name, model

    def ask(self, messages: Sequence[Message], *, max_tokens: int, check: Callable[[str], Any] | None = None) -> str:
        """The likeliest answer.

        Raises:
            Nonsense: it does not pass the check, or the question is longer than the model reads.
            BadRequest: the model cannot chat.
        """
        text = conversation(self._model, messages)
        try:
            answer = generate(self._model, text, max_tokens=max_tokens)
            assert isinstance(answer, str)
            if check is not None:
                check(answer)
        except (ValueError, PromptTooLong) as error:
            raise Nonsense(f"{self.name} gave no usable answer.", f"{error}", "Ask a larger model.") from error
        return answer


class DrySpeaker:
    """Answers anything with what passes, and counts: what a job would ask, without asking."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.n_calls = self.n_in = self.n_out = 0

    def ask(self, messages: Sequence[Message], *, max_tokens: int, check: Callable[[str], Any] | None = None) -> str:
        """The first answer that passes the check: a label, or a list of zeros."""
        self.n_calls += 1
        self.n_in += sum(n_tokens(message["content"]) for message in messages)
        self.n_out += max_tokens
        answers = ['{"label": "-"}', *(json.dumps([0] * n) for n in range(1, _LONGEST_LIST))]
        return next(answer for answer in answers if check is None or _passes(answer, check))


def _passes(answer: str, check: Callable[[str], Any]) -> bool:
    try:
        check(answer)
    except ValueError:
        return False
    return True


class Writer:
    """Writes passages of a text for people and language models."""

    def __init__(self, text: TokenReader, vocabulary: Vocabulary) -> None:
        self._text, self._vocabulary = text, vocabulary

    def passages(self, passages: Passages, marks: Sequence[Int[ndarray, " _mark"]] | None = None) -> list[str]:
        """Each passage, its marked tokens between ⟦ and ⟧; neighbours share one pair."""
        nothing = np.zeros(0, np.int64)
        return [
            self._one(start, stop, nothing if marks is None else marks[place])
            for place, (start, stop) in enumerate(zip(passages.starts.tolist(), passages.stops.tolist(), strict=True))
        ]

    def tokens(self, start: int, stop: int) -> list[str]:
        """The tokens of a stretch."""
        ids = self._text.take("tokens", np.arange(start, stop)).tolist()
        return list(self._vocabulary.texts(ids))

    def _one(self, start: int, stop: int, marked: Int[ndarray, " _mark"]) -> str:
        is_marked = np.isin(np.arange(start, stop), marked)
        written = []
        for place, token in enumerate(self.tokens(start, stop)):
            opens = is_marked[place] and not (place and is_marked[place - 1])
            closes = is_marked[place] and not (place + 1 < len(is_marked) and is_marked[place + 1])
            written.append(f"{MARKS[0] if opens else ''}{token}{MARKS[1] if closes else ''}")
        return "".join(written)


def numbered(texts: Sequence[str]) -> str:
    """Texts under numbers from 1 on, one a line; JSON strings, so that nothing in a text can end it."""
    return "\n".join(f"{number}. {json.dumps(text, ensure_ascii=False)}" for number, text in enumerate(texts, 1))


def numbers_in(answer: str, n: int, largest: int) -> list[int]:
    """The last list of n whole numbers from 0 to `largest` in an answer.

    Raises:
        ValueError: there is none.
    """
    for text in reversed(re.findall(r"\[[^\[\]]*\]", answer)):
        try:
            found = json.loads(text)
        except ValueError:
            continue
        if len(found) == n and all(isinstance(one, int) and 0 <= one <= largest for one in found):
            return [int(one) for one in found]
    raise ValueError(f"it is no list of {n} numbers from 0 to {largest}")
