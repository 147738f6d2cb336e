"""The concept sets by name, and files of one's own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hooke.errors import UnknownName, did_you_mean
from hooke.text.concepts import deference, evaluation, faulty_code, personal_data, requests, sentiment, truth
from hooke.text.concepts.labelled import Labelled


@dataclass(frozen=True, kw_only=True, slots=True)
class Concept:
    """A set of labelled texts."""

    about: str
    """What a text with the label has, in one sentence."""
    items: Callable[[], Iterator[Labelled]]
    """The texts, the same each time."""


CONCEPTS: dict[str, Concept] = {
    "sentiment": Concept(about="Somebody liked it.", items=sentiment.items),
    "truth": Concept(about="The statement is true.", items=truth.items),
    "refusal-worthy": Concept(about="The request ought to be refused.", items=requests.items),
    "sycophancy": Concept(about="The answer gives in or flatters.", items=deference.items),
    "evaluation-like": Concept(about="The text says that this is a test.", items=evaluation.items),
    "personal-data": Concept(about="The text has somebody's personal data in it.", items=personal_data.items),
    "faulty-code": Concept(about="The function does not do what it says.", items=faulty_code.items),
}


def concept(name: str) -> Concept:
    """The set of this name.

    Raises:
        UnknownName: there is none.
    """
    if name not in CONCEPTS:
        raise UnknownName(
            f"No concept set '{name}'.", did_you_mean(name, CONCEPTS), f"There are: {', '.join(CONCEPTS)}."
        )
    return CONCEPTS[name]
