"""Labels of features in one SQLite file, with full-text search over labels and example words (FTS5).

Rows are numbered from the best label down, so that a very common word can be answered in that order without ranking
tens of thousands of hits.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
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
_TOO_COMMON = 20_000


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
        words = re.findall(r"\w+", text)
        if not words:
            raise BadRequest(
                f"'{text}' holds no word to search for.",
                "",
                "Give at least one word; for a token such as ' (' ask what promotes it.",
            )
        query = " ".join(f'"{word}"*' for word in words)
        with self._reading():
            sample = "SELECT count(*) FROM (SELECT 1 FROM search WHERE search MATCH ? LIMIT ?)"
            (n_hits,) = self._connection.execute(sample, (query, _TOO_COMMON + 1)).fetchone()
            order = "rowid" if n_hits > _TOO_COMMON else "bm25(search, 4.0, 1.0), rowid"
            hits = f"SELECT rowid AS hit FROM search WHERE search MATCH ? ORDER BY {order} LIMIT ?"
            ids = [row[0] for row in self._connection.execute(hits, (query, n))]
            marks = ",".join("?" * len(ids))
            rows = self._connection.execute(f"SELECT id, {_COLUMNS} FROM labels WHERE id IN ({marks})", ids).fetchall()
        by_id = {row[0]: _label(row[1:]) for row in rows}
        return [by_id[id] for id in ids if id in by_id]

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise corrupt(self._path, str(error)) from error


def _label(row: tuple) -> Label:
    names = _COLUMNS.split(", ")
    return Label(**dict(zip(names, row, strict=True)))
