"""Labels of features in one SQLite file, with full-text search over labels and example words (FTS5).

Rows are numbered from the best label down, so that a very common word can be answered in that order without ranking
tens of thousands of hits.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt32
from numpy import ndarray

from hooke.errors import BadRequest
from hooke.features.store import corrupt
from hooke.lab import staged

_SCHEMA = """
CREATE TABLE labels (
    id INTEGER PRIMARY KEY, feature INTEGER NOT NULL, text TEXT NOT NULL, source TEXT NOT NULL, kind TEXT NOT NULL,
    score REAL, f1 REAL, n INTEGER NOT NULL, words TEXT NOT NULL
);
CREATE INDEX by_feature ON labels (feature);
CREATE VIRTUAL TABLE search USING fts5 (
    text, words, content='labels', content_rowid='id', detail='column', prefix='2 3',
    tokenize='unicode61 remove_diacritics 2'
);
"""
_COLUMNS = "feature, text, source, kind, score, f1, n, words"
_TOO_COMMON = 8_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """A short explanation of a feature, with how well it predicts the feature."""

    feature: int
    """The feature."""
    text: str
    """The explanation."""
    source: str
    """Who made it: 'rule' is a simple rule found by counting, no person and no language model."""
    kind: str
    """What the explanation is about, e.g. 'token', 'context' or 'none' where no simple rule was found."""
    score: float | None
    """Balanced accuracy as a predictor of firing on tokens not used to make the explanation; 0.5 is chance."""
    f1: float | None
    """F1 of the same predictor at the density of what it predicts, which forgives no false alarm."""
    n: int
    """Tokens that the score is over."""
    words: str
    """Words of its examples and promoted tokens, for search."""


def write_labels(path: Path, labels: Iterable[Label]) -> None:
    """Write the labels, best first, with their search index."""
    ranked = sorted(labels, key=lambda label: (-(label.f1 or 0), label.feature))
    rows = [(x.feature, x.text, x.source, x.kind, x.score, x.f1, x.n, x.words) for x in ranked]
    with staged(path) as aside:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(aside)
        try:
            with connection:
                connection.executescript(_SCHEMA)
                connection.executemany(f"INSERT INTO labels ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
                connection.execute("INSERT INTO search (search) VALUES ('rebuild')")
                connection.execute("INSERT INTO search (search) VALUES ('optimize')")
            connection.execute("VACUUM")
        finally:
            connection.close()


@dataclass(frozen=True)
class FirstLabels:
    """The best label of every feature as columns; empty and NaN where there is none."""

    kinds: list[str]
    """What each is about."""
    makers: list[str]
    """Who made each."""
    score: Float[ndarray, " feature"]
    """Balanced accuracies."""
    f1: Float[ndarray, " feature"]
    """F1 scores."""
    rank: Int[ndarray, " feature"]
    """Place of each in the order of the texts, -1 where there is none."""
    row_feature: UInt32[ndarray, " label"]
    """The feature of each label, in the order of their rows."""


@dataclass(frozen=True, slots=True)
class Term:
    """A word to search for."""

    word: str
    """The word, or its beginning."""
    is_whole: bool
    """Whether it must be the whole word."""


def search_terms(text: str) -> list[Term]:
    """The words of a query; between quotation marks they are whole words, elsewhere beginnings of words.

    Raises:
        BadRequest: there is no word in it.
    """
    parts = text.split('"')
    closed = len(parts) % 2 == 1
    terms = [
        Term(word, place % 2 == 1 and (closed or place < len(parts) - 1))
        for place, part in enumerate(parts)
        for word in re.findall(r"[^\W_]+", part)
    ]
    if not terms:
        raise BadRequest(
            f"'{text}' holds no word to search for.",
            "",
            "Give at least one word; for a token such as ' (' ask what promotes it.",
        )
    return terms


class LabelReader:
    """Reads the labels of an index; any number of processes may."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # A connection belongs to one thread unless told otherwise; this one is only ever read.
        self._connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def of(self, feature: int) -> tuple[Label, ...]:
        """The labels of one feature, best first."""
        return self.of_many([feature]).get(feature, ())

    def of_many(self, features: Iterable[int]) -> dict[int, tuple[Label, ...]]:
        """The labels of some features, best first.

        Raises:
            BadArtefact: the file is damaged.
        """
        wanted = sorted(set(features))
        found: dict[int, list[Label]] = {}
        for start in range(0, len(wanted), 500):
            some = wanted[start : start + 500]
            marks = ",".join("?" * len(some))
            with self._reading():
                rows = self._connection.execute(
                    f"SELECT {_COLUMNS} FROM labels WHERE feature IN ({marks}) ORDER BY id", some
                ).fetchall()
            for row in rows:
                found.setdefault(row[0], []).append(_label(row))
        return {feature: tuple(labels) for feature, labels in found.items()}

    def each(self) -> Iterator[Label]:
        """Every label in the order of the rows.

        Raises:
            BadArtefact: the file is damaged.
        """
        with self._reading():
            for row in self._connection.execute(f"SELECT {_COLUMNS} FROM labels ORDER BY id"):
                yield _label(row)

    def all_first(self, n_features: int) -> FirstLabels:
        """The best label of every feature.

        Raises:
            BadArtefact: the file is damaged.
        """
        first: list[tuple | None] = [None] * n_features
        row_feature: list[int] = []
        with self._reading():
            for row in self._connection.execute(
                "SELECT feature, kind, source, score, f1, text FROM labels ORDER BY id"
            ):
                if not 0 <= row[0] < n_features:
                    raise corrupt(self._path, f"it labels the feature {row[0]} of {n_features}")
                row_feature.append(row[0])
                first[row[0]] = first[row[0]] or row
        labelled = sorted((row for row in first if row), key=lambda row: (row[5].casefold(), row[0]))
        rank = np.full(n_features, -1)
        rank[[row[0] for row in labelled]] = np.arange(len(labelled))
        return FirstLabels(
            kinds=[row[1] if row else "" for row in first],
            makers=[row[2] if row else "" for row in first],
            score=np.array([np.nan if row is None or row[3] is None else row[3] for row in first], np.float64),
            f1=np.array([np.nan if row is None or row[4] is None else row[4] for row in first], np.float64),
            rank=rank,
            row_feature=np.array(row_feature, np.uint32),
        )

    def best(self, column: str, n_features: int) -> Float[ndarray, " feature"]:
        """The best `score` or `f1` of each feature's labels, NaN where none has one."""
        assert column in ("score", "f1"), column
        with self._reading():
            rows = self._connection.execute(
                f"SELECT feature, max({column}) FROM labels WHERE {column} IS NOT NULL GROUP BY feature"
            ).fetchall()
        best = np.full(n_features, np.nan)
        for feature, value in rows:
            if not 0 <= feature < n_features:
                raise corrupt(self._path, f"it labels the feature {feature} of {n_features}")
            best[feature] = value
        return best

    def search(self, text: str, n: int) -> list[Label]:
        """Labels with every one of these words, or beginnings of words, the best match first.

        Raises:
            BadRequest: there is no word in the text.
            BadArtefact: the file is damaged.
        """
        ids, _ = self.matching(text)
        found = self.rows(ids[:n])
        return [found[id] for id in ids[:n] if id in found]

    def matching(self, text: str) -> tuple[list[int], bool]:
        """Rows of all labels with every one of these words, the best match first, and whether there are more.

        Words with more than 8,000 hits are not ranked against each other: those with the best labels come, in order.

        Raises:
            BadRequest: there is no word in the text.
            BadArtefact: the file is damaged.
        """
        query = " ".join(f'"{term.word}"{"" if term.is_whole else "*"}' for term in search_terms(text))
        with self._reading():
            first = "SELECT rowid FROM search WHERE search MATCH ? ORDER BY rowid LIMIT ?"
            ids = [row[0] for row in self._connection.execute(first, (query, _TOO_COMMON + 1))]
            if len(ids) > _TOO_COMMON:
                return ids[:_TOO_COMMON], True
            ranked = "SELECT rowid FROM search WHERE search MATCH ? ORDER BY bm25(search, 4.0, 1.0), rowid"
            return [row[0] for row in self._connection.execute(ranked, (query,))], False

    def rows(self, ids: Sequence[int]) -> dict[int, Label]:
        """The labels in some rows.

        Raises:
            BadArtefact: the file is damaged.
        """
        marks = ",".join("?" * len(ids))
        with self._reading():
            rows = self._connection.execute(f"SELECT id, {_COLUMNS} FROM labels WHERE id IN ({marks})", list(ids))
            return {row[0]: _label(row[1:]) for row in rows}

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise corrupt(self._path, str(error)) from error


def _label(row: tuple) -> Label:
    names = _COLUMNS.split(", ")
    return Label(**dict(zip(names, row, strict=True)))
