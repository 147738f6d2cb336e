"""Places in a text by their keys: what simple rules look at.

A place has for each test some keys: the current word, the one before and after, both together, the words of its
context, the class of its token, its source.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from hooke.features.tokens import NO_SOURCE, TokenReader
from hooke.features.vocabulary import Vocabulary

Test = Literal["current", "pair", "previous", "following", "class", "class before", "source", "context"]

REACH = 32
"""Tokens, up to and with the current one, whose words are a place's context."""
NOTHING = -1

_WORD = re.compile(r"[^\W\d_]+")
_WORD_REACH = 6
_WORDS_KEPT = 1 << 16
"""Features fire on the same words, which are asked for again and again."""

CLASSES: dict[str, Callable[[str], bool]] = {
    "digits": lambda text: text.strip().isdigit(),
    "line breaks": lambda text: "\n" in text,
    "spaces": lambda text: text.isspace() and "\n" not in text,
    "punctuation": lambda text: bool(text.strip()) and not any(c.isalnum() or ord(c) > 127 for c in text.strip()),
    "capitalised words": lambda text: text.strip()[:1].isupper() and text.strip()[1:].islower(),
    "capital letters": lambda text: text.strip().isalpha() and text.strip().isupper(),
    "parts inside words": lambda text: text[:1].isalpha() and text[:1].islower(),
    "letters with accents": lambda text: any("\u00c0" <= c <= "\u024f" for c in text),
    "other scripts": lambda text: any(c > "\u024f" and c.isalpha() for c in text),
}
"""Kinds of tokens by how they are written."""


@dataclass(frozen=True)
class Places:
    """Places in a text: for each test their keys [place, key], NOTHING where a place has no (more) keys."""

    keys: Mapping[Test, Int[ndarray, "place key"]]
    positions: Int[ndarray, " place"]
    """Window number x context + position in the window."""

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, chosen: ndarray | slice) -> "Places":
        return Places({test: keys[chosen] for test, keys in self.keys.items()}, self.positions[chosen])

    def having(self, test: Test, keys: tuple[int, ...]) -> Bool[ndarray, " place"]:
        """Which of them have one of the keys."""
        return np.asarray(np.isin(self.keys[test], keys).any(axis=1))

    def table(self, test: Test, keys: Int[ndarray, " key"]) -> Bool[ndarray, "place key"]:
        """Which of them have each of the keys."""
        return (self.keys[test][:, :, None] == keys).any(axis=1)


class PlaceReader:
    """Turns positions of a corpus into places."""

    def __init__(self, vocabulary: Vocabulary, text: TokenReader) -> None:
        self._text, self._vocabulary, self._forms = text, vocabulary, vocabulary.forms
        texts = [vocabulary.text(token) for token in range(len(vocabulary))]
        self._goes_on = [text[:1].isalpha() or text.startswith("\\x") for text in texts]
        classes = [
            [number if test(text) else NOTHING for number, test in enumerate(CLASSES.values())] for text in texts
        ]
        self._classes = np.array([*classes, [NOTHING] * len(CLASSES)], np.int8)
        self._of_token = np.append(self._forms.of_token, NOTHING)
        self._word_of_token = np.append(np.where(self._forms.starts_word, self._forms.of_token, NOTHING), NOTHING)
        self.word: Callable[[int], str] = lru_cache(maxsize=_WORDS_KEPT)(self._word)
        """The whole word that a position is in, without case; empty where it is in none."""

    def read(self, positions: Int[ndarray, " place"], *, context: bool = True) -> Places:
        """The places at these positions; reading their contexts is most of the work."""
        before, current, after = (self._tokens(positions, step) for step in (-1, 0, 1))
        form, form_before = self._of_token[current].astype(np.int64), self._of_token[before].astype(np.int64)
        source = self._text.take("source", positions).astype(np.int16)
        keys: dict[Test, ndarray] = {
            "current": form[:, None],
            "pair": np.where(form_before == NOTHING, NOTHING, form_before * len(self._forms.names) + form)[:, None],
            "previous": form_before[:, None],
            "following": self._of_token[after][:, None],
            "class": self._classes[current],
            "class before": self._classes[before],
            "source": np.where(source == NO_SOURCE, NOTHING, source)[:, None],
        }
        if context:
            steps = [self._word_of_token[self._tokens(positions, -step)] for step in range(REACH)]
            keys["context"] = np.stack(steps, axis=1)
        return Places(keys, positions)

    def _tokens(self, positions: Int[ndarray, " place"], step: int) -> Int[ndarray, " place"]:
        """The tokens so many steps on, NOTHING outside the window; NOTHING indexes the last row of the tables."""
        context = self._text.context
        within = positions % context + step
        inside = (within >= 0) & (within < context)
        tokens = self._text.take("tokens", np.where(inside, positions + step, positions)).astype(np.int64)
        return np.where(inside, tokens, NOTHING)

    def pair(self, position: int) -> str:
        """The text of a position and the one before, from the beginning of its word on, without case."""
        window, place = divmod(position, self._text.context)
        tokens = self._text.window("tokens", window, max(0, place - _WORD_REACH), place + 1).tolist()
        begin = max(0, len(tokens) - 2)
        while begin > 0 and self._goes_on[tokens[begin]]:
            begin -= 1
        text = b"".join(self._vocabulary.pieces[token] for token in tokens[begin:]).decode("utf-8", "replace")
        return text.strip(" ").casefold()

    def _word(self, position: int) -> str:
        window, place = divmod(position, self._text.context)
        first = max(0, place - _WORD_REACH)
        tokens = self._text.window("tokens", window, first, place + _WORD_REACH + 1).tolist()
        begin = end = middle = place - first
        while begin > 0 and self._goes_on[tokens[begin]]:
            begin -= 1
        while end + 1 < len(tokens) and self._goes_on[tokens[end + 1]]:
            end += 1
        pieces = [self._vocabulary.pieces[token] for token in tokens]
        text = b"".join(pieces[begin : end + 1]).decode("utf-8", "replace")
        ends = [len(b"".join(pieces[begin:at]).decode("utf-8", "ignore")) for at in (middle, middle + 1)]
        overlapping = (match for match in _WORD.finditer(text) if match.end() > ends[0] and match.start() < ends[1])
        return next((match[0].casefold() for match in overlapping), "")

    def name(self, test: Test, key: int, sources: tuple[str, ...]) -> str:
        """What a key says."""
        if test in ("class", "class before"):
            return list(CLASSES)[key]
        if test == "source":
            return sources[key]
        names = self._forms.names
        if test == "pair":
            return f"{names[key // len(names)]} {names[key % len(names)]}"
        return names[key]


class KeyIndex:
    """Which of some places have a key: rates of keys, and who has one, without looking at every place."""

    def __init__(self, places: Places) -> None:
        self.n_places = len(places)
        self._keys: dict[Test, ndarray] = {}
        self._places: dict[Test, ndarray] = {}
        for test, keys in places.keys.items():
            place = np.repeat(np.arange(len(keys), dtype=np.int32), keys.shape[1])
            flat = keys.reshape(-1)
            place, flat = place[flat != NOTHING], flat[flat != NOTHING].astype(np.int64)
            order = np.lexsort((place, flat))
            place, flat = place[order], flat[order]
            new = np.ones(len(flat), bool)
            new[1:] = (flat[1:] != flat[:-1]) | (place[1:] != place[:-1])
            self._keys[test], self._places[test] = flat[new], place[new]

    def rates(self, test: Test, keys: Int[ndarray, " key"]) -> Float[ndarray, " key"]:
        """The share of places that have each key; half a place where none has."""
        table = self._keys[test]
        counts = np.searchsorted(table, keys, "right") - np.searchsorted(table, keys, "left")
        return np.maximum(counts, 0.5) / max(self.n_places, 1)

    def having(self, test: Test, keys: tuple[int, ...]) -> Int[ndarray, " some"]:
        """The numbers of the places that have one of the keys."""
        table, places = self._keys[test], self._places[test]
        ends = [(np.searchsorted(table, key, "left"), np.searchsorted(table, key, "right")) for key in keys]
        return np.unique(np.concatenate([places[start:end] for start, end in ends]))
