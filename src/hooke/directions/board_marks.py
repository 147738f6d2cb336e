"""Who marks the answers of a score-board: a rule that counts words, or a language model."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hooke.chat import Chat
from hooke.directions.measures import distinct_pairs
from hooke.text.steered_concepts import INSTRUCTIONS, SteeredConcept


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """What a judge makes of one answer."""

    concept: float
    """Whether it speaks of the concept: 0, 1 or 2."""
    instruction: float
    """Whether it does what was asked."""
    fluency: float
    """Whether it reads like language."""

    @property
    def overall(self) -> float:
        """The harmonic mean, 0 where one of the three is 0."""
        each = (self.concept, self.instruction, self.fluency)
        return 3 / sum(1 / one for one in each) if all(each) else 0.0


Judge = Callable[[SteeredConcept, int, str, float], Mark]
"""Marks an answer: by a concept, an instruction's number, the answer, and its mean cross-entropy under the model
without edits, in nats."""


def count_words(concept: SteeredConcept, instruction: int, answer: str, surprise: float) -> Mark:
    """The judge where there is no other: distinct words of the concept and of the task; repetition and surprise."""
    words = set(re.findall(r"[a-z]+", answer.lower()))
    own = INSTRUCTIONS[instruction][1]
    tokens = re.findall(r"\w+", answer.lower())
    numbers = {word: at for at, word in enumerate(dict.fromkeys(tokens))}
    distinct = distinct_pairs([numbers[word] for word in tokens])
    fluency = 2.0 if distinct > 0.8 and surprise < 3 else 1.0 if distinct > 0.5 and surprise < 5 else 0.0
    return Mark(
        concept=float(min(2, n_of((*concept.shown, *concept.unseen), words))),
        instruction=float(min(2, n_of(own, words))),
        fluency=fluency,
    )


def n_of(wanted: Sequence[str], words: set[str]) -> int:
    """How many of the wanted words are there, in the singular or the plural."""
    return sum(bool({one, f"{one}s", f"{one}es"} & words) for one in wanted)


def asking(chat: Chat) -> Judge:
    """A judge that asks a language model behind an endpoint for the three marks.

    What it returns raises EndpointFailed or CostLimit where the model does not answer, or may not be asked.
    """

    def judge(concept: SteeredConcept, instruction: int, answer: str, surprise: float) -> Mark:
        del surprise
        asked = (
            f"Instruction: {INSTRUCTIONS[instruction][0]}\nAnswer: {answer}\n\n"
            "Judge the answer by three marks, each 0, 1 or 2. First: how much does it speak of "
            f"{concept.about}? Second: how well does it do what the instruction asks? Third: how fluent is it, as "
            "language? Reply with the three numbers and nothing else, such as: 1 2 2"
        )
        first, second, third = _marks(chat.ask([{"role": "user", "content": asked}], max_tokens=12, check=_marks))
        return Mark(concept=first, instruction=second, fluency=third)

    return judge


def _marks(reply: str) -> tuple[float, float, float]:
    found = [float(one) for one in re.findall(r"\d+(?:\.\d+)?", reply)]
    if len(found) != 3 or max(found) > 2 or not all(map(math.isfinite, found)):
        raise ValueError(f"not three marks from 0 to 2: {reply[:60]!r}")
    return found[0], found[1], found[2]
