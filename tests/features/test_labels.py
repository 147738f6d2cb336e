import dataclasses
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from hooke.errors import BadArtefact, BadRequest
from hooke.features import labels as module
from hooke.features.labels import Label, LabelReader, Score, write_labels
from hooke.features.query import Index


def label(feature: int, text: str, f1: float | None = 0.5, words: str = "", source: str = "rule") -> Label:
    return Label(feature=feature, text=text, source=source, kind="token", score=f1, f1=f1, n=10, words=words)


LABELS = [
    label(0, "bridges over rivers", 0.3, "thames seine"),
    label(1, "context: music, album", 0.9, "band guitar"),
    label(2, "dead", None),
    label(3, "token music", 0.7, "river"),
    label(3, "what a person wrote", 0.1, source="person"),
]


@pytest.fixture
def reader(tmp_path: Path) -> LabelReader:
    write_labels(tmp_path / "labels.sqlite", LABELS)
    return LabelReader(tmp_path / "labels.sqlite")


def test_labels_come_back_best_first(reader: LabelReader):
    assert reader.of(3) == (LABELS[3], LABELS[4])
    assert reader.of(2) == (LABELS[2],)
    assert reader.of(9) == ()
    assert reader.of_many([1, 0, 1, 9]) == {0: (LABELS[0],), 1: (LABELS[1],)}


def test_many_features_are_asked_for_at_once(tmp_path: Path):
    write_labels(tmp_path / "many.sqlite", [label(feature, f"number {feature}") for feature in range(1700)])
    found = LabelReader(tmp_path / "many.sqlite").of_many(range(1700))
    assert {feature: labels[0].text for feature, labels in found.items()} == {n: f"number {n}" for n in range(1700)}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("music", [3, 1]),
        ("Mus", [3, 1]),
        ("music album", [1]),
        ("album music", [1]),
        ("river", [0, 3]),
        ("guitar", [1]),
        ("thámes", [0]),
        ("zebra", []),
        ("music zebra", []),
        ("(music*) OR zebra", []),
        ("NEAR", []),
    ],
)
def test_search_wants_every_word_and_ranks_labels_before_example_words(
    reader: LabelReader, words: str, expected: list[int]
):
    assert [one.feature for one in reader.search(words, 10)] == expected


def test_search_without_a_word_is_refused(reader: LabelReader):
    with pytest.raises(BadRequest):
        reader.search(' "" * ', 10)


def test_a_very_common_word_is_answered_best_label_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_TOO_COMMON", 5)
    write_labels(tmp_path / "c.sqlite", [label(n, "the music" + " music" * n, f1=n / 20) for n in range(20)])
    assert [one.feature for one in LabelReader(tmp_path / "c.sqlite").search("music", 3)] == [19, 18, 17]


def test_best_scores_are_by_feature(reader: LabelReader):
    np.testing.assert_array_equal(reader.best("f1", 5), [0.3, 0.9, np.nan, 0.7, np.nan])
    with pytest.raises(BadArtefact, match="labels the feature 3 of 3"):
        reader.best("f1", 3)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path):
    (tmp_path / "x.sqlite").write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(BadArtefact):
        LabelReader(tmp_path / "x.sqlite").of(0)


def test_a_database_without_the_tables_is_refused(tmp_path: Path):
    import sqlite3

    sqlite3.connect(tmp_path / "x.sqlite").close()
    (tmp_path / "x.sqlite").touch()
    with pytest.raises(BadArtefact, match="no such table"):
        LabelReader(tmp_path / "x.sqlite").search("music", 3)


def test_readers_cannot_write(reader: LabelReader):
    import sqlite3

    with pytest.raises(sqlite3.OperationalError):
        reader._connection.execute("DELETE FROM labels")


def test_columns_have_the_best_label_of_every_feature(index: Index):
    first = index.labels.all_first(len(index))
    for feature in range(len(index)):
        label = index.label(feature)
        assert first.kinds[feature] == (label.kind if label else "")
        assert first.makers[feature] == (label.source if label else "")
    rows = list(index.labels.each())
    assert first.row_feature.tolist() == [label.feature for label in rows]
    assert index.labels.rows([1, len(rows)]) == {1: rows[0], len(rows): rows[-1]}


def test_very_common_words_come_in_the_order_of_the_labels(index: Index, monkeypatch: pytest.MonkeyPatch):
    ids, is_bounded = index.labels.matching("bridge")
    assert not is_bounded
    assert len(ids) > 1
    monkeypatch.setattr("hooke.features.labels._TOO_COMMON", 1)
    assert index.labels.matching("bridge") == ([min(ids)], True)


SCORES = (
    Score(scorer="fuzzing", judge="rule", value=0.6, interval=(0.5, 0.7), n=90, null=0.5),
    Score(
        scorer="detection",
        judge="rule",
        value=0.8,
        interval=(0.7, 0.9),
        n=100,
        null=0.5,
        null_interval=(0.4, 0.6),
        detail={"near": 0.25},
    ),
)


def test_scores_come_back_with_their_label_which_goes_before_labels_without(tmp_path: Path):
    scored = dataclasses.replace(label(1, "weak but scored", 0.1), scores=SCORES)
    write_labels(tmp_path / "labels.sqlite", [label(1, "strong"), scored, label(0, "another")])
    reader = LabelReader(tmp_path / "labels.sqlite")
    assert reader.of(1)[0] == scored
    assert reader.of(1)[0].main == SCORES[1]
    assert SCORES[1].beats_null
    assert reader.of(0)[0].scores == ()
    assert [one.scores for one in reader.each()] == [SCORES, (), ()]


def test_labels_without_a_table_of_scores_are_still_read(tmp_path: Path):
    write_labels(tmp_path / "labels.sqlite", LABELS)
    with sqlite3.connect(tmp_path / "labels.sqlite") as connection:
        connection.execute("DROP TABLE scores")
    assert LabelReader(tmp_path / "labels.sqlite").of(3) == (LABELS[3], LABELS[4])


def test_damaged_scores_are_refused(tmp_path: Path):
    write_labels(tmp_path / "labels.sqlite", [dataclasses.replace(LABELS[0], scores=SCORES)])
    with sqlite3.connect(tmp_path / "labels.sqlite") as connection:
        connection.execute("UPDATE scores SET detail = '[1]'")
    with pytest.raises(BadArtefact):
        LabelReader(tmp_path / "labels.sqlite").of(0)


def test_a_score_that_may_be_luck_does_not_beat_its_null():
    assert not dataclasses.replace(SCORES[1], interval=(0.45, 0.9)).beats_null
    assert not dataclasses.replace(SCORES[1], null_interval=(0.2, 0.85)).beats_null
    assert not dataclasses.replace(SCORES[1], null=None).beats_null
