"""Labels of features in one SQLite file, with full-text search over labels and example words (FTS5).

Rows are numbered from the best label down, so that a very common word can be answered in that order without ranking
tens of thousands of hits.
"""

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, UInt32
from numpy import ndarray

from hooke.errors import BadRequest
from hooke.features.store import corrupt
from hooke.findings import Interval
from hooke.lab import staged

_SCHEMA = """
CREATE TABLE labels (
    id INTEGER PRIMARY KEY, feature INTEGER NOT NULL, text TEXT NOT NULL, source TEXT NOT NULL, kind TEXT NOT NULL,
    score REAL, f1 REAL, n INTEGER NOT NULL, words TEXT NOT NULL
);
CREATE INDEX by_feature ON labels (feature);
CREATE TABLE scores (
    label INTEGER NOT NULL, scorer TEXT NOT NULL, judge TEXT NOT NULL, value REAL NOT NULL, low REAL NOT NULL,
    high REAL NOT NULL, n INTEGER NOT NULL, null_value REAL, null_low REAL, null_high REAL, detail TEXT NOT NULL
);
CREATE INDEX by_label ON scores (label);
CREATE VIRTUAL TABLE search USING fts5 (
    text, words, content='labels', content_rowid='id', detail='column', prefix='2 3',
    tokenize='unicode61 remove_diacritics 2'
);
"""
_COLUMNS = "feature, text, source, kind, score, f1, n, words"
_SCORES = "scorer, judge, value, low, high, n, null_value, null_low, null_high, detail"
_TOO_COMMON = 8_000
_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """How well a label predicts its feature on text that it was not made from, by one scorer and one judge."""

    scorer: str
    """What was asked: detection, fuzzing, intruder, simulation, embedding or output; see docs/labels.md."""
    judge: str
    """Who answered: 'rule' is the rule itself, else a model or an encoder."""
    value: float
    """The score."""
    interval: Interval
    """95 % interval of the score over passages."""
    n: int
    """Passages that it is over."""
    null: float | None = None
    """The mean score of other features' labels on the same passages."""
    null_interval: Interval | None = None
    """Where the scores of 95 in 100 of them lie; None where there are too few."""
    detail: dict[str, float] = field(default_factory=dict)
    """Parts of it, by name: recall in each fifth of the firings, false alarms on each kind of silent passage."""

    @property
    def beats_null(self) -> bool:
        """Whether the label is better than other features' labels are, beyond luck in passages and in labels."""
        if self.null is None:
            return False
        return self.interval[0] > self.null and (self.null_interval is None or self.value > self.null_interval[1])


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
    scores: tuple[Score, ...] = ()
    """Its scores on held-out text beside their nulls; none of a first label, which was scored on half of its text."""

    @property
    def main(self) -> Score | None:
        """The score that `score` repeats: detection where it was made, else the first one."""
        return next((score for score in self.scores if score.scorer == "detection"), next(iter(self.scores), None))

    @property
    def null(self) -> float | None:
        """What other features' labels score by `main` on the same passages; None where it was not held against them."""
        return self.main.null if self.main else None

    @property
    def unit(self) -> Literal["tokens", "passages"]:
        """What `n` counts."""
        return "passages" if self.scores else "tokens"

    @property
    def quality(self) -> float:
        """What labels are ranked by: those with held-out scores go before those without."""
        return 1 + (self.score or 0.0) if self.scores else self.f1 or 0.0


def write_labels(path: Path, labels: Iterable[Label]) -> None:
    """Write the labels, best first, with their search index."""
    ranked = sorted(labels, key=lambda label: (-label.quality, label.feature))
    rows = [(x.feature, x.text, x.source, x.kind, x.score, x.f1, x.n, x.words) for x in ranked]
    scores = [(row, *_score_row(score)) for row, label in enumerate(ranked, 1) for score in label.scores]
    with staged(path) as aside:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(aside)
        try:
            with connection:
                connection.executescript(_SCHEMA)
                connection.executemany(f"INSERT INTO labels ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
                connection.executemany(
                    f"INSERT INTO scores (label, {_SCORES}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", scores
                )
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

    @cached_property
    def _has_scores(self) -> bool:
        """Files that were written before there were scores have no table of them."""
        with self._reading():
            found = self._connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'scores'").fetchone()
        return found is not None

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
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            marks = ",".join("?" * len(some))
            with self._reading():
                rows = self._connection.execute(
                    f"SELECT id, {_COLUMNS} FROM labels WHERE feature IN ({marks}) ORDER BY id", some
                ).fetchall()
            for label in self._labels(rows):
                found.setdefault(label.feature, []).append(label)
        return {feature: tuple(labels) for feature, labels in found.items()}

    def each(self) -> Iterator[Label]:
        """Every label in the order of the rows.

        Raises:
            BadArtefact: the file is damaged.
        """
        with self._reading():
            cursor = self._connection.execute(f"SELECT id, {_COLUMNS} FROM labels ORDER BY id")
            while rows := cursor.fetchmany(_AT_ONCE):
                yield from self._labels(rows)

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
            found = f"SELECT id, {_COLUMNS} FROM labels WHERE id IN ({marks})"
            rows = self._connection.execute(found, list(ids)).fetchall()
        return dict(zip((row[0] for row in rows), self._labels(rows), strict=True))

    def _labels(self, rows: Sequence[tuple]) -> list[Label]:
        """Rows of labels, each behind its number, with their scores."""
        scores: dict[int, list[Score]] = {}
        for start in range(0, len(rows) if self._has_scores else 0, _AT_ONCE):
            ids = [row[0] for row in rows[start : start + _AT_ONCE]]
            marks = ",".join("?" * len(ids))
            with self._reading():
                wanted = f"SELECT label, {_SCORES} FROM scores WHERE label IN ({marks}) ORDER BY rowid"
                for label, *score in self._connection.execute(wanted, ids):
                    scores.setdefault(label, []).append(_score(score))
        names = _COLUMNS.split(", ")
        return [Label(**dict(zip(names, row[1:], strict=True)), scores=tuple(scores.get(row[0], ()))) for row in rows]

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise corrupt(self._path, str(error)) from error


def _score_row(score: Score) -> tuple:
    null = (score.null, *(score.null_interval or (None, None)))
    return score.scorer, score.judge, score.value, *score.interval, score.n, *null, json.dumps(score.detail)


def _score(row: Sequence) -> Score:
    scorer, judge, value, low, high, n, null, null_low, null_high, detail = row
    null_interval = None if null_low is None else (null_low, null_high)
    try:
        parts = {str(name): float(part) for name, part in json.loads(detail).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise sqlite3.DatabaseError(f"a score has parts that are none: {detail!r:.60}") from error
    return Score(
        scorer=scorer,
        judge=judge,
        value=value,
        interval=(low, high),
        n=n,
        null=null,
        null_interval=null_interval,
        detail=parts,
    )
