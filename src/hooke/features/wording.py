"""A rule in words, and words to find its feature by."""

from collections import Counter

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from hooke.features.places import NOTHING, KeyIndex, PlaceReader, Places, Test
from hooke.features.rules import Rule
from hooke.features.vocabulary import Forms

LONGEST = 24
N_PROMOTED = 6
N_TYPICAL: dict[Test, int] = {"current": 6, "context": 8}

_TIMES_RATE = 3
_LOOKED_AT = 6
_STEPS: dict[Test, int] = {"current": 0, "pair": 0, "previous": -1, "following": 1}


def rule_text(rule: Rule, firings: Places, reader: PlaceReader, sources: tuple[str, ...], *, is_output: bool) -> str:
    """A rule as a label; `is_output` where its keys are the tokens that the feature promotes."""
    names = [_visible(_name(rule.test, key, firings, reader, sources)) for key in rule.keys]
    words = [whole_word(rule.test, key, firings, reader) for key in rule.keys]
    quoted = ", ".join(
        f'"{name}" in "{word}"' if word and word != name else f'"{name}"'
        for name, word in zip(names, words, strict=True)
    )
    plural = "s" if len(names) > 1 else ""
    match rule.test:
        case "current":
            return f"token{plural} {quoted}"
        case "pair":
            return f"phrase{plural} {quoted}"
        case "previous":
            return f"after {quoted}"
        case "following":
            return f"before {'what it promotes: ' if is_output else ''}{quoted}"
        case "class":
            return names[0]
        case "class before":
            return f"after {names[0]}"
        case "source":
            return f"text of {names[0]}"
        case "context":
            return "context: " + ", ".join(word or name for name, word in zip(names, words, strict=True))


def search_words(
    rule: Rule,
    firings: Places,
    reader: PlaceReader,
    rates: dict[Test, KeyIndex],
    forms: Forms,
    promoted: Int[ndarray, " token"],
) -> list[str]:
    """Words of a rule, typical words of the tokens and contexts, and promoted ones."""
    lists: list[tuple[Test, list[int]]] = [
        (test, typical(test, firings, rates[test], n)) for test, n in N_TYPICAL.items()
    ]
    if rule.test in _STEPS or rule.test == "context":
        lists.insert(0, (rule.test, list(rule.keys)))
    names = [
        whole_word(test, key, firings, reader) or _name(test, key, firings, reader, ())
        for test, keys in lists
        for key in keys
    ]
    names = [word for name in names for word in name.split()]
    names += [forms.names[form] for form in forms.of_token[promoted[:N_PROMOTED]]]
    return [name for name in dict.fromkeys(names) if name.isalnum()]


def typical(test: Test, firings: Places, rates: KeyIndex, n: int) -> list[int]:
    """The keys with the largest count x log(share / rate), a contrastive TF-IDF, at least three times their rate."""
    table = firings.keys[test]
    keys, counts = np.unique(table[table != NOTHING].astype(np.int64), return_counts=True)
    ratio = counts / len(firings) / rates.rates(test, keys)
    weight = np.where((counts > 1) & (ratio >= _TIMES_RATE), counts * np.log(ratio), 0)
    order = np.argsort(-weight, kind="stable")[:n]
    return keys[order[weight[order] > 0]].tolist()


def whole_word(test: Test, key: int, firings: Places, reader: PlaceReader) -> str:
    """The word of which a key is a piece in these places, where it is mostly the same one; else empty."""
    if test not in _STEPS and test != "context":
        return ""
    places, columns = np.nonzero(firings.keys[test] == key)
    steps = -columns if test == "context" else _STEPS[test]
    positions = (firings.positions[places] + steps)[:_LOOKED_AT].tolist()
    if test == "pair" and any(" " in reader.pair(position) for position in positions):
        return ""
    word, n = Counter(map(reader.word, positions)).most_common(1)[0] if positions else ("", 0)
    return word if 2 * n > len(positions) else ""


def _name(test: Test, key: int, firings: Places, reader: PlaceReader, sources: tuple[str, ...]) -> str:
    """What a key says; a pair of tokens as it is mostly written."""
    if test != "pair":
        return reader.name(test, key, sources)
    positions = firings.positions[firings.having(test, (key,))][:_LOOKED_AT].tolist()
    return Counter(reader.pair(position) for position in positions).most_common(1)[0][0]


def _visible(text: str) -> str:
    """A key with white space that can be seen (spaces only where there is nothing else), cut where it is very long."""
    text = text.replace("\n", "\u21b5").replace("\t", "\u21e5")
    text = text if text.strip() else text.replace(" ", "\u2423")
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}\u2026"
