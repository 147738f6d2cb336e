"""One search box, five questions: words, meaning, a text that fires, a token that is moved, text of the examples.

Each gives an ordered list of features; which of them are shown (density), and the page, are the same for all.
"""

import re
import unicodedata
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from hooke.errors import BadRequest, HookeError
from hooke.features.card import Example
from hooke.features.labels import Label, Term, search_terms
from hooke.features.listing import Listing
from hooke.features.meaning import N_FOUND, Vectors
from hooke.features.moved_tokens import Direction, moving
from hooke.features.phrases import PhraseHits, containing
from hooke.features.query import Index
from hooke.features.reading import RawReading, rank, totals
from hooke.sites import parse_feature

Mode = Literal["words", "meaning", "text", "token", "examples"]
TextSort = Literal["score", "sum", "max", "frequency"]
MODES: tuple[Mode, ...] = ("words", "meaning", "text", "token", "examples")

_REMEMBERED = 32


@dataclass(frozen=True, kw_only=True)
class Found:
    """All features that answer a question, best first."""

    features: Integer[ndarray, " found"]
    """Their numbers."""
    values: Float[ndarray, " found"]
    """What each is ordered by; NaN where the order is all there is."""
    note: str
    """How it was searched, and how far to trust it."""
    is_bounded: bool = False
    """Whether there are more than these."""
    token: str = ""
    """token: the token, as it is written."""
    rows: dict[int, int] = field(default_factory=dict)
    """words: the row of the label that was found of each feature."""
    places: Integer[ndarray, " found"] | None = None
    """examples: where in the corpus an example of each feature has its peak."""
    raw: RawReading | None = None
    """text: what fires on it."""


@dataclass(frozen=True)
class Shown:
    """The part of what was found that is shown."""

    features: Integer[ndarray, " shown"]
    """A page of features."""
    values: Float[ndarray, " shown"]
    """What each is ordered by."""
    at: Integer[ndarray, " shown"]
    """Their places among all that was found."""
    total: int
    """How many pass the filter."""
    n_hidden: int
    """How many the filter hides."""


def remembered(index: Index, key: tuple[Any, ...], find: Callable[[], Found]) -> Found:
    """What a question found; asked again, as for the next page, it is not searched again."""
    return recalled(index, key) or remember(index, key, find())


def recalled(index: Index, key: tuple[Any, ...]) -> Found | None:
    """What a question found before; None where it was not asked lately."""
    return index.aids.get("searches", {}).get(key)


def remember(index: Index, key: tuple[Any, ...], found: Found) -> Found:
    """Keep what a question found for its next page."""
    known: OrderedDict[tuple[Any, ...], Found] = index.aids.setdefault("searches", OrderedDict())
    known[key] = found
    while len(known) > _REMEMBERED:
        known.popitem(last=False)
    return found


def search(index: Index, query: str, mode: Mode, *, direction: Direction = "promoted") -> Found:
    """The features that answer a question in a mode that needs no model.

    Raises:
        BadRequest: the question is empty, or the index is large and was not prepared for this mode.
        UnknownName: no such token, or the text of the index is not here.
    """
    if not query.strip():
        raise BadRequest("The search is empty.", "", "Give some words, a text or a token.")
    match mode:
        case "words":
            return remembered(index, (mode, query), lambda: by_words(index, query))
        case "meaning":
            return remembered(index, (mode, query), lambda: by_meaning(index, query))
        case "token":
            return remembered(index, (mode, query, direction), lambda: by_token(index, query, direction))
        case "examples":
            return remembered(index, (mode, query, bool(index.text)), lambda: by_examples(index, query))
        case "text":
            raise BadRequest("A text is read with the model.", "", "Give `by_text` what the model made of it.")


def by_words(index: Index, query: str) -> Found:
    """Features whose label or example words have all of the words."""
    ids, more = index.labels.matching(query)
    listing = Listing.of(index)
    features = listing.row_feature[np.array(ids, np.int64) - 1].astype(np.int64)
    _, first = np.unique(features, return_index=True)
    first = np.sort(first)
    note = "best match first; labels count four times as much as words of the examples"
    if more:
        note = "very common words: the features with the best labels that have them, not ranked further"
    return Found(
        features=features[first],
        values=np.full(len(first), np.nan),
        note=note,
        is_bounded=more,
        rows={int(features[place]): ids[place] for place in first.tolist()},
    )


def by_meaning(index: Index, query: str) -> Found:
    """Features whose labels are nearest to the query."""
    vectors = Vectors.of(index)
    features, cosines = vectors.nearest(query)
    is_bounded = len(features) == N_FOUND
    note = f"by meaning, {vectors.encoder.about}; the value is a cosine" if len(features) else "no word of it is known"
    return Found(features=features, values=cosines.astype(np.float64), note=note, is_bounded=is_bounded)


def by_token(index: Index, query: str, direction: Direction) -> Found:
    """Features that promote or suppress a token."""
    token = index.vocabulary.find(query)
    features, values = moving(index, token, direction)
    verb = direction.removesuffix("ed").replace("promot", "promote")
    return Found(
        features=features,
        values=values.astype(np.float64),
        note=f"features that have the token among the 16 that they {verb} most; deviations over features, a "
        f" random direction's strongest token stays below {index.manifest.effects_chance:.1f} 95 times in 100",
        token=index.vocabulary.text(token),
    )


def by_examples(index: Index, query: str) -> Found:
    """Features whose stored examples contain a phrase."""
    hits: PhraseHits = containing(index, query)
    count = f"{hits.n_places} places" if not hits.is_bounded else f"{hits.n_places} places from all over the corpus"
    return Found(
        features=hits.features,
        values=hits.n_examples.astype(np.float64),
        note=f"stored examples that contain it, those that peak on it first; {count} were looked at",
        is_bounded=hits.is_bounded,
        places=hits.example,
    )


def by_text(index: Index, raw: RawReading, sort: TextSort) -> Found:
    """Features that fire on a text, over all of its tokens that count."""
    over = totals(raw)
    values = {
        "score": lambda: rank(over.max, index.maxima[over.features], index.densities[over.features]),
        "sum": lambda: over.sum,
        "max": lambda: over.max,
        "frequency": lambda: over.frequency,
    }[sort]().astype(np.float64)
    order = np.lexsort((over.features, -over.max, -values))
    said = {
        "score": "share of the feature's own maximum, times how rare it is in octaves",
        "sum": "sum of its activations",
        "max": "its largest activation",
        "frequency": "tokens on which it fires",
    }[sort]
    return Found(
        features=over.features[order].astype(np.int64),
        values=values[order],
        note=f"features that fire on it, ordered by {said}; special tokens and the first one are left out",
        raw=raw,
    )


def shown(index: Index, found: Found, *, max_density: float, start: int, limit: int) -> Shown:
    """A page of the features that are not too dense."""
    passes: Bool[ndarray, " found"] = Listing.of(index).density[found.features] <= max_density
    passing = np.flatnonzero(passes)
    at = passing[start : start + limit]
    return Shown(
        features=found.features[at],
        values=found.values[at],
        at=at,
        total=len(passing),
        n_hidden=len(passes) - len(passing),
    )


def named_feature(index: Index, query: str) -> int | None:
    """The feature of this index that a query names by number or address; None where it names none."""
    text = query.strip()
    if text.isdecimal():
        return int(text) if len(text) < 10 and int(text) < len(index) else None
    try:
        name = parse_feature(text)
    except HookeError:
        return None
    there = parse_feature(index.address(0))
    fits = name.site == there.site and name.dictionary in (None, there.dictionary) and name.index < len(index)
    return name.index if fits else None


def spans_of(text: str, terms: list[Term]) -> list[tuple[int, int]]:
    """Where a label has the words of a query, as [start, end) in characters."""
    plain = "".join(_plain(character) for character in text)
    found = set()
    for term in terms:
        word = "".join(_plain(character) for character in term.word)
        end = r"\b" if term.is_whole else r"\w*"
        found |= {match.span() for match in re.finditer(rf"\b{re.escape(word)}{end}", plain)}
    return sorted(found)


def matching_words(label: Label, query: str) -> list[str]:
    """The words of a label's examples that a query asks for."""
    return [word for word in label.words.split() if spans_of(word, search_terms(query))]


def _plain(character: str) -> str:
    """One character without case and accent."""
    bare = unicodedata.normalize("NFKD", character)[:1].casefold()
    return bare if len(bare) == 1 else character


def around_peak(index: Index, raw: RawReading, feature: int) -> tuple[tuple[str, ...], list[float]]:
    """The tokens around the strongest firing of a feature on a text, and its activation on each."""
    activations = raw.activations(feature)
    peak = int(np.argmax(np.where(raw.counted, activations, 0)))
    here = slice(max(0, peak - 16), peak + 9)
    tokens = index.vocabulary.texts(raw.tokens[here].tolist())
    return tokens, np.round(activations[here].astype(np.float64), 5).tolist()


def example_of(index: Index, found: Found, at: int) -> Example | None:
    """An example that contains the phrase asked for, of the feature at a place among those found."""
    return None if found.places is None else index.example_at(int(found.features[at]), int(found.places[at]))
