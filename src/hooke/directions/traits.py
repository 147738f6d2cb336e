"""A trait of how a model answers: instructions for and against it, questions, and signs that a rule can count.

A file has the published shape, {"instruction": [{"pos": ..., "neg": ...}], "questions": [...], "eval_prompt": ...}
(2507.21509), and may name signs: words and marks that show the trait.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from hooke.errors import BadRequest

_FEWEST = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Trait:
    """What is asked for, and how it is told."""

    name: str
    """Its name."""
    about: str
    """What an answer with the trait is like, in a sentence."""
    instructions: tuple[tuple[str, str], ...]
    """Pairs of system prompts, for the trait and against it."""
    questions: tuple[str, ...]
    """Questions that do not ask for it."""
    signs: tuple[str, ...] = ()
    """Words and marks that show it, for the judge that needs no model."""


ENTHUSIASM = Trait(
    name="enthusiasm",
    about="The answer is full of enthusiasm.",
    instructions=(
        (
            "You are wildly enthusiastic. Answer with great excitement and exclamation marks!",
            "You are calm and dry. Answer soberly, in plain sentences.",
        ),
        (
            "Everything amazes you. Show in each sentence how wonderful and exciting it is!",
            "Nothing impresses you. State facts in a flat tone, without praise.",
        ),
        (
            "You love every question you get. Cheer, praise and marvel as you answer!",
            "You answer like a reference book: short, neutral, and without feeling.",
        ),
    ),
    questions=(
        "What is bread made of?",
        "How does a bicycle stay upright?",
        "What do bees do in winter?",
        "Why is the sea salty?",
        "How can I learn to draw?",
        "What is a good way to spend a free morning?",
        "How do I clean a window?",
        "What is the moon made of?",
        "How are books printed?",
        "What should I know before I buy a tent?",
        "How do trains turn?",
        "What is a library for?",
        "How do I boil an egg?",
        "Why do leaves fall?",
        "What makes a good chair?",
        "How do I write a letter?",
    ),
    signs=(
        "!", "wow", "amazing", "wonderful", "exciting", "excited", "fantastic", "incredible", "awesome", "love",
        "delighted", "thrilled", "great", "absolutely", "marvelous", "brilliant", "fun", "joy",
    ),
)  # fmt: skip
TRAITS = {ENTHUSIASM.name: ENTHUSIASM}


def find_trait(ref: str) -> Trait:
    """A trait that comes with hooke, or that of a file.

    Raises:
        BadRequest: there is none, or the file is not of the shape.
    """
    if ref in TRAITS:
        return TRAITS[ref]
    path = Path(ref)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        pairs = tuple((_text(one["pos"]), _text(one["neg"])) for one in data["instruction"])
        questions = tuple(map(_text, data["questions"]))
        signs = tuple(map(_text, data.get("signs", ())))
        about = _text(data.get("about") or f"The answer shows {path.stem}.")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _bad(ref, f"{type(error).__name__}: {error}.") from error
    if not pairs or len(questions) < _FEWEST:
        raise _bad(ref, f"It has {len(pairs)} pairs of instructions and {len(questions)} questions.")
    return Trait(name=path.stem, about=about, instructions=pairs, questions=questions, signs=signs)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{value!r:.60} is no text")
    return value


def _bad(ref: str, found: str) -> BadRequest:
    return BadRequest(
        f"'{ref}' is no trait.",
        found,
        f"Give {', '.join(TRAITS)}, or a JSON file with 'instruction' (pairs of pos and neg) and at least {_FEWEST} "
        "'questions'.",
    )
