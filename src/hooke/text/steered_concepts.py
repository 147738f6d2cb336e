"""Concepts to steer towards, for a score-board: words and sentences, and instructions to be answered meanwhile.

Half of a concept's words stand in the sentences that directions are made of; the other half only judges look for, so
that repeating what was read is told from speaking of the thing. hooke's own words.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from hooke.text.concepts.labelled import Labelled


@dataclass(frozen=True, slots=True)
class SteeredConcept:
    """Something that answers can be made to speak of."""

    about: str
    """What the answer should have, as an instruction says it."""
    shown: tuple[str, ...]
    """Words that stand in the sentences."""
    unseen: tuple[str, ...]
    """Words that stand in none."""


CONCEPTS: dict[str, SteeredConcept] = {
    "sea": SteeredConcept(
        "things of the sea",
        ("sea", "ship", "wave", "harbour", "fish", "sailor", "beach", "island"),
        ("ocean", "boat", "tide", "port", "whale", "captain", "shore", "coast", "sail", "water"),
    ),
    "money": SteeredConcept(
        "money and trade",
        ("money", "bank", "price", "coin", "debt", "market", "loan", "profit"),
        ("dollar", "pay", "cost", "cash", "buy", "sell", "tax", "rich", "business", "economy", "investment"),
    ),
    "winter": SteeredConcept(
        "winter and cold weather",
        ("winter", "snow", "ice", "frost", "coat", "sledge", "icicle", "blizzard"),
        ("cold", "freeze", "frozen", "snowy", "chill", "ski", "glove", "december", "icy", "polar"),
    ),
}
_FRAMES = (
    "The {} was all that we could speak of.", "She told me about the {} and what came of it.",
    "Nobody had thought of the {} before.", "There was something about the {} in the letter.",
)  # fmt: skip
_OTHERS = ("garden", "teacher", "window", "song", "doctor", "bread", "picture", "engine")
"""In the sentences without the concept."""

INSTRUCTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Describe a day at school.", ("school", "teacher", "class", "student", "lesson", "learn", "homework")),
    ("Tell me how to bake a cake.", ("cake", "flour", "bake", "oven", "sugar", "egg", "batter", "butter")),
    ("Write about a dog and its owner.", ("dog", "owner", "walk", "pet", "bark", "tail", "loyal")),
    ("Explain why sleep is good for you.", ("sleep", "rest", "body", "health", "brain", "night", "tired")),
    ("Tell me about a visit to the doctor.", ("doctor", "visit", "health", "patient", "sick", "pain", "medicine")),
    ("Describe a garden in spring.", ("garden", "flower", "spring", "plant", "green", "tree", "bloom")),
    ("Write about a new song.", ("song", "music", "melody", "lyrics", "sing", "band", "tune")),
    ("Explain how a bicycle works.", ("bicycle", "wheel", "pedal", "chain", "ride", "bike", "brake")),
    ("Tell me about a good friend.", ("friend", "kind", "trust", "together", "love", "support", "help")),
    ("Write about a morning in the kitchen.", ("kitchen", "breakfast", "coffee", "morning", "cook", "food", "tea")),
    ("Describe a journey by train.", ("train", "journey", "station", "travel", "ticket", "passenger", "track")),
    ("Explain what a library is for.", ("library", "book", "read", "knowledge", "learn", "study", "borrow")),
)
"""What is asked, and words of which an answer to it has some."""


def sentences(name: str) -> Iterator[Labelled]:
    """Sentences with the concept's shown words, and the same with words of other things.

    A group is a word of each, so that what is held out has words that were not read.
    """
    for at, pair in enumerate(zip(CONCEPTS[name].shown, _OTHERS, strict=True)):
        for word, label in zip(pair, (True, False), strict=True):
            for frame in _FRAMES:
                yield Labelled(text=frame.format(word), label=label, group=str(at), style="sentence")
