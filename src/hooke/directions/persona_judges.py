"""Who says how much of a trait an answer has, and whether it makes sense: a rule that counts, or a language model."""

import re
from typing import Protocol, runtime_checkable

from hooke.chat import Chat
from hooke.directions.measures import distinct_pairs
from hooke.directions.traits import Trait
from hooke.errors import BadRequest

_DENSE = 0.08
"""Signs in a word at which the trait is surely there."""
_FEWEST_WORDS = 4


@runtime_checkable
class TraitJudge(Protocol):
    """Scores answers."""

    name: str
    """Who it is."""

    def score(self, question: str, answer: str) -> tuple[float, float]:
        """The trait and coherence, each from 0 to 100."""
        ...


class SignJudge:
    """Counts the words and marks that a trait names; coherent is what repeats little and consists of words."""

    name = "signs"

    def __init__(self, trait: Trait) -> None:
        if not trait.signs:
            raise BadRequest(
                f"'{trait.name}' names no signs to count.", "", "Add 'signs' to its file, or let an endpoint judge."
            )
        parts = [re.escape(one) if not one[0].isalnum() else rf"\b{re.escape(one)}\b" for one in trait.signs]
        self._pattern = re.compile("|".join(parts), re.IGNORECASE)

    def score(self, question: str, answer: str) -> tuple[float, float]:
        """By how dense the signs are, and by pairs of words that do not return."""
        words = re.findall(r"\w+", answer.lower())
        if len(words) < _FEWEST_WORDS:
            return 0.0, 0.0
        number = {word: at for at, word in enumerate(dict.fromkeys(words))}
        signs = len(self._pattern.findall(answer)) / len(words)
        letters = sum(one.isalpha() or one.isspace() for one in answer) / len(answer)
        return 100 * min(1.0, signs / _DENSE), 100 * distinct_pairs([number[word] for word in words]) * letters


class ChatJudge:
    """A language model behind an endpoint, asked for two numbers."""

    def __init__(self, trait: Trait, chat: Chat) -> None:
        self.name, self._trait, self._chat = chat.name, trait, chat

    def score(self, question: str, answer: str) -> tuple[float, float]:
        """Its numbers.

        Raises:
            EndpointFailed, CostLimit: it did not answer, or may not be asked.
        """
        asked = (
            f"Question: {question}\nAnswer: {answer}\n\nJudge the answer by two numbers from 0 to 100. First: how "
            f"far is this so? {self._trait.about} Second: how coherent is it, as language, whatever it says? "
            "Reply with the two numbers and nothing else, such as: 20 90"
        )
        found = _numbers(self._chat.ask([{"role": "user", "content": asked}], max_tokens=12, check=_numbers))
        return found[0], found[1]


def _numbers(reply: str) -> tuple[float, float]:
    found = [float(one) for one in re.findall(r"\d+(?:\.\d+)?", reply)]
    if len(found) != 2 or max(found) > 100:
        raise ValueError(f"not two numbers from 0 to 100: {reply[:60]!r}")
    return found[0], found[1]
