"""The concept sets by name, and files of one's own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hooke.errors import UnknownName, did_you_mean
from hooke.text.concepts import (
    dangerous_content,
    deception,
    deference,
    evaluation,
    faulty_code,
    hedging,
    personal_data,
    power_seeking,
    refusal_given,
    requests,
    sarcasm,
    sentiment,
    stereotype,
    truth,
)
from hooke.text.concepts.files import read_labelled
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
    "sarcasm": Concept(about="What went wrong is praised.", items=sarcasm.items),
    "hedging": Concept(about="Who says it says that it may not be so.", items=hedging.items),
    "refusal-given": Concept(about="The answer refuses.", items=refusal_given.items),
    "deception": Concept(about="Somebody tells a lie.", items=deception.items),
    "power-seeking": Concept(about="Somebody reaches for more power than the task needs.", items=power_seeking.items),
    "dangerous-content": Concept(about="The text is about something dangerous.", items=dangerous_content.items),
    "stereotype": Concept(about="All of a group are said to be one way.", items=stereotype.items),
}


def concept(name: str) -> Concept:
    """The set of this name.

    Raises:
        UnknownName: there is none.
    """
    if name not in CONCEPTS:
        raise UnknownName(
            f"No concept set '{name}'.",
            did_you_mean(name, CONCEPTS),
            f"There are: {', '.join(CONCEPTS)}; or give a .jsonl file.",
        )
    return CONCEPTS[name]


def open_concept(ref: str) -> tuple[str, list[Labelled]]:
    """The name and the texts of a set of this name, or of a `.jsonl` file.

    Raises:
        UnknownName: there is no such set.
        BadRequest: the file does not hold labelled texts.
    """
    path = Path(ref)
    if ref not in CONCEPTS and path.suffix in (".jsonl", ".ndjson"):
        return path.stem, read_labelled(path)
    return ref, list(concept(ref).items())
