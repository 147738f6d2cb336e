from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hooke.features.places import CLASSES, NOTHING, KeyIndex, PlaceReader, Places, Test
from hooke.features.store import TokenShard, save_tensors
from hooke.features.tokens import NO_SOURCE, TokenReader, shard_path
from hooke.features.vocabulary import Vocabulary

keys = arrays(np.int64, st.tuples(st.integers(1, 20), st.integers(1, 4)), elements=st.integers(NOTHING, 6))


@given(keys, st.lists(st.integers(0, 6), min_size=1, max_size=3, unique=True))
def test_the_index_of_keys_finds_the_places_that_have_them(table: np.ndarray, wanted: list[int]):
    given = Places({"current": table[:, :1], "context": table}, np.arange(len(table)))
    expected = [place for place, row in enumerate(table.tolist()) if set(row) & set(wanted)]
    assert np.flatnonzero(given.having("context", tuple(wanted))).tolist() == expected
    index = KeyIndex(given)
    assert index.having("context", tuple(wanted)).tolist() == expected
    has = given.table("context", np.array(wanted))
    assert np.flatnonzero(has.any(axis=1)).tolist() == expected
    share = [has[:, column].mean() or 0.5 / len(table) for column in range(len(wanted))]
    np.testing.assert_allclose(index.rates("context", np.array(wanted)), share)


@pytest.fixture
def reader(tmp_path: Path) -> PlaceReader:
    pieces = [b"<end>", b"New", b" York", b" 42", b"\n", b" is", b"ing", b" big", b" USA", "é".encode(), b" ("]
    vocabulary = Vocabulary(tuple(pieces), frozenset({0}))
    tokens = np.array([[0, 1, 2, 5, 7], [10, 3, 4, 6, 8]], np.uint16)
    return written(tmp_path, vocabulary, tokens)


def written(folder: Path, vocabulary: Vocabulary, tokens: np.ndarray) -> PlaceReader:
    source = np.where(tokens == 0, NO_SOURCE, np.arange(len(tokens))[:, None]).astype(np.uint8)
    fields = {"tokens": tokens, "document": tokens.astype(np.int32), "counted": tokens > 0, "source": source}
    save_tensors(shard_path(folder, 0), fields)
    shards = (TokenShard(first=0, n_windows=len(tokens), sha256=""),)
    return PlaceReader(vocabulary, TokenReader(folder, shards, tokens.shape[1], len(vocabulary)))


def names(reader: PlaceReader, given: Places, test: Test, place: int) -> list[str]:
    return [reader.name(test, key, ("north", "south")) for key in given.keys[test][place].tolist() if key != NOTHING]


def test_places_are_read_with_what_is_around_them(reader: PlaceReader):
    given = reader.read(np.array([2, 4, 0, 5, 7, 9]))
    assert len(given) == 6
    assert names(reader, given, "current", 0) == ["york"]
    assert names(reader, given, "previous", 0) == ["new"]
    assert names(reader, given, "following", 0) == ["is"]
    assert names(reader, given, "pair", 0) == ["new york"]
    assert names(reader, given, "source", 0) == ["north"]
    assert names(reader, given, "context", 1) == ["big", "york", "new"]
    assert names(reader, given, "class", 0) == ["capitalised words"]
    assert names(reader, given, "class before", 0) == ["capitalised words"]


def test_nothing_is_read_across_the_border_of_a_window(reader: PlaceReader):
    given = reader.read(np.array([0, 4, 5]))
    outside: list[tuple[Test, int]] = [
        ("previous", 0),
        ("pair", 0),
        ("class before", 0),
        ("following", 1),
        ("previous", 2),
        ("source", 0),
        ("context", 2),
    ]
    assert [names(reader, given, test, place) for test, place in outside] == [[]] * len(outside)


def test_tokens_are_told_apart_by_how_they_are_written(reader: PlaceReader):
    given = reader.read(np.array([6, 7, 8, 9, 5]))
    classes = [names(reader, given, "class", place) for place in range(5)]
    assert classes == [["digits"], ["line breaks"], ["parts inside words"], ["capital letters"], ["punctuation"]]
    assert CLASSES["letters with accents"]("é")
    assert CLASSES["other scripts"]("語")
    assert not CLASSES["other scripts"]("é")
    assert CLASSES["spaces"]("  ")


def test_contexts_are_left_out_where_they_are_not_wanted(reader: PlaceReader):
    assert "context" not in reader.read(np.array([2]), context=False).keys


def test_some_places_are_chosen_with_their_keys(reader: PlaceReader):
    given = reader.read(np.array([2, 4, 8]))
    some = given[np.array([False, True, True])]
    assert some.positions.tolist() == [4, 8]
    assert names(reader, some, "current", 0) == ["big"]


def test_a_word_is_put_together_from_its_pieces(tmp_path: Path):
    pieces = [b"(", b"t", b"amb", b"i\xc3", b"\xa9", b"n", b",", b" New", b"-", b"York", b" x1", b"Y"]
    reader = written(tmp_path, Vocabulary(tuple(pieces), frozenset()), np.arange(12)[None, :].astype(np.uint16))
    words = [reader.word(position) for position in range(12)]
    assert words == ["", *["també".replace("é", "ién")] * 5, "", "new", "", "york", "xy"[:1], "y"]


def test_a_pair_is_read_from_the_beginning_of_its_word(tmp_path: Path):
    pieces = [b" ent", b"re", b" la", b"\n", b"(", b"self"]
    reader = written(tmp_path, Vocabulary(tuple(pieces), frozenset()), np.array([[0, 1, 2, 3, 4, 5]], np.uint16))
    assert [reader.pair(position) for position in range(6)] == ["ent", "entre", "entre la", "la\n", "\n(", "(self"]
