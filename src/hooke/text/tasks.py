"""Sets of prompt pairs for tasks that small models do: what patching and discovery are tried on.

Words and templates are hooke's own. Which pairs a model can use depends on its tokenizer: pairs whose prompts have
different numbers of tokens, or whose answers are more than one token, are left out where a set is opened.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hooke.errors import UnknownName, did_you_mean
from hooke.text.pairs import PromptPair


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """A set of pairs."""

    about: str
    """One sentence for people."""
    metric: str
    """logit or probability, see `hooke.circuits.pairs`."""
    pairs: Callable[[], list[PromptPair]]
    """The pairs, the same each time."""


_NAMES = ("Mary", "John", "Tom", "James", "Sarah", "David", "Paul", "Anna", "Peter", "Emma", "Mark", "Laura", "Jack")
_PLACES = (("store", "bottle"), ("park", "ball"), ("school", "book"), ("office", "letter"), ("station", "ticket"))
_CAPITALS = {
    "France": "Paris", "Japan": "Tokyo", "Italy": "Rome", "Germany": "Berlin", "Spain": "Madrid", "Russia": "Moscow",
    "China": "Beijing", "Greece": "Athens", "Egypt": "Cairo", "England": "London", "Austria": "Vienna",
    "Ireland": "Dublin", "Portugal": "Lisbon", "Poland": "Warsaw", "Sweden": "Stockholm", "Norway": "Oslo",
    "Denmark": "Copenhagen", "Hungary": "Budapest", "Cuba": "Havana", "Peru": "Lima", "Chile": "Santiago",
    "Canada": "Ottawa", "Iran": "Tehran", "Iraq": "Baghdad", "Turkey": "Ankara", "Kenya": "Nairobi",
    "Thailand": "Bangkok", "Vietnam": "Hanoi", "Lebanon": "Beirut", "Syria": "Damascus",
}  # fmt: skip
CITIES = {
    "Osaka": "Japanese", "Kyoto": "Japanese", "Lyon": "French", "Nice": "French", "Milan": "Italian",
    "Naples": "Italian", "Venice": "Italian", "Florence": "Italian", "Munich": "German", "Hamburg": "German",
    "Frankfurt": "German", "Cologne": "German", "Seville": "Spanish", "Valencia": "Spanish", "Shanghai": "Chinese",
    "Porto": "Portuguese", "Rotterdam": "Dutch", "Istanbul": "Turkish", "Paris": "French", "Tokyo": "Japanese",
    "Rome": "Italian", "Berlin": "German", "Madrid": "Spanish", "Moscow": "Russian", "Beijing": "Chinese",
    "Athens": "Greek", "Lisbon": "Portuguese", "Amsterdam": "Dutch", "Warsaw": "Polish", "Stockholm": "Swedish",
}  # fmt: skip
"""Cities, and the language of each."""
_NOUNS = {
    "dog": "dogs", "cat": "cats", "car": "cars", "tree": "trees", "book": "books", "house": "houses",
    "bird": "birds", "boat": "boats", "horse": "horses", "teacher": "teachers", "student": "students",
    "doctor": "doctors", "flower": "flowers", "child": "children", "window": "windows",
}  # fmt: skip
_NEAR = ("road", "river", "table", "wall")
_EVENTS = ("war", "project", "reign", "dispute", "voyage", "famine")
_WORDS = (
    "lamp", "river", "chair", "stone", "apple", "cloud", "paper", "glass", "horse", "music", "garden", "winter",
    "silver", "window", "bridge", "forest", "butter", "hammer", "mirror", "pencil",
)  # fmt: skip


def indirect_object(
    text: str = "When {first} and {second} went to the {place}, {who} gave a {thing} to",
) -> list[PromptPair]:
    """Two names, one of which gives something: to the other."""
    drawn = random.Random(1)
    found = []
    for place, thing in _PLACES:
        for order in ("ABBA", "BABA"):
            for _ in range(4):
                receiver, giver = drawn.sample(_NAMES, 2)
                first, second = (receiver, giver) if order == "ABBA" else (giver, receiver)
                clean, corrupted = (
                    text.format(first=first, second=second, place=place, who=who, thing=thing)
                    for who in (giver, receiver)
                )
                found.append(_pair(clean, corrupted, receiver, giver, order))
    return found


def capitals(text: str = "Question: What is the capital of {0}?\nAnswer: The capital of {0} is") -> list[PromptPair]:
    """The capital of a country, asked for as a question, or in other words."""
    return [
        _pair(text.format(country), text.format(other), _CAPITALS[country], _CAPITALS[other], "capital")
        for country, other in _others(tuple(_CAPITALS))
    ]


def two_hop_language(text: str = "The official language of the country where {} is located is") -> list[PromptPair]:
    """The language of a city's country."""
    return [
        _pair(text.format(city), text.format(other), CITIES[city], CITIES[other], "language")
        for city, other in _others(tuple(CITIES))
        if CITIES[city] != CITIES[other]
    ]


def agreement(text: str = "The {noun} near the {near}") -> list[PromptPair]:
    """Is or are, by a noun that another one parts from its verb."""
    found = []
    for at, (one, many) in enumerate(_NOUNS.items()):
        singular, plural = (text.format(noun=noun, near=_NEAR[at % len(_NEAR)]) for noun in (one, many))
        found += [_pair(plural, singular, "are", "is", "plural"), _pair(singular, plural, "is", "are", "singular")]
    return found


def greater_than(text: str = "The {event} lasted from the year 17{years} to the year 17") -> list[PromptPair]:
    """A span of years ends later than it begins: by the tens digit, since digits are tokens of many models."""
    found = []
    for at, event in enumerate(_EVENTS):
        for tens in range(3, 8):
            digit = (at + tens) % 8 + 1
            clean, corrupted = (text.format(event=event, years=years) for years in (f"{tens}{digit}", f"0{digit}"))
            later, earlier = (tuple(map(str, some)) for some in (range(tens + 1, 10), range(tens)))
            found.append(PromptPair(clean=clean, corrupted=corrupted, answers=later, wrong=earlier, group=event))
    return found


def repeated_words() -> list[PromptPair]:
    """Words in a row and their beginning again: what followed before follows again."""
    drawn, found = random.Random(2), []
    for _ in range(32):
        *words, other = drawn.sample(_WORDS, 9)
        changed = [*words[:3], other, *words[4:]]
        clean, corrupted = (" " + " ".join([*some, *words[:3]]) for some in (words, changed))
        found.append(_pair(clean, corrupted, words[3], other, "words"))
    return found


def opinion(
    text: str = "Question: What is the capital of {0}? I think it is {1}.\nAnswer: The capital of {0} is",
) -> list[PromptPair]:
    """A question, and somebody who thinks it is the wrong answer, or the right one."""
    return [
        _pair(
            text.format(country, _CAPITALS[other]),
            text.format(country, _CAPITALS[country]),
            _CAPITALS[other],
            _CAPITALS[country],
            "opinion",
        )
        for country, other in _others(tuple(_CAPITALS))
    ]


TASKS: dict[str, Task] = {
    "indirect-object": Task(about="Who is given something.", metric="logit", pairs=indirect_object),
    "capitals": Task(about="The capital of a country.", metric="logit", pairs=capitals),
    "two-hop": Task(about="The language of a city's country.", metric="logit", pairs=two_hop_language),
    "agreement": Task(about="Is or are, by a distant noun.", metric="logit", pairs=agreement),
    "greater-than": Task(about="A span of years ends later.", metric="probability", pairs=greater_than),
    "repeated-words": Task(about="What followed before follows again.", metric="logit", pairs=repeated_words),
    "opinion": Task(about="A stated opinion against what is known.", metric="logit", pairs=opinion),
}


def task(name: str) -> Task:
    """The task of this name.

    Raises:
        UnknownName: there is none.
    """
    if name not in TASKS:
        raise UnknownName(f"No task '{name}'.", did_you_mean(name, TASKS), f"There are: {', '.join(TASKS)}.")
    return TASKS[name]


def _others(items: Sequence[str]) -> list[tuple[str, str]]:
    """Each item beside the one after it, and beside one further away."""
    return [(one, items[(at + away) % len(items)]) for away in (1, 11) for at, one in enumerate(items)]


def _pair(clean: str, corrupted: str, answer: str, wrong: str, group: str) -> PromptPair:
    return PromptPair(clean=clean, corrupted=corrupted, answers=(f" {answer}",), wrong=(f" {wrong}",), group=group)
